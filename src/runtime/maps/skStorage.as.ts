import {
  BPF_EXIST,
  BPF_F_LOCK,
  BPF_MAP_TYPE_SK_STORAGE,
  BPF_NOEXIST,
  BPF_SK_STORAGE_GET_F_CREATE,
  EBADF,
  EINVAL,
  ENOENT,
  ENOMEM,
  ENOSPC,
  MapHeader_elements,
  MapHeader_spin_lock,
  MapHeader_stride,
  MapHeader_type,
  MapHeader_value_size,
  OPTMEM_MAX,
  SkStorageHeader_lock,
  SkStorageHeader_sockets,
  SkStorageHeader_values,
  Socket_omem,
} from "../../layout/layout.generated.as";
import { releaseMapLock, spinLock, spinUnlock, takeMapLock } from "../lock.as";
import { declaredSocket, isFullSocket, numberedSocket, socketIndex } from "../sockets.as";
import { checkFlags } from "./hash.as";
import { clearFields, copyOut, copyValue } from "./value.as";

/**
 * SK_STORAGE: at most one value for each declared socket. A lookup is one atomic load of the socket's word; the word is stored, under the map's lock, when the value is
 * written. Each socket has two places for values, which take turns: who still holds a pointer to a value that was deleted or replaced does not write into the
 * next one. Answers of kernel/bpf/bpf_local_storage.c and net/core/bpf_sk_storage.c, and its charges to the socket.
 */

/** Bytes that the kernel charges: struct bpf_local_storage for the first value of a socket, and what stands in front of a value (struct bpf_local_storage_elem). */
const STORAGE_SIZE: u32 = 176;
const ELEMENT_SIZE: u32 = 72;

function wordOf(map: u32, index: u32): u32 {
  return load<u32>(map, SkStorageHeader_values) + (index << 2);
}

/** The value that a socket (by index) has, or 0. */
function valueAt(map: u32, index: u32): u32 {
  return index < load<u32>(map, SkStorageHeader_sockets) ? atomic.load<u32>(wordOf(map, index)) : 0;
}

/** Ends the run of who passes another kind of map. */
function checkType(map: u32): void {
  if (load<u32>(map, MapHeader_type) != BPF_MAP_TYPE_SK_STORAGE) unreachable();
}

/** Charges a socket for a value; false when it has no room left. The first value pays for the list of values too. */
function charge(map: u32, socket: u32): bool {
  const size = ELEMENT_SIZE + load<u32>(map, MapHeader_value_size);
  let held: u32 = 0;
  let sum: u32 = 0;
  do {
    held = atomic.load<u32>(socket, Socket_omem);
    sum = held + size;
    if (held == 0) sum += STORAGE_SIZE;
    if (size > OPTMEM_MAX || sum >= OPTMEM_MAX) return false;
  } while (atomic.cmpxchg<u32>(socket, held, sum, Socket_omem) != held);
  return true;
}

function uncharge(map: u32, socket: u32): void {
  const size = ELEMENT_SIZE + load<u32>(map, MapHeader_value_size);
  let held: u32 = 0;
  let rest: u32 = 0;
  do {
    held = atomic.load<u32>(socket, Socket_omem);
    rest = held - size;
    if (rest == STORAGE_SIZE) rest = 0;
  } while (atomic.cmpxchg<u32>(socket, held, rest, Socket_omem) != held);
}

/** Writes a value (0: zeros) into the socket's other place and puts it in the place of `old`. The caller holds the lock. */
function writeValue(map: u32, socket: u32, old: u32, value: u32): u32 {
  const index = socketIndex(socket);
  const stride = load<u32>(map, MapHeader_stride);
  const first = load<u32>(map, MapHeader_elements) + 2 * index * stride;
  const word = wordOf(map, index);
  // The place that was used last is noted while there is no value, in a word of its own behind all others.
  const last = word + (load<u32>(map, SkStorageHeader_sockets) << 2);
  const at = load<u32>(last) == first ? first + stride : first;
  if (value == 0) memory.fill(at, 0, load<u32>(map, MapHeader_value_size));
  else copyValue(map, at, value);
  clearFields(map, at);
  store<u32>(last, at);
  atomic.store<u32>(word, at);
  if (old != 0) uncharge(map, socket);
  return at;
}

/** bpf_sk_storage_get: address of the socket's value, or 0. A new one begins as the bytes at `value`, or as zeros. */
export function skStorageGet(map: u32, pointer: u32, value: u32, flags: u64): u32 {
  checkType(map);
  if (pointer == 0) return 0;
  const socket = declaredSocket(pointer);
  if (!isFullSocket(socket) || flags > BPF_SK_STORAGE_GET_F_CREATE) return 0;
  const index = socketIndex(socket);
  const found = valueAt(map, index);
  if (found != 0 || flags != BPF_SK_STORAGE_GET_F_CREATE || index >= load<u32>(map, SkStorageHeader_sockets)) return found;
  takeMapLock(map + SkStorageHeader_lock);
  let at = valueAt(map, index);
  if (at == 0 && charge(map, socket)) at = writeValue(map, socket, 0, value);
  releaseMapLock(map + SkStorageHeader_lock);
  return at;
}

function remove(map: u32, socket: u32): i32 {
  const index = socketIndex(socket);
  takeMapLock(map + SkStorageHeader_lock);
  const found = valueAt(map, index);
  if (found != 0) {
    atomic.store<u32>(wordOf(map, index), 0);
    uncharge(map, socket);
  }
  releaseMapLock(map + SkStorageHeader_lock);
  return found == 0 ? -i32(ENOENT) : 0;
}

/** bpf_sk_storage_delete */
export function skStorageDelete(map: u32, pointer: u32): i32 {
  checkType(map);
  if (pointer == 0) return -i32(EINVAL);
  const socket = declaredSocket(pointer);
  return isFullSocket(socket) ? remove(map, socket) : -i32(EINVAL);
}

/** The socket of a key as user space writes it, or 0: what is left of a connection has no descriptor. */
function socketOfKey(map: u32, key: u32): u32 {
  const socket = numberedSocket(u64(load<u32>(key)));
  if (socket == 0 || !isFullSocket(socket)) return 0;
  return socketIndex(socket) < load<u32>(map, SkStorageHeader_sockets) ? socket : 0;
}

/** As user space updates. -EBADF for a number that no socket has. */
export function skStorageUpdate(map: u32, key: u32, value: u32, flags: u64): i32 {
  const socket = socketOfKey(map, key);
  if (socket == 0) return -i32(EBADF);
  const locked = (flags & BPF_F_LOCK) != 0;
  if ((flags & ~u64(BPF_F_LOCK)) > BPF_EXIST || (locked && load<u32>(map, MapHeader_spin_lock) == 0)) return -i32(EINVAL);
  takeMapLock(map + SkStorageHeader_lock);
  const old = valueAt(map, socketIndex(socket));
  let error = checkFlags(old, flags);
  if (error == 0) {
    if (old != 0 && locked) {
      const word = old + load<u32>(map, MapHeader_spin_lock) - 1;
      spinLock(word);
      copyValue(map, old, value);
      spinUnlock(word);
    } else if (charge(map, socket)) writeValue(map, socket, old, value);
    else error = -i32(ENOMEM);
  }
  releaseMapLock(map + SkStorageHeader_lock);
  return error;
}

/** As user space deletes. */
export function skStorageRemove(map: u32, key: u32): i32 {
  const socket = socketOfKey(map, key);
  return socket == 0 ? -i32(EBADF) : remove(map, socket);
}

/** As user space looks up: address of the value, or 0. Who reads it holds the lock. */
export function skStorageLookup(map: u32, key: u32): u32 {
  const socket = socketOfKey(map, key);
  return socket == 0 ? 0 : valueAt(map, socketIndex(socket));
}

/** Copies entries out from the socket with index `cursor` on, as hostReadBatch does (its header of 8 bytes stands at `to`): key and value are padded to 8 bytes. */
export function readStorage(map: u32, cursor: u32, to: u32, room: u32, keysOnly: bool): i32 {
  const size: u32 = 8 + (keysOnly ? 0 : (load<u32>(map, MapHeader_value_size) + 7) & ~7);
  const sockets = load<u32>(map, SkStorageHeader_sockets);
  let at = to + 8;
  let count: u32 = 0;
  let index = cursor;
  takeMapLock(map + SkStorageHeader_lock);
  for (; index < sockets; index++) {
    const value = valueAt(map, index);
    if (value == 0) continue;
    if (at + size > to + room) break;
    store<u32>(at, index + 1);
    if (!keysOnly) copyOut(map, value, at + 8);
    at += size;
    count++;
  }
  releaseMapLock(map + SkStorageHeader_lock);
  if (index < sockets) store<u32>(to, index, 4);
  store<u32>(to, index < sockets && count == 0 ? 1 : count);
  return index < sockets && count == 0 ? -i32(ENOSPC) : 0;
}
