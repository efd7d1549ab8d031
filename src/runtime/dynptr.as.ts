/**
 * Dynamic pointers over memory: kernel/bpf/helpers.c. A bpf_dynptr is 16 bytes on the program's stack, which the program may only hand to helpers: the address of the
 * data (8 bytes), its size (4), the offset in it (4). A null dynptr is all zero.
 */
import { E2BIG, EINVAL } from "../layout/layout.generated.as";

const SIZE: u32 = 8;
const OFFSET: u32 = 12;
/** Sizes have 24 bits: the kernel keeps flags in the others. include/linux/bpf.h. */
const DYNPTR_MAX_SIZE: u32 = (1 << 24) - 1;

/** bpf_dynptr_from_mem: a dynptr over `size` bytes of a map value; a null one where that fails. */
export function dynptrFromMem(data: u32, size: u32, flags: u64, dynptr: u32): i32 {
  store<u64>(dynptr, 0);
  store<u64>(dynptr, 0, SIZE);
  if (size > DYNPTR_MAX_SIZE) return -i32(E2BIG);
  if (flags != 0) return -i32(EINVAL);
  store<u64>(dynptr, data);
  store<u32>(dynptr, size, SIZE);
  return 0;
}

/** Whether `length` bytes at `offset` lie outside. */
function outside(dynptr: u32, offset: u32, length: u32): bool {
  const size = load<u32>(dynptr, SIZE);
  return length > size || offset > size - length;
}

function dataAt(dynptr: u32, offset: u32): u32 {
  return load<u32>(dynptr) + load<u32>(dynptr, OFFSET) + offset;
}

/** bpf_dynptr_read: copies `length` bytes at `offset` to `to`. */
export function dynptrRead(to: u32, length: u32, dynptr: u32, offset: u32, flags: u64): i32 {
  if (load<u32>(dynptr) == 0 || flags != 0) return -i32(EINVAL);
  if (outside(dynptr, offset, length)) return -i32(E2BIG);
  memory.copy(to, dataAt(dynptr, offset), length);
  return 0;
}

/** bpf_dynptr_write: copies `length` bytes from `from` to `offset`. */
export function dynptrWrite(dynptr: u32, offset: u32, from: u32, length: u32, flags: u64): i32 {
  if (load<u32>(dynptr) == 0) return -i32(EINVAL);
  if (outside(dynptr, offset, length)) return -i32(E2BIG);
  if (flags != 0) return -i32(EINVAL);
  memory.copy(dataAt(dynptr, offset), from, length);
  return 0;
}

/** bpf_dynptr_data: the address of `length` bytes at `offset`, or NULL. */
export function dynptrData(dynptr: u32, offset: u32, length: u32): u32 {
  if (load<u32>(dynptr) == 0 || outside(dynptr, offset, length)) return 0;
  return dataAt(dynptr, offset);
}
