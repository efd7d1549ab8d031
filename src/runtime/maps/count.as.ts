import {
  BPF_MAP_TYPE_HASH,
  BPF_MAP_TYPE_HASH_OF_MAPS,
  BPF_MAP_TYPE_LRU_HASH,
  BPF_MAP_TYPE_LRU_PERCPU_HASH,
  BPF_MAP_TYPE_PERCPU_HASH,
  HashElement_next,
  HashHeader_bucket_mask,
  HashHeader_buckets,
  MapHeader_max_entries,
  MapHeader_type,
} from "../../layout/layout.generated.as";
import { burnFuel } from "../fuel.as";

/** Buckets that are looked at for the fuel of one instruction. */
const BUCKETS_PER_STEP: u32 = 8;

/**
 * bpf_map_sum_elem_count: elements of a hash table; other kinds are not counted, and give 0. Linux adds up a counter of each CPU; here the chains are walked. Either way the
 * number is only right when nobody adds or removes meanwhile.
 */
export function mapSumElemCount(map: u32): i64 {
  const type = load<u32>(map, MapHeader_type);
  const isCounted =
    type == BPF_MAP_TYPE_HASH ||
    type == BPF_MAP_TYPE_PERCPU_HASH ||
    type == BPF_MAP_TYPE_LRU_HASH ||
    type == BPF_MAP_TYPE_LRU_PERCPU_HASH ||
    type == BPF_MAP_TYPE_HASH_OF_MAPS;
  if (!isCounted) return 0;
  const heads = load<u32>(map, HashHeader_buckets);
  const buckets = load<u32>(map, HashHeader_bucket_mask) + 1;
  const limit = load<u32>(map, MapHeader_max_entries);
  let count: u32 = 0;
  for (let bucket: u32 = 0; bucket < buckets; bucket++) {
    if (bucket % BUCKETS_PER_STEP == 0) burnFuel(1);
    let element = atomic.load<u32>(heads + (bucket << 2));
    // An odd word ends a chain. Who stands on an element that is handed out again comes into another one: no more are counted than there can be.
    while (element != 0 && (element & 1) == 0 && count < limit) {
      burnFuel(1);
      count++;
      element = atomic.load<u32>(element, HashElement_next);
    }
  }
  return i64(count);
}
