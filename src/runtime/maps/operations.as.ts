import {
  BPF_F_LOCK,
  BPF_F_RDONLY_PROG,
  BPF_MAP_TYPE_ARRAY,
  BPF_MAP_TYPE_ARRAY_OF_MAPS,
  BPF_MAP_TYPE_BLOOM_FILTER,
  BPF_MAP_TYPE_CGROUP_ARRAY,
  BPF_MAP_TYPE_CPUMAP,
  BPF_MAP_TYPE_DEVMAP,
  BPF_MAP_TYPE_DEVMAP_HASH,
  BPF_MAP_TYPE_HASH,
  BPF_MAP_TYPE_HASH_OF_MAPS,
  BPF_MAP_TYPE_LPM_TRIE,
  BPF_MAP_TYPE_LRU_HASH,
  BPF_MAP_TYPE_LRU_PERCPU_HASH,
  BPF_MAP_TYPE_PERCPU_ARRAY,
  BPF_MAP_TYPE_PERCPU_HASH,
  BPF_MAP_TYPE_PROG_ARRAY,
  BPF_MAP_TYPE_QUEUE,
  BPF_MAP_TYPE_SK_STORAGE,
  BPF_MAP_TYPE_SOCKHASH,
  BPF_MAP_TYPE_SOCKMAP,
  BPF_MAP_TYPE_STACK,
  BPF_MAP_TYPE_XSKMAP,
  CpuBlock_trap,
  CpuBlock_trap_detail,
  EINVAL,
  EOPNOTSUPP,
  MapHeader_cpu_count,
  MapHeader_cpu_stride,
  MapHeader_flags,
  MapHeader_id,
  MapHeader_spin_lock,
  MapHeader_type,
  TRAP_MAP_ACCESS,
} from "../../layout/layout.generated.as";
import { cpu } from "../cpu.as";
import { arrayLookup, arrayUpdate, percpuArrayLookup, percpuArrayUpdate, percpuArrayUpdateAll } from "./array.as";
import { bloomPeek, bloomPush } from "./bloom.as";
import { findAny } from "./chain.as";
import { hashDelete, hashLookup, hashUpdate, percpuHashLookup, percpuHashUpdate, percpuHashUpdateAll, percpuValue } from "./hash.as";
import { lpmDelete, lpmLookup, lpmUpdate } from "./lpm.as";
import { lruDelete, lruLookup, lruPercpuLookup, lruPercpuUpdate, lruPercpuUpdateAll, lruUpdate, touch } from "./lruHash.as";
import { innerOfArray, innerOfHash } from "./mapInMap.as";
import { wordDelete, wordUpdate } from "./progArray.as";
import { queuePeek, queuePop, queuePush } from "./queue.as";
import { skStorageRemove, skStorageUpdate } from "./skStorage.as";
import { sockMapDelete, sockMapLookup, sockMapUpdate, sockMapUpdateNumber } from "./sockMap.as";
import { deviceHashDelete, deviceHashLookup, deviceHashUpdate, socketLookup, targetDelete, targetLookup, targetUpdate } from "./redirectMaps.as";

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
    case BPF_MAP_TYPE_LRU_HASH:
      return lruLookup(map, key);
    case BPF_MAP_TYPE_LRU_PERCPU_HASH:
      return lruPercpuLookup(map, key);
    case BPF_MAP_TYPE_LPM_TRIE:
      return lpmLookup(map, key);
    case BPF_MAP_TYPE_ARRAY_OF_MAPS:
      return innerOfArray(map, key);
    case BPF_MAP_TYPE_HASH_OF_MAPS:
      return innerOfHash(map, key);
    case BPF_MAP_TYPE_DEVMAP:
    case BPF_MAP_TYPE_CPUMAP:
      return targetLookup(map, key);
    case BPF_MAP_TYPE_DEVMAP_HASH:
      return deviceHashLookup(map, key);
    case BPF_MAP_TYPE_XSKMAP:
      return socketLookup(map, key);
    case BPF_MAP_TYPE_SOCKMAP:
    case BPF_MAP_TYPE_SOCKHASH:
      return sockMapLookup(map, key);
    default:
      return 0;
  }
}

/** bpf_map_lookup_percpu_elem: address of the value that CPU `number` has, or 0. */
export function mapLookupPercpuElem(map: u32, key: u32, number: u32): u32 {
  if (number >= load<u32>(map, MapHeader_cpu_count)) return 0;
  switch (load<u32>(map, MapHeader_type)) {
    case BPF_MAP_TYPE_PERCPU_ARRAY: {
      const at = arrayLookup(map, key);
      return at == 0 ? 0 : at + number * load<u32>(map, MapHeader_cpu_stride);
    }
    case BPF_MAP_TYPE_PERCPU_HASH:
    case BPF_MAP_TYPE_LRU_PERCPU_HASH: {
      const element = findAny(map, key);
      if (element == 0) return 0;
      if (load<u32>(map, MapHeader_type) == BPF_MAP_TYPE_LRU_PERCPU_HASH) touch(element);
      return percpuValue(map, element, number);
    }
    default:
      return 0;
  }
}

/** Ends the run where programs may only read the map: Linux refuses to load one that would write it (kernel/bpf/verifier.c: record_func_map). */
function checkProgramWrites(map: u32): void {
  if ((load<u32>(map, MapHeader_flags) & BPF_F_RDONLY_PROG) == 0) return;
  store<u32>(cpu, TRAP_MAP_ACCESS, CpuBlock_trap);
  store<u32>(cpu, load<u32>(map, MapHeader_id), CpuBlock_trap_detail);
  unreachable();
}

/** bpf_map_update_elem: 0 or a negative errno. */
export function mapUpdateElem(map: u32, key: u32, value: u32, flags: u64): i32 {
  checkProgramWrites(map);
  return updateElem(map, key, value, flags);
}

function updateElem(map: u32, key: u32, value: u32, flags: u64): i32 {
  switch (load<u32>(map, MapHeader_type)) {
    case BPF_MAP_TYPE_ARRAY:
      return arrayUpdate(map, key, value, flags);
    case BPF_MAP_TYPE_PERCPU_ARRAY:
      return percpuArrayUpdate(map, key, value, flags);
    case BPF_MAP_TYPE_HASH:
      return hashUpdate(map, key, value, flags);
    case BPF_MAP_TYPE_PERCPU_HASH:
      return percpuHashUpdate(map, key, value, flags);
    case BPF_MAP_TYPE_LRU_HASH:
      return lruUpdate(map, key, value, flags);
    case BPF_MAP_TYPE_LRU_PERCPU_HASH:
      return lruPercpuUpdate(map, key, value, flags);
    case BPF_MAP_TYPE_LPM_TRIE:
      return lpmUpdate(map, key, value, flags);
    case BPF_MAP_TYPE_SOCKMAP:
    case BPF_MAP_TYPE_SOCKHASH:
      return sockMapUpdate(map, key, value, flags);
    default:
      return -i32(EOPNOTSUPP);
  }
}

/** bpf_map_delete_elem: 0 or a negative errno; -EINVAL for arrays, whose entries cannot go. */
export function mapDeleteElem(map: u32, key: u32): i32 {
  checkProgramWrites(map);
  return deleteElem(map, key);
}

function deleteElem(map: u32, key: u32): i32 {
  switch (load<u32>(map, MapHeader_type)) {
    case BPF_MAP_TYPE_ARRAY:
    case BPF_MAP_TYPE_PERCPU_ARRAY:
      return -i32(EINVAL);
    case BPF_MAP_TYPE_HASH:
    case BPF_MAP_TYPE_PERCPU_HASH:
      return hashDelete(map, key);
    case BPF_MAP_TYPE_LRU_HASH:
    case BPF_MAP_TYPE_LRU_PERCPU_HASH:
      return lruDelete(map, key);
    case BPF_MAP_TYPE_LPM_TRIE:
      return lpmDelete(map, key);
    case BPF_MAP_TYPE_SOCKMAP:
    case BPF_MAP_TYPE_SOCKHASH:
      return sockMapDelete(map, key);
    default:
      return -i32(EOPNOTSUPP);
  }
}

/** bpf_map_push_elem */
export function mapPushElem(map: u32, value: u32, flags: u64): i32 {
  checkProgramWrites(map);
  return pushElem(map, value, flags);
}

function pushElem(map: u32, value: u32, flags: u64): i32 {
  switch (load<u32>(map, MapHeader_type)) {
    case BPF_MAP_TYPE_QUEUE:
    case BPF_MAP_TYPE_STACK:
      return queuePush(map, value, flags);
    case BPF_MAP_TYPE_BLOOM_FILTER:
      return bloomPush(map, value, flags);
    default:
      return -i32(EOPNOTSUPP);
  }
}

/** bpf_map_pop_elem */
export function mapPopElem(map: u32, value: u32): i32 {
  checkProgramWrites(map);
  switch (load<u32>(map, MapHeader_type)) {
    case BPF_MAP_TYPE_QUEUE:
    case BPF_MAP_TYPE_STACK:
      return queuePop(map, value);
    default:
      return -i32(EOPNOTSUPP);
  }
}

/** bpf_map_peek_elem */
export function mapPeekElem(map: u32, value: u32): i32 {
  switch (load<u32>(map, MapHeader_type)) {
    case BPF_MAP_TYPE_QUEUE:
    case BPF_MAP_TYPE_STACK:
      return queuePeek(map, value);
    case BPF_MAP_TYPE_BLOOM_FILTER:
      return bloomPeek(map, value);
    default:
      return -i32(EOPNOTSUPP);
  }
}

/** As user space looks up: leaves no trace (LRU kinds do not count it as a use). Address of CPU 0's value in per-CPU kinds. */
export function hostLookupElem(map: u32, key: u32): u32 {
  switch (load<u32>(map, MapHeader_type)) {
    case BPF_MAP_TYPE_LRU_HASH:
    case BPF_MAP_TYPE_HASH_OF_MAPS:
      return hashLookup(map, key);
    case BPF_MAP_TYPE_LRU_PERCPU_HASH:
      return percpuHashLookup(map, key);
    case BPF_MAP_TYPE_ARRAY_OF_MAPS:
    case BPF_MAP_TYPE_CGROUP_ARRAY:
    case BPF_MAP_TYPE_SOCKMAP:
      return arrayLookup(map, key);
    case BPF_MAP_TYPE_XSKMAP:
      return targetLookup(map, key);
    default:
      return mapLookupElem(map, key);
  }
}

/** As user space updates: per-CPU kinds take one value for each CPU, each padded to 8 bytes; maps of maps the address of a MapHeader. */
export function hostUpdateElem(map: u32, key: u32, value: u32, flags: u64): i32 {
  if ((flags & BPF_F_LOCK) != 0 && load<u32>(map, MapHeader_spin_lock) == 0) return -i32(EINVAL);
  switch (load<u32>(map, MapHeader_type)) {
    case BPF_MAP_TYPE_PERCPU_ARRAY:
      return percpuArrayUpdateAll(map, key, value, flags);
    case BPF_MAP_TYPE_PERCPU_HASH:
      return percpuHashUpdateAll(map, key, value, flags);
    case BPF_MAP_TYPE_LRU_PERCPU_HASH:
      return lruPercpuUpdateAll(map, key, value, flags);
    case BPF_MAP_TYPE_DEVMAP:
    case BPF_MAP_TYPE_CPUMAP:
    case BPF_MAP_TYPE_XSKMAP:
      return targetUpdate(map, key, value, flags);
    case BPF_MAP_TYPE_DEVMAP_HASH:
      return deviceHashUpdate(map, key, value, flags);
    case BPF_MAP_TYPE_HASH_OF_MAPS:
      return hashUpdate(map, key, value, flags);
    case BPF_MAP_TYPE_ARRAY_OF_MAPS:
    case BPF_MAP_TYPE_PROG_ARRAY:
    case BPF_MAP_TYPE_CGROUP_ARRAY:
      return wordUpdate(map, key, value, flags);
    case BPF_MAP_TYPE_SOCKMAP:
    case BPF_MAP_TYPE_SOCKHASH:
      return sockMapUpdateNumber(map, key, value, flags);
    case BPF_MAP_TYPE_SK_STORAGE:
      return skStorageUpdate(map, key, value, flags);
    case BPF_MAP_TYPE_QUEUE:
    case BPF_MAP_TYPE_STACK:
    case BPF_MAP_TYPE_BLOOM_FILTER:
      return pushElem(map, value, flags);
    default:
      return updateElem(map, key, value, flags);
  }
}

export function hostDeleteElem(map: u32, key: u32): i32 {
  switch (load<u32>(map, MapHeader_type)) {
    case BPF_MAP_TYPE_DEVMAP:
    case BPF_MAP_TYPE_CPUMAP:
    case BPF_MAP_TYPE_XSKMAP:
      return targetDelete(map, key);
    case BPF_MAP_TYPE_DEVMAP_HASH:
      return deviceHashDelete(map, key);
    case BPF_MAP_TYPE_HASH_OF_MAPS:
      return hashDelete(map, key);
    case BPF_MAP_TYPE_ARRAY_OF_MAPS:
    case BPF_MAP_TYPE_PROG_ARRAY:
    case BPF_MAP_TYPE_CGROUP_ARRAY:
      return wordDelete(map, key);
    case BPF_MAP_TYPE_SK_STORAGE:
      return skStorageRemove(map, key);
    default:
      return deleteElem(map, key);
  }
}
