import fc from "fast-check";
import type { MapName } from "../mapCatalog.ts";
import { type AnyKind, anyOperand, defineKind, flagsOf, upTo } from "../statement.ts";
import { writeKey } from "./maps.ts";

const perCpu = { percpu_array: "PERCPU_ARRAY", percpu_hash: "PERCPU_HASH", lru_percpu_hash: "LRU_PERCPU_HASH" } as const satisfies Partial<
  Record<MapName, string>
>;
type PerCpu = keyof typeof perCpu;

const walked = {
  array: "ARRAY",
  percpu_array: "PERCPU_ARRAY",
  hash: "HASH",
  percpu_hash: "PERCPU_HASH",
  lru_hash: "LRU_HASH",
  lru_percpu_hash: "LRU_PERCPU_HASH",
} as const satisfies Partial<Record<MapName, string>>;
type Walked = keyof typeof walked;

const nested = { array_of_maps: "ARRAY_OF_MAPS", hash_of_maps: "HASH_OF_MAPS" } as const satisfies Partial<Record<MapName, string>>;
type Nested = keyof typeof nested;

const locked = { locked_array: "ARRAY", locked_hash: "HASH" } as const satisfies Partial<Record<MapName, string>>;
type Locked = keyof typeof locked;

const BPF_F_LOCK = 4;
const key = upTo(5);

export const moreMapKinds: readonly AnyKind[] = [
  defineKind({
    name: "bpf_map_lookup_percpu_elem",
    subject: "maps",
    params: fc.record({ map: fc.constantFrom(...(Object.keys(perCpu) as PerCpu[])), key, cpu: upTo(3), change: fc.boolean() }),
    covers: ({ map }) => ["bpf_map_lookup_percpu_elem", `${perCpu[map]} lookup of a CPU`],
    stack: 8,
    write(out, { map, key: wanted, cpu, change }) {
      const { code } = out;
      const missing = code.label();
      const at = out.stack(8);
      writeKey(out, map, at, wanted);
      out.map(1, map);
      code.frame(2, at);
      out.operand(3, cpu);
      out.call("bpf_map_lookup_percpu_elem");
      code.when(0, "==", 0, missing);
      code.load(8, 8, 0, 0);
      if (change) code.put(4, 0, 4, 77);
      out.keep(8);
      code.place(missing);
    },
  }),
  defineKind({
    name: "bpf_for_each_map_elem",
    subject: "maps",
    notIn: "callbacks",
    params: fc.record({
      map: fc.constantFrom(...(Object.keys(walked) as Walked[])),
      stop: fc.boolean(),
      change: fc.boolean(),
      flags: fc.constantFrom(0, 0, 0, 0, 1),
    }),
    covers: ({ map }) => ["bpf_for_each_map_elem", `${walked[map]} walk`],
    stack: 16,
    write(out, { map, stop, change, flags }) {
      const { code } = out;
      const callback = code.label();
      out.callback(callback, () => {
        // In no order that anybody knows: sums only. r4 is where they stand in the caller's frame.
        code.load(4, 2, 2, 0);
        code.load(4, 5, 3, 4);
        code.load(8, 1, 4, 0);
        code.combine(1, "+=", 2);
        if (!stop) code.combine(1, "+=", 5);
        code.store(8, 4, 0, 1);
        if (change) {
          code.change(5, "+=", 3);
          code.store(4, 3, 4, 5);
        }
        code.load(8, 1, 4, 8);
        code.change(1, "+=", 1);
        code.store(8, 4, 8, 1);
        code.set(0, 0);
        code.exit();
      });
      const at = out.stack(16);
      // Words whose value the verifier does not know, so that the callback's turns look alike.
      for (const word of [0, 8]) {
        out.unknown(8, { constant: 0 });
        code.store(8, 10, at + word, 8);
      }
      out.map(1, map);
      code.functionAddress(2, callback);
      code.frame(3, at);
      out.unknown(4, { constant: flags });
      out.call("bpf_for_each_map_elem");
      out.keep(0);
      out.keepStack(at, 16);
    },
  }),
  defineKind({
    name: "bpf_map_sum_elem_count",
    subject: "maps",
    params: fc.constantFrom(...(Object.keys(walked) as Walked[])),
    covers: (map) => ["bpf_map_sum_elem_count", `${walked[map]} count`],
    write(out, map) {
      out.map(1, map);
      out.kfunc("bpf_map_sum_elem_count");
      out.keep(0);
    },
  }),
  defineKind({
    name: "map in a map",
    subject: "maps",
    weight: 8,
    params: fc.record({
      map: fc.constantFrom(...(Object.keys(nested) as Nested[])),
      key: upTo(3),
      inner: upTo(7),
      operation: fc.constantFrom("lookup", "update", "delete"),
      value: anyOperand,
      flags: flagsOf([1, 2], [3]),
    }),
    covers: ({ map, operation }) => ["bpf_map_lookup_elem", `${nested[map]} lookup`, `${nested[map]} inner ${operation}`],
    stack: 24,
    write(out, { map, key: wanted, inner, operation, value, flags }) {
      const { code } = out;
      const missing = code.label();
      const [at, innerAt, valueAt] = [out.stack(8), out.stack(8), out.stack(8)];
      writeKey(out, map, at, wanted);
      writeKey(out, map, innerAt, inner);
      out.storeOperand(8, valueAt, value);
      out.map(1, map);
      code.frame(2, at);
      out.call("bpf_map_lookup_elem");
      code.when(0, "==", 0, missing);
      code.copy(1, 0);
      code.frame(2, innerAt);
      if (operation === "update") {
        code.frame(3, valueAt);
        code.set(4, flags);
      }
      out.call(`bpf_map_${operation}_elem`);
      if (operation === "lookup") {
        code.when(0, "==", 0, missing);
        code.load(8, 8, 0, 0);
        code.change(8, "+=", 5);
        code.store(8, 0, 0, 8);
        code.copy(0, 8);
      }
      out.keep(0);
      code.place(missing);
    },
  }),
  defineKind({
    name: "bpf_spin_lock",
    subject: "maps",
    weight: 6,
    params: fc.record({ map: fc.constantFrom(...(Object.keys(locked) as Locked[])), key, value: anyOperand }),
    covers: ({ map }) => ["bpf_spin_lock", "bpf_spin_unlock", `${locked[map]} with a lock`],
    stack: 8,
    write(out, { map, key: wanted, value }) {
      const { code } = out;
      const missing = code.label();
      const at = out.stack(8);
      writeKey(out, map, at, wanted);
      out.map(1, map);
      code.frame(2, at);
      out.call("bpf_map_lookup_elem");
      code.when(0, "==", 0, missing);
      code.copy(8, 0);
      out.operand(9, value);
      code.copy(1, 8);
      out.call("bpf_spin_lock");
      code.load(4, 2, 8, 4);
      code.combine(2, "+=", 9);
      code.store(4, 8, 4, 2);
      code.copy(9, 2);
      code.copy(1, 8);
      out.call("bpf_spin_unlock");
      out.keep(9);
      code.place(missing);
    },
  }),
  defineKind({
    name: "bpf_map_update_elem under a lock",
    subject: "maps",
    params: fc.record({
      map: fc.constantFrom(...(Object.keys(locked) as Locked[])),
      key,
      seed: fc.nat({ max: 0xffff }),
      flags: fc.constantFrom(0, BPF_F_LOCK, BPF_F_LOCK, BPF_F_LOCK | 1, BPF_F_LOCK | 2, 1, 2),
    }),
    covers: ({ map, flags }) => [
      "bpf_map_update_elem",
      `${locked[map]} update${(flags & BPF_F_LOCK) === 0 ? " around a lock" : " with BPF_F_LOCK"}`,
    ],
    stack: 24,
    write(out, { map, key: wanted, seed, flags }) {
      const { code } = out;
      const at = out.stack(8);
      writeKey(out, map, at, wanted);
      const value = out.buffer(16, seed);
      out.map(1, map);
      code.frame(2, at);
      code.frame(3, value);
      code.set(4, flags);
      out.call("bpf_map_update_elem");
      out.keep(0);
    },
  }),
  defineKind({
    name: "bpf_map_delete_elem of a value with a lock",
    subject: "maps",
    weight: 2,
    params: key,
    covers: () => ["bpf_map_delete_elem", "HASH delete of a value with a lock"],
    stack: 8,
    write(out, wanted) {
      const { code } = out;
      const at = out.stack(8);
      writeKey(out, "locked_hash", at, wanted);
      out.map(1, "locked_hash");
      code.frame(2, at);
      out.call("bpf_map_delete_elem");
      out.keep(0);
    },
  }),
  defineKind({
    name: "bpf_res_spin_lock",
    subject: "maps",
    params: fc.record({ key, value: anyOperand, saved: fc.boolean() }),
    covers: ({ saved }) =>
      saved ? ["bpf_res_spin_lock_irqsave", "bpf_res_spin_unlock_irqrestore"] : ["bpf_res_spin_lock", "bpf_res_spin_unlock"],
    stack: 16,
    write(out, { key: wanted, value, saved }) {
      const { code } = out;
      const end = code.label();
      const at = out.stack(8);
      const flags = out.stack(8);
      writeKey(out, "resilient_array", at, wanted);
      out.map(1, "resilient_array");
      code.frame(2, at);
      out.call("bpf_map_lookup_elem");
      code.when(0, "==", 0, end);
      code.copy(8, 0);
      out.operand(9, value);
      code.copy(1, 8);
      if (saved) code.frame(2, flags);
      out.kfunc(saved ? "bpf_res_spin_lock_irqsave" : "bpf_res_spin_lock");
      code.when(0, "!=", 0, end);
      code.load(4, 2, 8, 4);
      code.combine(2, "+=", 9);
      code.store(4, 8, 4, 2);
      code.copy(1, 8);
      if (saved) code.frame(2, flags);
      out.kfunc(saved ? "bpf_res_spin_unlock_irqrestore" : "bpf_res_spin_unlock");
      code.place(end);
    },
  }),
];
