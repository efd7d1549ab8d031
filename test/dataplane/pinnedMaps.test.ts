import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { type ObjectFile, openObject, withSettings } from "../../src/bpf/elf/index.ts";
import { Dataplane } from "../../src/dataplane/index.ts";

function open(...settings: string[]): ObjectFile {
  const file = "test/bpf/elf/objects/everything.clang19.o";
  const opened = openObject(new Uint8Array(readFileSync(file)), { file });
  if (!opened.ok) throw new Error(opened.problem.message);
  const set = withSettings(opened.value, settings);
  if (!set.ok) throw new Error(set.problem.message);
  return set.value;
}

test("objects of one machine share what they pin by name, and nothing else", () => {
  const machine = new Dataplane({ devices: [{ name: "eth0" }], workers: 0 });
  const [first, second] = [machine.open(open()), machine.open(open())];
  expect(second.map("flows")).toBe(first.map("flows"));
  for (const { name } of first.maps.filter(({ spec }) => spec.pinByName !== true)) expect(second.map(name)).not.toBe(first.map(name));
  const another = new Dataplane({ devices: [{ name: "eth0" }], workers: 0 }).open(open());
  expect(another.map("flows")).not.toBe(first.map("flows"));
});

test("a pinned map that is declared otherwise is refused by what differs", () => {
  const machine = new Dataplane({ devices: [{ name: "eth0" }], workers: 0 });
  machine.open(open());
  expect(() => machine.open(open("flows.max_entries=7"))).toThrow(
    "map flows is pinned by name with max_entries 1024 by an object before, and this one declares 7",
  );
});
