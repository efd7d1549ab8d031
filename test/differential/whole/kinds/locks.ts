import fc from "fast-check";
import type { MapName } from "../mapCatalog.ts";
import { type AnyKind, anyOperand, defineKind, upTo } from "../statement.ts";
import { writeKey } from "./maps.ts";

const locked = { locked_array: "ARRAY", locked_hash: "HASH" } as const satisfies Partial<Record<MapName, string>>;
type Locked = keyof typeof locked;
const BPF_F_LOCK = 4;
const key = upTo(5);

/** Values with a lock in them. */
export const lockKinds: readonly AnyKind[] = [
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
