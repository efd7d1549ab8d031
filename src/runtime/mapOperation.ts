import type { RuntimeFunction } from "../bpf/spec.ts";
import {
  BPF_F_RDONLY_PROG,
  BPF_MAP_TYPE_ARRAY,
  BPF_MAP_TYPE_ARRAY_OF_MAPS,
  BPF_MAP_TYPE_HASH,
  BPF_MAP_TYPE_HASH_OF_MAPS,
  BPF_MAP_TYPE_LPM_TRIE,
  BPF_MAP_TYPE_LRU_HASH,
  BPF_MAP_TYPE_LRU_PERCPU_HASH,
  BPF_MAP_TYPE_PERCPU_ARRAY,
  BPF_MAP_TYPE_PERCPU_HASH,
} from "../layout/index.ts";

/** What the runtime's functions for one map type are called. */
interface MapFunctions {
  readonly lookup: string;
  readonly update?: string;
  readonly delete?: string;
}

const functions: ReadonlyMap<number, MapFunctions> = new Map<number, MapFunctions>([
  [BPF_MAP_TYPE_ARRAY, { lookup: "arrayLookup", update: "arrayUpdate" }],
  [BPF_MAP_TYPE_PERCPU_ARRAY, { lookup: "percpuArrayLookup", update: "percpuArrayUpdate" }],
  [BPF_MAP_TYPE_HASH, { lookup: "hashLookup", update: "hashUpdate", delete: "hashDelete" }],
  [BPF_MAP_TYPE_PERCPU_HASH, { lookup: "percpuHashLookup", update: "percpuHashUpdate", delete: "hashDelete" }],
  [BPF_MAP_TYPE_LRU_HASH, { lookup: "lruLookup", update: "lruUpdate", delete: "lruDelete" }],
  [BPF_MAP_TYPE_LRU_PERCPU_HASH, { lookup: "lruPercpuLookup", update: "lruPercpuUpdate", delete: "lruDelete" }],
  [BPF_MAP_TYPE_LPM_TRIE, { lookup: "lpmLookup", update: "lpmUpdate", delete: "lpmDelete" }],
  [BPF_MAP_TYPE_ARRAY_OF_MAPS, { lookup: "innerOfArray" }],
  [BPF_MAP_TYPE_HASH_OF_MAPS, { lookup: "innerOfHash" }],
]);

/** Map types whose lookups have a form of their own for some key sizes, its name ending in the size. */
const lookupsBySize: ReadonlyMap<number, ReadonlySet<number>> = new Map([
  [BPF_MAP_TYPE_HASH, new Set([4, 8, 16])],
  [BPF_MAP_TYPE_LRU_HASH, new Set([4, 8, 16])],
  [BPF_MAP_TYPE_PERCPU_HASH, new Set([4])],
]);

/** bpf_map_lookup_elem, bpf_map_update_elem, bpf_map_delete_elem. */
const helpers: Readonly<Record<number, { readonly name: keyof MapFunctions } & Omit<RuntimeFunction, "entry">>> = {
  1: { name: "lookup", parameters: ["i32", "i32"], result: "u32" },
  2: { name: "update", parameters: ["i32", "i32", "i32", "i64"], result: "s32" },
  3: { name: "delete", parameters: ["i32", "i32"], result: "s32" },
};

/**
 * The function that does what a helper does on a map of this type and key size, without finding the type out first; undefined when there is none, or when it would not
 * find out that programs may only read the map.
 */
export function mapOperation(
  helper: number,
  { type, keySize, flags }: { readonly type: number; readonly keySize: number; readonly flags: number },
): RuntimeFunction | undefined {
  const called = helpers[helper];
  if (called === undefined) return undefined;
  const { name, parameters, result } = called;
  if (name !== "lookup" && (flags & BPF_F_RDONLY_PROG) !== 0) return undefined;
  const entry = functions.get(type)?.[name];
  if (entry === undefined) return undefined;
  const bySize = name === "lookup" && lookupsBySize.get(type)?.has(keySize) === true;
  return { entry: bySize ? `${entry}${keySize}` : entry, parameters, result };
}

/** For tail calls through a map that is not known when the program is compiled. */
export const tailCallSlot: RuntimeFunction = { entry: "tailCallSlot", parameters: ["i32", "i32"], result: "u32" };
