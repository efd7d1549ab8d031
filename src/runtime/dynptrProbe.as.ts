/**
 * bpf_probe_read_kernel_dynptr and its kin: reads of addresses that nobody vouched for, into what a dynptr spans. kernel/trace/bpf_trace.c: at once where the target is
 * in one piece, else by chunks. Unlike the helpers of the same names they leave the target as it is when they fail.
 */
import { DYNPTR_CHUNK, E2BIG, EFAULT } from "../layout/layout.generated.as";
import { dynptrOutside, dynptrSliceRdwr, dynptrWriteFault } from "./dynptr.as";
import { kernelReadFault, probeReadKernelStr } from "./probe.as";
import { programAddress } from "./zone.as";

/** -E2BIG as Linux leaves it in r0: the upper half is empty. Of other errnos it is full, as their functions return more than an int. */
export const OUTSIDE: i64 = i64(u32(-i32(E2BIG)));

/** What is read: kernel memory, a text in it, or memory of a user process. */
export const PROBE_KERNEL: u32 = 0;
export const PROBE_KERNEL_STR: u32 = 1;
export const PROBE_USER: u32 = 2;

/** Reads into memory in one piece: an errno, or 0, of a text the bytes with its NUL. */
export function probeInto(to: u32, size: u32, from: u64, kind: u32): i64 {
  // No process runs, but nothing can be read of any.
  if (kind == PROBE_USER) return size == 0 ? 0 : -i64(EFAULT);
  if (kind == PROBE_KERNEL_STR) {
    const fault = size == 0 ? 0 : kernelReadFault(from, 1);
    return i64(fault != 0 ? fault : probeReadKernelStr(programAddress(to), size, from));
  }
  const fault = kernelReadFault(from, size);
  if (fault == 0) memory.copy(programAddress(to), u32(from), size);
  return i64(fault);
}

/** How far the next chunk is: each chunk of a text begins at the NUL that ended the one before. */
export function probeStep(size: u32, kind: u32): u32 {
  return kind == PROBE_KERNEL_STR && size > 1 ? size - 1 : size;
}

/** Bytes of the chunk that is read with `left` to come. */
export function probeChunk(left: u32): u32 {
  return min<u32>(DYNPTR_CHUNK, left);
}

/** Into memory: where the dynptr gives no piece that may be written, it is null or read-only, or the range is outside. */
export function probeDynptr(dynptr: u32, offset: u32, size: u32, from: u64, kind: u32): i64 {
  const to = dynptrSliceRdwr(dynptr, offset, 0, size);
  if (to != 0) return probeInto(to, size, from, kind);
  if (dynptrOutside(dynptr, offset, size)) return OUTSIDE;
  if (size == 0) return 0;
  // The first chunk is read before it is written.
  const fault = kind == PROBE_USER ? -i32(EFAULT) : kernelReadFault(from, kind == PROBE_KERNEL ? probeChunk(size) : 1);
  return i64(fault != 0 ? fault : dynptrWriteFault(dynptr, offset, size));
}
