import { expect, test } from "vitest";
import type { Btf } from "../../src/bpf/btf/index.ts";
import { type ContentsPlace, dumpMap, fillMap } from "../../src/dataplane/mapContents.ts";
import {
  BPF_F_NO_PREALLOC,
  BPF_MAP_TYPE_CGROUP_ARRAY,
  BPF_MAP_TYPE_SK_STORAGE,
  BPF_MAP_TYPE_SOCKHASH,
  BPF_MAP_TYPE_SOCKMAP,
} from "../../src/layout/index.ts";
import { ProblemError } from "../../src/problem/index.ts";
import { parseSocket } from "../../src/stack/index.ts";
import { TestMachine } from "./machine.ts";

const texts = ["tcp listen 10.0.0.1:80", "udp 10.0.0.1:53 cgroup /dns"];
const sockets = texts.map((text) => {
  const socket = parseSocket(text);
  if (!socket.ok) throw new Error(socket.problem.message);
  return socket.value;
});
const machine = new TestMachine({ sockets });
const { dataplane } = machine;
const place: ContentsPlace = {
  object: undefined as never,
  programType: "sched_cls",
  ifindex: () => undefined,
  socket: (text) => dataplane.socketNumber(text),
  cgroup: (path) => dataplane.cgroups.idOf(path),
};
const btf: Btf = {
  littleEndian: true,
  types: [{ kind: "void" }, { kind: "int", name: "int", size: 4, bits: 32, bitOffset: 0, signed: true, char: false, bool: false }],
};
const storage = { name: "s", type: BPF_MAP_TYPE_SK_STORAGE, maxEntries: 0, flags: BPF_F_NO_PREALLOC, btf, keyTypeId: 1, valueTypeId: 1 };

test("sockets are named in maps' contents by their declarations or their numbers", () => {
  const array = machine.map({ name: "a", type: BPF_MAP_TYPE_SOCKMAP, valueSize: 8 });
  fillMap(place, array, { "0x03000000": texts[1], "0x01000000": 1 });
  expect(dumpMap(array)).toEqual([
    { key: "01 00 00 00", value: "01 00 00 00 00 00 00 00" },
    { key: "03 00 00 00", value: "02 00 00 00 00 00 00 00" },
  ]);
  const hash = machine.map({ name: "h", type: BPF_MAP_TYPE_SOCKHASH, keySize: 2 });
  fillMap(place, hash, [{ key: "0a0b", value: texts[0] }]);
  expect(dumpMap(hash)).toEqual([{ key: "0a 0b", value: "01 00 00 00" }]);
  const values = machine.map(storage);
  fillMap(place, values, { [texts[1]!]: 70, 1: 71 });
  expect(dumpMap(values)).toEqual([
    { key: 1, value: 71 },
    { key: 2, value: 70 },
  ]);
});

test.each([
  [{ name: "a", type: BPF_MAP_TYPE_SOCKMAP }, { "00000000": "tcp listen 10.0.0.2:80" }, "map_entry_form"],
  [{ name: "a", type: BPF_MAP_TYPE_SOCKMAP }, { "00000000": 3 }, "map_entry_refused"],
  [storage, { "udp 10.0.0.1:54": 1 }, "map_entry_form"],
  [storage, [{ key: 9, value: 1 }], "map_entry_refused"],
  [{ name: "g", type: BPF_MAP_TYPE_CGROUP_ARRAY }, { "00000000": "dns" }, "map_entry_form"],
])("%j does not take %j: %s", (spec, contents, code) => {
  const map = machine.map(spec);
  expect(() => fillMap(place, map, contents)).toThrow(ProblemError);
  try {
    fillMap(place, map, contents);
  } catch (error) {
    expect((error as ProblemError).problem.code).toBe(code);
  }
});
