/**
 * Dynamic pointers over memory and over ring buffer records, and what is the same for all kinds: kernel/bpf/helpers.c. Dynptrs over packets belong to the program
 * types that have them (xdp/dynptr.as.ts, tc/dynptr.as.ts), whose functions come first and fall back on these.
 */
import {
  BPF_DYNPTR_TYPE_LOCAL,
  BPF_DYNPTR_TYPE_RINGBUF,
  DYNPTR_MAX_SIZE,
  DYNPTR_RDONLY,
  DYNPTR_TYPE_MASK,
  DYNPTR_TYPE_SHIFT,
  Dynptr_data,
  Dynptr_offset,
  Dynptr_size,
  E2BIG,
  EINVAL,
  ERANGE,
} from "../layout/layout.generated.as";
import { burnBytes } from "./fuel.as";
import { ringbufDiscard, ringbufReserve, ringbufSubmit } from "./maps/ringbuf.as";
import { programAddress } from "./zone.as";

export function dynptrSetNull(dynptr: u32): void {
  store<u64>(dynptr, 0, Dynptr_data);
  store<u64>(dynptr, 0, Dynptr_size);
}

/** A dynptr of a kind over `size` bytes; `data` is an address, or a context. */
export function dynptrInit(dynptr: u32, data: u32, kind: u32, size: u32): void {
  store<u64>(dynptr, u64(data), Dynptr_data);
  store<u32>(dynptr, size | (kind << DYNPTR_TYPE_SHIFT), Dynptr_size);
  store<u32>(dynptr, 0, Dynptr_offset);
}

export function dynptrIsNullPointer(dynptr: u32): bool {
  return load<u64>(dynptr, Dynptr_data) == 0;
}

export function dynptrKind(dynptr: u32): u32 {
  return (load<u32>(dynptr, Dynptr_size) >> DYNPTR_TYPE_SHIFT) & DYNPTR_TYPE_MASK;
}

export function dynptrReadOnly(dynptr: u32): bool {
  return (load<u32>(dynptr, Dynptr_size) & DYNPTR_RDONLY) != 0;
}

function bytesOf(dynptr: u32): u32 {
  return load<u32>(dynptr, Dynptr_size) & DYNPTR_MAX_SIZE;
}

/** Whether `length` bytes at `offset` lie outside. */
export function dynptrOutside(dynptr: u32, offset: u32, length: u32): bool {
  const size = bytesOf(dynptr);
  return length > size || offset > size - length;
}

/** Address of `offset` in a dynptr over memory; over a packet, the offset in it is `dynptrPacketOffset`. */
function addressAt(dynptr: u32, offset: u32): u32 {
  return programAddress(load<u32>(dynptr, Dynptr_data) + load<u32>(dynptr, Dynptr_offset) + offset);
}

export function dynptrPacketOffset(dynptr: u32, offset: u32): u32 {
  return load<u32>(dynptr, Dynptr_offset) + offset;
}

/** bpf_dynptr_from_mem: a dynptr over `size` bytes of a map value; a null one where that fails. */
export function dynptrFromMem(data: u32, size: u32, flags: u64, dynptr: u32): i32 {
  dynptrSetNull(dynptr);
  if (size > DYNPTR_MAX_SIZE) return -i32(E2BIG);
  if (flags != 0) return -i32(EINVAL);
  dynptrInit(dynptr, data, BPF_DYNPTR_TYPE_LOCAL, size);
  return 0;
}

/** Why a read of these bytes is refused, or 0. */
export function dynptrReadFault(dynptr: u32, offset: u32, length: u32, flags: u64): i32 {
  if (dynptrIsNullPointer(dynptr) || flags != 0) return -i32(EINVAL);
  return dynptrOutside(dynptr, offset, length) ? -i32(E2BIG) : 0;
}

/** Why a write of these bytes is refused, or 0; the flags are the kind's to judge. */
export function dynptrWriteFault(dynptr: u32, offset: u32, length: u32): i32 {
  if (dynptrIsNullPointer(dynptr) || dynptrReadOnly(dynptr)) return -i32(EINVAL);
  return dynptrOutside(dynptr, offset, length) ? -i32(E2BIG) : 0;
}

/** bpf_dynptr_read: copies `length` bytes at `offset` to `to`. */
export function dynptrRead(to: u32, length: u32, dynptr: u32, offset: u32, flags: u64): i32 {
  const fault = dynptrReadFault(dynptr, offset, length, flags);
  burnBytes(length);
  if (fault == 0) memory.copy(to, addressAt(dynptr, offset), length);
  return fault;
}

/** bpf_dynptr_write: copies `length` bytes from `from` to `offset`. */
export function dynptrWrite(dynptr: u32, offset: u32, from: u32, length: u32, flags: u64): i32 {
  const fault = dynptrWriteFault(dynptr, offset, length);
  if (fault != 0) return fault;
  if (flags != 0) return -i32(EINVAL);
  burnBytes(length);
  memory.copy(addressAt(dynptr, offset), from, length);
  return 0;
}

/** bpf_dynptr_data: the address of `length` bytes at `offset` that may be written, or NULL. */
export function dynptrData(dynptr: u32, offset: u32, length: u32): u32 {
  if (dynptrReadOnly(dynptr)) return 0;
  return dynptrSlice(dynptr, offset, 0, length);
}

/** bpf_dynptr_slice: the address of `length` bytes at `offset`, or NULL. Memory is in one piece, so the buffer is not used. */
export function dynptrSlice(dynptr: u32, offset: u32, buffer: u32, length: u32): u32 {
  if (dynptrIsNullPointer(dynptr) || dynptrOutside(dynptr, offset, length)) return 0;
  return addressAt(dynptr, offset);
}

/** bpf_dynptr_slice_rdwr: the same for bytes that may be written. */
export function dynptrSliceRdwr(dynptr: u32, offset: u32, buffer: u32, length: u32): u32 {
  return dynptrReadOnly(dynptr) ? 0 : dynptrSlice(dynptr, offset, buffer, length);
}

/** bpf_dynptr_adjust: the dynptr is what stood from `start` to `end` in it. */
export function dynptrAdjust(dynptr: u32, start: u32, end: u32): i32 {
  if (dynptrIsNullPointer(dynptr) || start > end) return -i32(EINVAL);
  const size = bytesOf(dynptr);
  if (start > size || end > size) return -i32(ERANGE);
  const word = load<u32>(dynptr, Dynptr_size);
  store<u32>(dynptr, (word & ~DYNPTR_MAX_SIZE) | (end - start), Dynptr_size);
  store<u32>(dynptr, load<u32>(dynptr, Dynptr_offset) + start, Dynptr_offset);
  return 0;
}

/** bpf_dynptr_is_null */
export function dynptrIsNull(dynptr: u32): u32 {
  return u32(dynptrIsNullPointer(dynptr));
}

/** bpf_dynptr_is_rdonly: false for a null one. */
export function dynptrIsRdonly(dynptr: u32): u32 {
  return u32(dynptrReadOnly(dynptr));
}

/** bpf_dynptr_size: bytes, or -EINVAL for a null one. */
export function dynptrSize(dynptr: u32): i32 {
  return dynptrIsNullPointer(dynptr) ? -i32(EINVAL) : i32(bytesOf(dynptr));
}

/** bpf_dynptr_clone: a second one over the same bytes, from then on with its own edges. */
export function dynptrClone(dynptr: u32, clone: u32): i32 {
  const word = load<u64>(dynptr, Dynptr_size);
  const data = load<u64>(dynptr, Dynptr_data);
  store<u64>(clone, data, Dynptr_data);
  store<u64>(clone, data == 0 ? 0 : word, Dynptr_size);
  return data == 0 ? -i32(EINVAL) : 0;
}

/** bpf_dynptr_copy between memories, which are in one piece each and may overlap. */
export function dynptrCopy(target: u32, targetOffset: u32, source: u32, sourceOffset: u32, length: u32): i32 {
  const from = dynptrSlice(source, sourceOffset, 0, length);
  if (from != 0) return dynptrWrite(target, targetOffset, from, length, 0);
  const to = dynptrSliceRdwr(target, targetOffset, 0, length);
  if (to != 0) return dynptrRead(to, length, source, sourceOffset, 0);
  return dynptrCopyFault(target, targetOffset, source, sourceOffset, length);
}

/** What bpf_dynptr_copy says where neither side gives a slice: a range that does not exist comes before a dynptr that does not. */
export function dynptrCopyFault(target: u32, targetOffset: u32, source: u32, sourceOffset: u32, length: u32): i32 {
  const outside = dynptrOutside(target, targetOffset, length) || dynptrOutside(source, sourceOffset, length);
  if (outside) return -i32(E2BIG);
  if (length == 0) return 0;
  const fault = dynptrReadFault(source, sourceOffset, length, 0);
  return fault != 0 ? fault : dynptrWriteFault(target, targetOffset, length);
}

/** bpf_dynptr_memset: `length` bytes at `offset` get this value. */
export function dynptrMemset(dynptr: u32, offset: u32, length: u32, value: u32): i32 {
  const fault = dynptrMemsetFault(dynptr, offset, length);
  if (fault != 0) return fault;
  if (dynptrIsNullPointer(dynptr)) return length == 0 ? 0 : -i32(EINVAL);
  burnBytes(length);
  memory.fill(addressAt(dynptr, offset), u8(value), length);
  return 0;
}

/** Why a fill is refused before any byte is written, or 0: what is read-only, then the range. */
export function dynptrMemsetFault(dynptr: u32, offset: u32, length: u32): i32 {
  if (dynptrReadOnly(dynptr)) return -i32(EINVAL);
  return dynptrOutside(dynptr, offset, length) ? -i32(E2BIG) : 0;
}

/** bpf_ringbuf_reserve_dynptr: a dynptr over a new record; a null one, which has to be submitted or discarded all the same, where that fails. */
export function ringbufReserveDynptr(map: u32, size: u32, flags: u64, dynptr: u32): i32 {
  dynptrSetNull(dynptr);
  if (flags != 0) return -i32(EINVAL);
  if (size > DYNPTR_MAX_SIZE) return -i32(E2BIG);
  const sample = ringbufReserve(map, u64(size), 0);
  if (sample == 0) return -i32(EINVAL);
  dynptrInit(dynptr, sample, BPF_DYNPTR_TYPE_RINGBUF, size);
  return 0;
}

/** bpf_ringbuf_submit_dynptr: the record is complete, and the dynptr null. */
export function ringbufSubmitDynptr(dynptr: u32, flags: u64): void {
  if (dynptrIsNullPointer(dynptr)) return;
  ringbufSubmit(programAddress(load<u32>(dynptr, Dynptr_data)), flags);
  dynptrSetNull(dynptr);
}

/** bpf_ringbuf_discard_dynptr: the record is never seen, and the dynptr null. */
export function ringbufDiscardDynptr(dynptr: u32, flags: u64): void {
  if (dynptrIsNullPointer(dynptr)) return;
  ringbufDiscard(programAddress(load<u32>(dynptr, Dynptr_data)), flags);
  dynptrSetNull(dynptr);
}
