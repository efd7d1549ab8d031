/**
 * What programs ask about the machine around them. Packets are handled in the softirq of a CPU that has nothing else to do: the current task is the CPU's idle task, of user 0, in the root
 * cgroup and the first network namespace; no user process runs, and nobody counts hardware events.
 */
import {
  BPF_F_CURRENT_CPU,
  CpuBlock_id,
  CpuBlock_network,
  E2BIG,
  EINVAL,
  ENOENT,
  EPERM,
  MapHeader_max_entries,
  ROOT_CGROUP,
  NetNamespace_system_keys,
} from "../layout/layout.generated.as";
import { cpu } from "./cpu.as";

/** bpf_get_current_pid_tgid, bpf_get_current_uid_gid: those of the idle task. */
export function idleTaskIds(): u64 {
  return 0;
}

/** bpf_get_current_comm: `swapper/N`, padded with zeros. */
export function getCurrentComm(to: u32, size: u32): i32 {
  memory.fill(to, 0, size);
  if (size == 0) return -i32(EINVAL);
  // "swapper/", little endian.
  const name: u64 = 0x2f72657070617773;
  const last = size - 1;
  for (let at: u32 = 0; at < 8 && at < last; at++) store<u8>(to + at, u8(name >> (u64(at) << 3)));
  let number = load<u32>(cpu, CpuBlock_id);
  let digits: u32 = 1;
  for (let rest = number; rest >= 10; rest /= 10) digits++;
  for (let at: u32 = 7 + digits; at > 7; at--) {
    if (at < last) store<u8>(to + at, u8(48 + (number % 10)));
    number /= 10;
  }
  return 0;
}

/** bpf_get_current_cgroup_id */
export function getCurrentCgroupId(): u64 {
  return ROOT_CGROUP;
}

/** bpf_get_current_ancestor_cgroup_id: the root has no ancestor but itself. */
export function getCurrentAncestorCgroupId(level: i32): u64 {
  return level == 0 ? u64(ROOT_CGROUP) : 0;
}

/** bpf_get_cgroup_classid: net_cls tells no classes apart. */
export function getCgroupClassid(): u32 {
  return 0;
}

/** bpf_send_signal, bpf_send_signal_thread: the idle task takes none. */
export function sendSignal(): i32 {
  return -i32(EPERM);
}

/** bpf_get_ns_current_pid_tgid: no pid namespace has the device and inode that are asked for. */
export function getNsCurrentPidTgid(device: u64, inode: u64, to: u32, size: u32): i32 {
  memory.fill(to, 0, size);
  return -i32(EINVAL);
}

/** bpf_get_branch_snapshot: no hardware records branches. */
export function getBranchSnapshot(entries: u32, size: u32, flags: u64): i64 {
  return flags != 0 ? -i64(EINVAL) : -i64(ENOENT);
}

/** What bpf_perf_event_read finds in a PERF_EVENT_ARRAY, which holds no counters: nothing. */
function readCounter(map: u32, flags: u64): i64 {
  if ((flags & ~u64(BPF_F_CURRENT_CPU)) != 0) return -i64(EINVAL);
  const index = flags == BPF_F_CURRENT_CPU ? load<u32>(cpu, CpuBlock_id) : u32(flags);
  return index >= load<u32>(map, MapHeader_max_entries) ? -i64(E2BIG) : -i64(ENOENT);
}

/** bpf_perf_event_read */
export function perfEventRead(map: u32, flags: u64): i64 {
  return readCounter(map, flags);
}

/** Bytes of struct bpf_perf_event_value. */
const EVENT_VALUE_SIZE: u32 = 24;

/** bpf_perf_event_read_value: the value is all zeros. */
export function perfEventReadValue(map: u32, flags: u64, to: u32, size: u32): i64 {
  memory.fill(to, 0, size);
  return size != EVENT_VALUE_SIZE ? -i64(EINVAL) : readCounter(map, flags);
}

/**
 * bpf_task_from_pid, bpf_task_from_vpid: no task has a number. bpf_get_kmem_cache: no address is a slab object's. bpf_skc_to_tcp_request_sock, bpf_skc_to_unix_sock,
 * bpf_skc_to_mptcp_sock: no declared socket is of that kind.
 */
export function findNothing(): u32 {
  return 0;
}

/** bpf_modify_return_test_tp: its argument, past a tracepoint that nobody listens to. */
export function modifyReturnTestTp(nonce: i32): i32 {
  return nonce;
}

/** bpf_rdonly_cast: the same address under another type, which only a verifier looks at. */
export function rdonlyCast(address: u64, type: u32): u64 {
  return address;
}

/** Keyrings of the system: the builtin trusted one, the secondary one, the platform's. include/linux/verification.h. */
const SYSTEM_KEYRINGS: u64 = 3;
/** struct bpf_key: the key, which for a keyring of the system is its number, and whether it was referenced. */
const BPF_KEY_SIZE: u32 = 16;

/** bpf_lookup_system_key: the address of a struct bpf_key, or NULL. It never changes, so all who ask are given the same one. */
export function lookupSystemKey(id: u64): u32 {
  if (id >= SYSTEM_KEYRINGS) return 0;
  const key = load<u32>(cpu, CpuBlock_network) + NetNamespace_system_keys + u32(id) * BPF_KEY_SIZE;
  store<u64>(key, id);
  return key;
}

/** bpf_key_put: nobody counts references to the system's keyrings. */
export function keyPut(key: u32): void {}
