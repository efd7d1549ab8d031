import {
  BPF_MAP_TYPE_ARRAY,
  BPF_MAP_TYPE_HASH,
  BPF_MAP_TYPE_PERCPU_ARRAY,
  BPF_MAP_TYPE_PERCPU_HASH,
  EINVAL,
  EOPNOTSUPP,
  MapHeader_type,
} from "../../layout/layout.generated.as";
import { arrayLookup, arrayUpdate, percpuArrayLookup, percpuArrayUpdate, percpuArrayUpdateAll } from "./array.as";
import { hashDelete, hashLookup, hashUpdate, percpuHashLookup, percpuHashUpdate, percpuHashUpdateAll } from "./hash.as";

/** bpf_map_lookup_elem: address of the value, or 0. */
export function mapLookupElem(map: u32, key: u32): u32 {
  switch (load<u32>(map, MapHeader_type)) {
    case BPF_MAP_TYPE_ARRAY:
      return arrayLookup(map, key);
    case BPF_MAP_TYPE_PERCPU_ARRAY:
      return percpuArrayLookup(map, key);
    case BPF_MAP_TYPE_HASH:
      return hashLookup(map, key);
    case BPF_MAP_TYPE_PERCPU_HASH:
      return percpuHashLookup(map, key);
    default:
      return 0;
  }
}

/** bpf_map_update_elem: 0 or a negative errno. */
export function mapUpdateElem(map: u32, key: u32, value: u32, flags: u64): i32 {
  switch (load<u32>(map, MapHeader_type)) {
    case BPF_MAP_TYPE_ARRAY:
      return arrayUpdate(map, key, value, flags);
    case BPF_MAP_TYPE_PERCPU_ARRAY:
      return percpuArrayUpdate(map, key, value, flags);
    case BPF_MAP_TYPE_HASH:
      return hashUpdate(map, key, value, flags);
    case BPF_MAP_TYPE_PERCPU_HASH:
      return percpuHashUpdate(map, key, value, flags);
    default:
      return -i32(EOPNOTSUPP);
  }
}

/** bpf_map_delete_elem: 0 or a negative errno; -EINVAL for arrays, whose entries cannot go. */
export function mapDeleteElem(map: u32, key: u32): i32 {
  switch (load<u32>(map, MapHeader_type)) {
    case BPF_MAP_TYPE_ARRAY:
    case BPF_MAP_TYPE_PERCPU_ARRAY:
      return -i32(EINVAL);
    case BPF_MAP_TYPE_HASH:
    case BPF_MAP_TYPE_PERCPU_HASH:
      return hashDelete(map, key);
    default:
      return -i32(EOPNOTSUPP);
  }
}

/** As user space looks up: leaves no trace (LRU kinds do not count it as a use). Address of CPU 0's value in per-CPU kinds. */
export function hostLookupElem(map: u32, key: u32): u32 {
  return mapLookupElem(map, key);
}

/** As user space updates: per-CPU kinds take one value for each CPU, each padded to 8 bytes. */
export function hostUpdateElem(map: u32, key: u32, value: u32, flags: u64): i32 {
  switch (load<u32>(map, MapHeader_type)) {
    case BPF_MAP_TYPE_PERCPU_ARRAY:
      return percpuArrayUpdateAll(map, key, value, flags);
    case BPF_MAP_TYPE_PERCPU_HASH:
      return percpuHashUpdateAll(map, key, value, flags);
    default:
      return mapUpdateElem(map, key, value, flags);
  }
}
