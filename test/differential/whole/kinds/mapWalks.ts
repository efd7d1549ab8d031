import fc from "fast-check";
import type { MapName } from "../mapCatalog.ts";
import { type AnyKind, defineKind, upTo } from "../statement.ts";
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
const key = upTo(5);

/** What looks at another CPU's values, or at all elements of a map. */
export const mapWalkKinds: readonly AnyKind[] = [
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
];
