import { type Btf, stripped } from "../bpf/btf/index.ts";
import type { MapSpec } from "../bpf/spec.ts";
import {
  BPF_F_RDONLY_PROG,
  BPF_F_WRONLY_PROG,
  BPF_MAP_TYPE_ARRAY,
  BPF_MAP_TYPE_HASH,
  BPF_MAP_TYPE_LRU_HASH,
  BPF_MAP_TYPE_SK_STORAGE,
} from "../layout/index.ts";

/** A part of a map's values that belongs to the kernel: copies leave it alone, and user space sees zeros. */
export interface SpecialField {
  /** Name of its struct, or `kptr`. */
  readonly kind: string;
  readonly offset: number;
  readonly size: number;
}

interface FieldRule {
  readonly size: number;
  /** Map types whose values may hold it. */
  readonly maps: ReadonlySet<number>;
  /** A value may hold several. */
  readonly several?: boolean;
}

const lockable = new Set([BPF_MAP_TYPE_HASH, BPF_MAP_TYPE_ARRAY, BPF_MAP_TYPE_SK_STORAGE]);
const callable = new Set([BPF_MAP_TYPE_HASH, BPF_MAP_TYPE_LRU_HASH, BPF_MAP_TYPE_ARRAY]);

/** Measured by creating maps with such values on Linux 6.18; the kernel's own table: kernel/bpf/syscall.c, map_check_btf. */
const rules: ReadonlyMap<string, FieldRule> = new Map([
  ["bpf_spin_lock", { size: 4, maps: lockable }],
  ["bpf_res_spin_lock", { size: 4, maps: lockable }],
  ["bpf_timer", { size: 16, maps: callable }],
  ["bpf_wq", { size: 16, maps: callable }],
  ["bpf_list_head", { size: 16, maps: callable, several: true }],
  ["bpf_rb_root", { size: 16, maps: callable, several: true }],
]);

/**
 * The special fields of a map's values, in order of their offsets: members of the value's struct, of structs in it, and of arrays of one element; or variables of a
 * data section. As in the kernel they are not looked for behind typedefs nor in unions.
 *
 * None when the kernel refuses the types (a field that this kind of map may not hold, two locks, two timers, BPF_F_RDONLY_PROG): libbpf then makes the map without its
 * types, and the values are plain bytes.
 */
export function specialFields(spec: MapSpec): readonly SpecialField[] {
  const { btf, valueTypeId, type, flags } = spec;
  if (btf === undefined || valueTypeId === undefined || valueTypeId === 0) return [];
  const fields = [...fieldsOf(btf, valueTypeId, 0)].sort((a, b) => a.offset - b.offset);
  if ((flags & (BPF_F_RDONLY_PROG | BPF_F_WRONLY_PROG)) !== 0) return [];
  const seen = new Set<string>();
  for (const { kind, offset, size } of fields) {
    const rule = rules.get(kind)!;
    // The two kinds of lock exclude each other.
    const family = kind.endsWith("spin_lock") ? "lock" : kind;
    if (!rule.maps.has(type) || (seen.has(family) && rule.several !== true) || offset + size > spec.valueSize) return [];
    seen.add(family);
  }
  return fields;
}

/** Structs in structs, as deep as types may be nested. kernel/bpf/btf.c: MAX_RESOLVE_DEPTH. */
const MAX_DEPTH = 32;

function* fieldsOf(btf: Btf, typeId: number, base: number, depth = 0): Generator<SpecialField> {
  const type = depth === 0 ? stripped(btf, typeId) : btf.types[typeId];
  if (type?.kind === "datasec") {
    for (const variable of type.variables) {
      const declared = btf.types[variable.type];
      if (declared?.kind === "var") yield* fieldAt(btf, declared.type, base + variable.offset, depth + 1);
    }
  } else if (type?.kind === "struct" && depth < MAX_DEPTH) {
    for (const { type: member, bitOffset, bitSize } of type.members)
      if (bitSize === 0) yield* fieldAt(btf, member, base + bitOffset / 8, depth + 1);
  }
}

function* fieldAt(btf: Btf, typeId: number, offset: number, depth: number): Generator<SpecialField> {
  let id = typeId;
  let length = 1;
  for (let type = btf.types[id]; type?.kind === "array" && depth < MAX_DEPTH; type = btf.types[id], depth++) {
    length *= type.length;
    id = type.element;
  }
  const type = btf.types[id];
  if (type?.kind !== "struct" || length === 0) return;
  const size = rules.get(type.name)?.size;
  if (size === undefined) {
    if (length === 1) yield* fieldsOf(btf, id, offset, depth);
    return;
  }
  yield { kind: type.name, offset, size };
  if (length > 1) yield { kind: type.name, offset: offset + size, size };
}
