import fc from "fast-check";
import { lpmKey } from "../contents.ts";
import type { MapName } from "../mapCatalog.ts";
import { type AnyKind, anyOperand, defineKind, flagsOf, type Operand, upTo } from "../statement.ts";
import type { Writer } from "../writer.ts";

/** Maps with keys of 4 bytes, by the kernel's names of their types. */
const keyed = {
  array: "ARRAY",
  percpu_array: "PERCPU_ARRAY",
  hash: "HASH",
  percpu_hash: "PERCPU_HASH",
  lru_hash: "LRU_HASH",
  lru_percpu_hash: "LRU_PERCPU_HASH",
  lpm_trie: "LPM_TRIE",
} as const satisfies Partial<Record<MapName, string>>;
type Keyed = keyof typeof keyed;
const someMap = fc.constantFrom(...(Object.keys(keyed) as Keyed[]));

/** A key on the stack, at r10 + at (8 bytes). Tries take the keys that user space gives them, and a number of r7's. */
export function writeKey(out: Writer, map: MapName, at: number, key: Operand): void {
  if (map !== "lpm_trie") {
    out.code.put(8, 10, at, 0);
    out.storeOperand(4, at, key);
    return;
  }
  out.bytes(at, lpmKey("constant" in key ? key.constant : 7));
  if ("mask" in key) out.storeOperand(1, at + 7, key);
}

/** A value on the stack: bytes from a seed, with an operand in the first word. */
function writeValue(out: Writer, value: Operand, seed: number): number {
  const at = out.buffer(24, seed);
  out.storeOperand(4, at, value);
  return at;
}

const key = upTo(7);

export const mapKinds: readonly AnyKind[] = [
  defineKind({
    name: "bpf_map_lookup_elem",
    subject: "maps",
    params: fc.record({ map: someMap, key, change: fc.boolean() }),
    covers: ({ map }) => ["bpf_map_lookup_elem", `${keyed[map]} lookup`],
    stack: 8,
    write(out, { map, key: wanted, change }) {
      const { code } = out;
      const missing = code.label();
      const at = out.stack(8);
      writeKey(out, map, at, wanted);
      out.map(1, map);
      code.frame(2, at);
      out.call("bpf_map_lookup_elem");
      code.when(0, "==", 0, missing);
      code.load(8, 8, 0, 0);
      if (change) {
        code.copy(9, 8);
        code.change(9, "+=", 1);
        code.store(8, 0, 0, 9);
      }
      out.keep(8);
      code.combine(7, "+=", 8);
      code.place(missing);
    },
  }),
  defineKind({
    name: "atomic in a map value",
    subject: "maps",
    params: fc.record({ map: someMap, key, value: anyOperand }),
    covers: ({ map }) => [`${keyed[map]} atomic`],
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
      out.operand(8, value);
      code.emit({ code: 0xdb, dst: 0, src: 8, imm: 0x01 });
      out.keep(8);
      code.place(missing);
    },
  }),
  defineKind({
    name: "bpf_map_update_elem",
    subject: "maps",
    params: fc.record({ map: someMap, key, value: anyOperand, seed: fc.nat({ max: 0xffff }), flags: flagsOf([1, 2], [3, 4, 5, 8]) }),
    covers: ({ map }) => ["bpf_map_update_elem", `${keyed[map]} update`],
    stack: 32,
    write(out, { map, key: wanted, value, seed, flags }) {
      const { code } = out;
      const at = out.stack(8);
      writeKey(out, map, at, wanted);
      const valueAt = writeValue(out, value, seed);
      out.map(1, map);
      code.frame(2, at);
      code.frame(3, valueAt);
      code.set(4, flags);
      out.call("bpf_map_update_elem");
      out.keep(0);
      out.fold();
    },
  }),
  defineKind({
    name: "bpf_map_delete_elem",
    subject: "maps",
    params: fc.record({ map: someMap, key }),
    covers: ({ map }) => ["bpf_map_delete_elem", `${keyed[map]} delete`],
    stack: 8,
    write(out, { map, key: wanted }) {
      const { code } = out;
      const at = out.stack(8);
      writeKey(out, map, at, wanted);
      out.map(1, map);
      code.frame(2, at);
      out.call("bpf_map_delete_elem");
      out.keep(0);
      out.fold();
    },
  }),
];
