import {
  BPF_EXIST,
  BPF_MAP_TYPE_SOCKHASH,
  BPF_NOEXIST,
  CpuBlock_scratch,
  E2BIG,
  EBADF,
  EEXIST,
  EINVAL,
  ENOENT,
  MapHeader_max_entries,
  MapHeader_type,
  MapHeader_value_size,
} from "../../layout/layout.generated.as";
import { cpu } from "../cpu.as";
import { declaredSocket, isFullSocket, numberedSocket, socketIndex } from "../sockets.as";
import { arrayLookup } from "./array.as";
import { hashDelete, hashLookup, hashUpdate } from "./hash.as";

/**
 * SOCKMAP and SOCKHASH: an array and a hash table of declared sockets. A value is the socket's number, u32 (in values of 8 bytes the upper half is 0); 0 is an empty entry of a
 * SOCKMAP. Programs get and give the socket itself. Nothing is ever read from a declared socket, so that being in a map changes nothing for it. Answers of net/core/sock_map.c.
 */
function socketAt(at: u32): u32 {
  return at == 0 ? 0 : numberedSocket(u64(atomic.load<u32>(at)));
}

/** bpf_map_lookup_elem: the socket, or 0. */
export function sockMapLookup(map: u32, key: u32): u32 {
  return socketAt(load<u32>(map, MapHeader_type) == BPF_MAP_TYPE_SOCKHASH ? hashLookup(map, key) : arrayLookup(map, key));
}

/** `value`: where the socket's number stands. */
function put(map: u32, key: u32, value: u32, flags: u64): i32 {
  if (flags > BPF_EXIST) return -i32(EINVAL);
  if (load<u32>(map, MapHeader_type) == BPF_MAP_TYPE_SOCKHASH) return hashUpdate(map, key, value, flags);
  const number = load<u32>(value);
  if (load<u32>(key) >= load<u32>(map, MapHeader_max_entries)) return -i32(E2BIG);
  const at = arrayLookup(map, key);
  for (;;) {
    const old = atomic.load<u32>(at);
    if (old != 0 && flags == BPF_NOEXIST) return -i32(EEXIST);
    if (old == 0 && flags == BPF_EXIST) return -i32(ENOENT);
    if (atomic.cmpxchg<u32>(at, old, number) == old) break;
  }
  return 0;
}

/** bpf_map_update_elem: `pointer` is the socket. Every declared one that is whole is in a state that such maps take. */
export function sockMapUpdate(map: u32, key: u32, pointer: u32, flags: u64): i32 {
  if (pointer == 0) return -i32(EINVAL);
  const socket = declaredSocket(pointer);
  if (!isFullSocket(socket)) return -i32(EINVAL);
  const value = load<u32>(cpu, CpuBlock_scratch);
  store<u64>(value, u64(socketIndex(socket) + 1));
  return put(map, key, value, flags);
}

/** As user space updates: `value` is the socket's number. -EBADF for one that no socket has. */
export function sockMapUpdateNumber(map: u32, key: u32, value: u32, flags: u64): i32 {
  const number = load<u32>(map, MapHeader_value_size) == 8 ? load<u64>(value) : u64(load<u32>(value));
  if (number > u64(i32.MAX_VALUE)) return -i32(EINVAL);
  const socket = numberedSocket(number);
  return socket == 0 || !isFullSocket(socket) ? -i32(EBADF) : put(map, key, value, flags);
}

/** 0; -EINVAL for what is not in a SOCKMAP, -ENOENT for what is not in a SOCKHASH. */
export function sockMapDelete(map: u32, key: u32): i32 {
  if (load<u32>(map, MapHeader_type) == BPF_MAP_TYPE_SOCKHASH) return hashDelete(map, key);
  const at = arrayLookup(map, key);
  return at == 0 || atomic.xchg<u32>(at, 0) == 0 ? -i32(EINVAL) : 0;
}
