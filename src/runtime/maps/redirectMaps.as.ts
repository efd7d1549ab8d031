import {
  BPF_EXIST,
  BPF_MAP_TYPE_CPUMAP,
  BPF_MAP_TYPE_DEVMAP,
  BPF_NOEXIST,
  CPU_MAP_MAX_QSIZE,
  CpuBlock_network,
  E2BIG,
  EEXIST,
  EINVAL,
  ENODEV,
  EOVERFLOW,
  HashHeader_value_offset,
  MapHeader_cpu_count,
  MapHeader_elements,
  MapHeader_max_entries,
  MapHeader_network,
  MapHeader_stride,
  MapHeader_type,
  MapHeader_value_size,
} from "../../layout/layout.generated.as";
import { cpu } from "../cpu.as";
import { deviceIn } from "../devices.as";
import { findNumber } from "./chain.as";
import { hashDelete, hashUpdate } from "./hash.as";

/**
 * DEVMAP, DEVMAP_HASH, CPUMAP and XSKMAP: targets of bpf_redirect_map. A value's first word is an ifindex, a queue size or the address of a
 * socket; 0 is an empty entry. Its second word (value_size 8) is the table slot of the second program, 0 for none. Only user space changes them: the second word
 * is stored before the first, so that a CPU that sees a new target sees its program. Answers of kernel/bpf/{devmap,cpumap}.c and net/xdp/xskmap.c.
 */
function writeEntry(map: u32, entry: u32, value: u32): void {
  if (load<u32>(map, MapHeader_value_size) == 8) store<u32>(entry, load<u32>(value, 4), 4);
  atomic.store<u32>(entry, load<u32>(value));
}

/** What the kernel says to a target: 0, or -EINVAL (no such device), -EOVERFLOW (queue), -ENODEV (CPU). */
function checkTarget(map: u32, index: u32, value: u32): i32 {
  const target = load<u32>(value);
  const second = load<u32>(map, MapHeader_value_size) == 8 && load<u32>(value, 4) != 0;
  const type = load<u32>(map, MapHeader_type);
  if (type == BPF_MAP_TYPE_DEVMAP) {
    if (target == 0) return second ? -i32(EINVAL) : 0;
    return knowsDevice(map, target) ? 0 : -i32(EINVAL);
  }
  if (type == BPF_MAP_TYPE_CPUMAP) {
    if (target > CPU_MAP_MAX_QSIZE) return -i32(EOVERFLOW);
    if (index >= load<u32>(map, MapHeader_cpu_count)) return -i32(ENODEV);
  }
  return 0;
}

/** A machine without a network namespace (a test of maps alone) takes any ifindex. */
function knowsDevice(map: u32, ifindex: u32): bool {
  return mapNetwork(map) == 0 || deviceIn(mapNetwork(map), ifindex) != 0;
}

/** The network namespace that the ifindexes of a DEVMAP belong to: that of who filled it, else the CPU's. */
export function mapNetwork(map: u32): u32 {
  const network = load<u32>(map, MapHeader_network);
  return network == 0 ? load<u32>(cpu, CpuBlock_network) : network;
}

/** Address of entry `index` of DEVMAP, CPUMAP or XSKMAP, filled or not; 0 past the end. */
function entryAt(map: u32, index: u32): u32 {
  if (index >= load<u32>(map, MapHeader_max_entries)) return 0;
  return load<u32>(map, MapHeader_elements) + index * load<u32>(map, MapHeader_stride);
}

/** Address of a filled entry, or 0. */
export function filledEntry(map: u32, index: u32): u32 {
  const entry = entryAt(map, index);
  return entry == 0 || load<u32>(entry) == 0 ? 0 : entry;
}

export function targetLookup(map: u32, key: u32): u32 {
  return filledEntry(map, load<u32>(key));
}

/** bpf_map_lookup_elem of an XSKMAP: the socket itself. */
export function socketLookup(map: u32, key: u32): u32 {
  const entry = filledEntry(map, load<u32>(key));
  return entry == 0 ? 0 : load<u32>(entry);
}

export function targetUpdate(map: u32, key: u32, value: u32, flags: u64): i32 {
  const index = load<u32>(key);
  const entry = entryAt(map, index);
  if (flags > BPF_EXIST) return -i32(EINVAL);
  if (entry == 0) return -i32(E2BIG);
  if (flags == BPF_NOEXIST) return -i32(EEXIST);
  const error = checkTarget(map, index, value);
  if (error != 0) return error;
  writeEntry(map, entry, value);
  return 0;
}

/** 0, also for an empty entry, or -EINVAL past the end. */
export function targetDelete(map: u32, key: u32): i32 {
  const entry = entryAt(map, load<u32>(key));
  if (entry == 0) return -i32(EINVAL);
  atomic.store<u32>(entry, 0);
  return 0;
}

/** DEVMAP_HASH is a hash table of such values; BPF_EXIST does not ask for an existing entry. */
export function deviceHashUpdate(map: u32, key: u32, value: u32, flags: u64): i32 {
  const target = load<u32>(value);
  if (flags > BPF_EXIST || target == 0 || !knowsDevice(map, target)) return -i32(EINVAL);
  return hashUpdate(map, key, value, flags & BPF_NOEXIST);
}

export function deviceHashLookup(map: u32, key: u32): u32 {
  const element = findNumber(map, key);
  return element == 0 ? 0 : element + load<u32>(map, HashHeader_value_offset);
}

export function deviceHashDelete(map: u32, key: u32): i32 {
  return hashDelete(map, key);
}
