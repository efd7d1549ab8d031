import type { RuntimeFunction } from "../bpf/spec.ts";
import {
  BPF_MAP_TYPE_ARRAY,
  BPF_MAP_TYPE_ARRAY_OF_MAPS,
  BPF_MAP_TYPE_HASH,
  BPF_MAP_TYPE_HASH_OF_MAPS,
  BPF_MAP_TYPE_LPM_TRIE,
  BPF_MAP_TYPE_LRU_HASH,
  BPF_MAP_TYPE_PERCPU_ARRAY,
  BPF_MAP_TYPE_PERCPU_HASH,
} from "../layout/index.ts";

const LOOKUP = 1;

/** Lookups by map type, where there is no choice by key size. */
const lookups: ReadonlyMap<number, string> = new Map([
  [BPF_MAP_TYPE_ARRAY, "arrayLookup"],
  [BPF_MAP_TYPE_PERCPU_ARRAY, "percpuArrayLookup"],
  [BPF_MAP_TYPE_PERCPU_HASH, "percpuHashLookup"],
  [BPF_MAP_TYPE_LPM_TRIE, "lpmLookup"],
  [BPF_MAP_TYPE_ARRAY_OF_MAPS, "innerOfArray"],
  [BPF_MAP_TYPE_HASH_OF_MAPS, "innerOfHash"],
]);

/** Key sizes with lookups of their own. */
const ownSizes: ReadonlySet<number> = new Set([4, 8, 16]);

function lookupEntry(type: number, keySize: number): string | undefined {
  const suffix = ownSizes.has(keySize) ? String(keySize) : "";
  if (type === BPF_MAP_TYPE_HASH) return `hashLookup${suffix}`;
  if (type === BPF_MAP_TYPE_LRU_HASH) return `lruLookup${suffix}`;
  if (type === BPF_MAP_TYPE_PERCPU_HASH && keySize === 4) return "percpuHashLookup4";
  return lookups.get(type);
}

/** The function that does what a helper does on a map of this type and key size, without finding the type out first; undefined when there is none. */
export function mapOperation(
  helper: number,
  { type, keySize }: { readonly type: number; readonly keySize: number },
): RuntimeFunction | undefined {
  const entry = helper === LOOKUP ? lookupEntry(type, keySize) : undefined;
  return entry === undefined ? undefined : { entry, parameters: ["i32", "i32"], result: "u32" };
}

/** For tail calls through a map that is not known when the program is compiled. */
export const tailCallSlot: RuntimeFunction = { entry: "tailCallSlot", parameters: ["i32", "i32"], result: "u32" };
