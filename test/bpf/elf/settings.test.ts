import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { decodeMapValue, type ObjectFile, openObject, settingsFor, unknownSetting, withSettings } from "../../../src/bpf/elf/index.ts";

const file = "test/bpf/elf/objects/everything.clang19.o";
const opened = openObject(new Uint8Array(readFileSync(file)), { file });
if (!opened.ok) throw new Error(opened.problem.message);
const object = opened.value;

function set(...settings: string[]): ObjectFile {
  const changed = withSettings(object, settings);
  if (!changed.ok) throw new Error(changed.problem.message);
  return changed.value;
}
const dataOf = ({ maps }: ObjectFile, name: string) => {
  const map = maps.find((one) => one.name === name)!;
  return decodeMapValue(map, map.contents!);
};

test("global variables of any section take new first values", () => {
  const changed = set("limit=9000", "seen=18446744073709551615", 'last={"port":80,"fate":"FATE_DROP"}', "hidden=0x10");
  expect(dataOf(changed, ".rodata")).toEqual({ limit: 9000 });
  expect(dataOf(changed, ".bss")).toEqual({ seen: "18446744073709551615" });
  expect(dataOf(changed, ".data")).toMatchObject({ hidden: 16, last: { port: 80, fate: "FATE_DROP", name: "" } });
  // The object that was opened stays as it was, and all programs of the new one see the new maps.
  expect(dataOf(object, ".rodata")).toEqual({ limit: 1500 });
  for (const program of changed.programs) expect(program.maps).toBe(changed.maps);
});

test("a text may be set without quotes", () => {
  expect(dataOf(set("banner=other"), ".rodata.banner")).toEqual({ banner: "other" });
});

test("a map takes another size", () => {
  const flows = set("flows.max_entries=0x20").maps.find(({ name }) => name === "flows");
  expect(flows).toMatchObject({ maxEntries: 32, keySize: 16 });
});

test("what cannot be set is refused by name", () => {
  const problem = (setting: string) => {
    const changed = withSettings(object, [setting]);
    return changed.ok ? undefined : `${changed.problem.exit} ${changed.problem.message}`;
  };
  expect(problem("limit")).toBe("2 limit sets nothing");
  expect(problem("nothing=1")).toBe(`2 ${file} has no global variable or map that nothing could set`);
  expect(problem("limit=4294967296")).toBe("2 limit: 4294967296 does not fit unsigned int (unsigned, 32 bits)");
  expect(problem("flows.max_entries=many")).toBe("2 flows.max_entries=many: expected a whole number below 2^32");
});

test("a section may stand in front of a variable, with its dot or without", () => {
  expect(dataOf(set("rodata.limit=1"), ".rodata")).toEqual({ limit: 1 });
  expect(dataOf(set(".rodata.limit=2"), ".rodata")).toEqual({ limit: 2 });
  expect(dataOf(set(".data.hot.hot=3"), ".data.hot")).toEqual({ hot: 3 });
  expect(withSettings(object, ["bss.limit=1"])).toMatchObject({ ok: false, problem: { code: "setting_unknown" } });
});

test("over several objects, a setting is for those that know its name", () => {
  expect(settingsFor(object, ["limit=1", "flows.max_entries=2", "other=3"])).toEqual({
    ok: true,
    value: ["limit=1", "flows.max_entries=2"],
  });
  expect(unknownSetting([object, object], "other=3")).toMatchObject({
    ...{ exit: 2, message: `${file}, ${file} has no global variable or map that other could set` },
  });
});
