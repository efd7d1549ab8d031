import { readFileSync } from "node:fs";
import fc from "fast-check";
import { expect, test } from "vitest";
import { parse } from "yaml";
import { formatHex } from "../../../src/bpf/btf/index.ts";
import { decodeKey, decodeMapValue, encodeKey, openObject, readMapEntries } from "../../../src/bpf/elf/index.ts";
import type { MapSpec } from "../../../src/bpf/spec.ts";

const mapsOf = (name: string): ReadonlyMap<string, MapSpec> => {
  const file = `programs/${name}.o`;
  const opened = openObject(readFileSync(file), { file });
  if (!opened.ok) throw new Error(opened.problem.message);
  return new Map(opened.value.maps.map((map) => [map.name, map]));
};

test.each(["balancer", "firewall", "policy", "router", "scrubber"])("the map contents of %s fit the types of its maps", (name) => {
  const maps = mapsOf(name);
  const contents = parse(readFileSync(`programs/${name}.maps.yaml`, "utf8")) as Record<string, unknown>;
  for (const [mapName, entries] of Object.entries(contents)) {
    const map = maps.get(mapName);
    if (map === undefined) throw new Error(`no map ${mapName}`);
    const read = readMapEntries(map, entries);
    if (!read.ok) throw new Error(read.problem.message);
    expect(read.value).toHaveLength((entries as unknown[]).length);
    for (const { key, value } of read.value) {
      expect(key.length).toBe(map.keySize);
      expect(value?.length).toBe(map.valueSize);
    }
  }
});

test("an entry of a trie is prefix length and address, as the packet has them", () => {
  const zones = mapsOf("firewall").get("zones4")!;
  const read = readMapEntries(zones, [{ key: { length: 24, address: "203.0.113.0" }, value: { id: 3 } }]);
  if (!read.ok) throw new Error(read.problem.message);
  const [entry] = read.value;
  expect(formatHex(entry!.key)).toBe("18 00 00 00 cb 00 71 00");
  expect(decodeKey(zones, entry!.key)).toEqual({ length: 24, address: [203, 0, 113, 0] });
  expect(decodeMapValue(zones, entry!.value!)).toEqual({ id: 3 });
});

test("a map of scalars may be written as an object from keys to values", () => {
  const amplifiers = mapsOf("scrubber").get("amplifiers")!;
  const read = readMapEntries(amplifiers, { 19: 1, "0x7b": 1 });
  expect(read.ok && read.value.map(({ key }) => formatHex(key))).toEqual(["13 00", "7b 00"]);
});

test("the values of a per-CPU map may differ by CPU", () => {
  const counters = mapsOf("firewall").get("rule_counters")!;
  const read = readMapEntries(counters, [{ key: 1, values: [{ cpu: 2, value: { packets: 5, bytes: "18446744073709551615" } }] }]);
  expect(read).toMatchObject({ ok: true, value: [{ cpuValues: [{ cpu: 2 }] }] });
  expect(read.ok && formatHex(read.value[0]!.cpuValues![0]!.value)).toBe("05 00 00 00 00 00 00 00 ff ff ff ff ff ff ff ff");
});

test("a fault names the entry and the member", () => {
  const rules = mapsOf("firewall").get("rules")!;
  const message = (contents: unknown) => {
    const read = readMapEntries(rules, contents);
    return read.ok ? "fine" : read.problem.message;
  };
  expect(message([{ key: { zone: 1, port: 70000 }, value: {} }])).toBe(
    "rules[0].key.port: 70000 does not fit unsigned short (unsigned, 16 bits)",
  );
  expect(message([{ key: {} }])).toBe('rules[0]: {"key":{}} given, expected a list of elements');
  expect(message(5)).toBe("rules: 5 given, expected a list of elements");
});

test("whatever is given as contents is read, or refused by name", () => {
  const everything = openObject(readFileSync("test/bpf/elf/objects/everything.clang19.o"), { file: "everything.o" });
  if (!everything.ok) throw new Error(everything.problem.message);
  const maps = [...everything.value.maps, ...mapsOf("firewall").values(), ...mapsOf("balancer").values()];
  const scalar = fc.oneof(fc.jsonValue({ maxDepth: 2 }), fc.bigInt(), fc.constantFrom(undefined, Number.NaN, -0, "0x1", "1.2.3.4"));
  const named = fc.dictionary(fc.constantFrom("key", "value", "values", "cpu", "__proto__", "port", "0", "from"), scalar, { maxKeys: 4 });
  const contents = fc.oneof(scalar, named, fc.array(fc.oneof(scalar, named, fc.record({ key: named, value: named })), { maxLength: 3 }));
  fc.assert(
    fc.property(fc.constantFrom(...maps), contents, (map, given) => {
      const read = readMapEntries(map, given);
      if (!read.ok) {
        expect(read.problem.exit).toBe(3);
        expect(read.problem.message.startsWith(map.name)).toBe(true);
        return;
      }
      for (const { key, value } of read.value) {
        expect(key.length).toBe(map.keySize);
        if (value !== undefined) expect(value.length).toBe(map.valueSize);
      }
    }),
    { numRuns: 2000 },
  );
  const self: unknown[] = [];
  self.push(self);
  expect(readMapEntries(maps[0]!, self)).toMatchObject({ ok: false, problem: { code: "map_contents_form" } });
});

test("a map without types takes bytes", () => {
  const map: MapSpec = { name: "raw", type: 1, keySize: 4, valueSize: 2, maxEntries: 8, flags: 0 };
  expect(encodeKey(map, "0a 00 00 01")).toEqual({ ok: true, value: Uint8Array.of(10, 0, 0, 1) });
  expect(encodeKey(map, "0a 00")).toMatchObject({ ok: false, problem: { code: "value_wrong_size" } });
});
