import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { withArenaVariables } from "../../../src/bpf/elf/arenaVariables.ts";
import { readElf } from "../../../src/bpf/elf/image.ts";
import { openObject } from "../../../src/bpf/elf/index.ts";
import type { PlacedMap } from "../../../src/bpf/elf/placedMap.ts";
import { BPF_MAP_TYPE_ARENA, BPF_MAP_TYPE_ARRAY } from "../../../src/layout/index.ts";

const bytes = readFileSync(new URL("../../../programs/probes/arena.o", import.meta.url));
const image = readElf(bytes, "arena.o");

const placed = (name: string, type: number, maxEntries = 1): PlacedMap => ({
  spec: { name, type, keySize: 0, valueSize: 0, maxEntries, flags: 0 },
  section: 1,
  from: 0,
  to: 8,
  data: false,
});
const array = placed("array", BPF_MAP_TYPE_ARRAY);
const arena = placed("arena", BPF_MAP_TYPE_ARENA);

test("the section's variables become the arena's contents", () => {
  const maps = withArenaVariables([array, arena], image, null);
  const section = image.sections.find(({ name }) => name === ".addr_space.1")!;
  expect(maps[0]).toBe(array);
  expect(maps[1]!.variables).toEqual({ section: section.index, size: section.size });
  expect(maps[1]!.spec.contents).toEqual(section.data.bytes);
});

test.each([
  [[array], "map .addr_space.1: its variables need a map of type ARENA"],
  [[arena, placed("another", BPF_MAP_TYPE_ARENA)], "map another: it is a second ARENA; an object can have one"],
  [[placed("empty", BPF_MAP_TYPE_ARENA, 0)], /its \d+ bytes do not fit into the arena empty/],
])("what libbpf does not take is refused: %#", (maps, message) => {
  expect(() => withArenaVariables(maps, image, null)).toThrow(message);
});

test("addresses of variables are offsets in the arena", () => {
  const object = openObject(bytes, { file: "arena.o" });
  if (!object.ok) throw new Error(object.problem.message);
  const { instructions } = object.value.programs[0]!;
  const view = new DataView(instructions.buffer, instructions.byteOffset);
  const offsets = new Set<number>();
  for (let at = 0; at < instructions.length; at += 8) {
    if (instructions[at] === 0x18 && instructions[at + 1]! >> 4 === 2) offsets.add(view.getInt32(at + 12, true));
    if (instructions[at] === 0x18) at += 8;
  }
  expect(offsets.size).toBeGreaterThanOrEqual(5);
  expect(Math.max(...offsets)).toBeLessThan(object.value.maps[0]!.contents!.length);
});
