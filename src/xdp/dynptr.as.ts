/** Dynamic pointers over XDP frames, fragments included: net/core/filter.c and kernel/bpf/helpers.c. What is no frame is the runtime's. */
import {
  BPF_DYNPTR_TYPE_XDP,
  CpuBlock_scratch,
  DYNPTR_CHUNK,
  Dynptr_data,
  EINVAL,
  XdpContext_data,
  XdpContext_data_end,
  XdpContext_frag_count,
  XdpContext_frags,
  XdpFragment_address,
  XdpFragment_length,
  XdpFragment_SIZE,
} from "../layout/layout.generated.as";
import { currentContext, programAddress } from "../runtime/zone.as";
import { cpu } from "../runtime/cpu.as";
import {
  dynptrData,
  dynptrCopyFault,
  dynptrInit,
  dynptrIsNullPointer,
  dynptrKind,
  dynptrMemset,
  dynptrMemsetFault,
  dynptrOutside,
  dynptrPacketOffset,
  dynptrRead,
  dynptrReadFault,
  dynptrReadOnly,
  dynptrSetNull,
  dynptrSlice,
  dynptrWrite,
  dynptrWriteFault,
} from "../runtime/dynptr.as";
import { OUTSIDE, PROBE_KERNEL, PROBE_KERNEL_STR, PROBE_USER, probeChunk, probeInto, probeStep } from "../runtime/dynptrProbe.as";
import { xdpLength } from "./adjust.as";
import { xdpLoadBytes, xdpStoreBytes } from "./bytes.as";

/** bpf_dynptr_from_xdp: over the whole frame, as long as it is now. */
export function dynptrFromXdp(context: u32, flags: u64, dynptr: u32): i32 {
  dynptrSetNull(dynptr);
  if (flags != 0) return -i32(EINVAL);
  dynptrInit(dynptr, context, BPF_DYNPTR_TYPE_XDP, xdpLength(context));
  return 0;
}

function isFrame(dynptr: u32): bool {
  return dynptrKind(dynptr) == BPF_DYNPTR_TYPE_XDP;
}

function contextOf(dynptr: u32): u32 {
  return currentContext(load<u32>(dynptr, Dynptr_data));
}

/** bpf_xdp_pointer: the address of bytes that stand in one piece, in the linear part or in one fragment; else 0. */
function pieceAt(context: u32, offset: u32, length: u32): u32 {
  let at = load<u32>(context, XdpContext_data);
  let size = load<u32>(context, XdpContext_data_end) - at;
  let fragment = load<u32>(context, XdpContext_frags);
  for (let left = load<u32>(context, XdpContext_frag_count); offset >= size; left--) {
    if (left == 0) return 0;
    offset -= size;
    at = load<u32>(fragment, XdpFragment_address);
    size = load<u32>(fragment, XdpFragment_length);
    fragment += XdpFragment_SIZE;
  }
  return length <= size - offset ? at + offset : 0;
}

/** bpf_dynptr_read */
export function xdpDynptrRead(to: u32, length: u32, dynptr: u32, offset: u32, flags: u64): i32 {
  if (!isFrame(dynptr)) return dynptrRead(to, length, dynptr, offset, flags);
  const fault = dynptrReadFault(dynptr, offset, length, flags);
  return fault != 0 ? fault : xdpLoadBytes(contextOf(dynptr), dynptrPacketOffset(dynptr, offset), to, length);
}

/** bpf_dynptr_write */
export function xdpDynptrWrite(dynptr: u32, offset: u32, from: u32, length: u32, flags: u64): i32 {
  if (!isFrame(dynptr)) return dynptrWrite(dynptr, offset, from, length, flags);
  const fault = dynptrWriteFault(dynptr, offset, length);
  if (fault != 0) return fault;
  if (flags != 0) return -i32(EINVAL);
  return xdpStoreBytes(contextOf(dynptr), dynptrPacketOffset(dynptr, offset), from, length);
}

/** bpf_dynptr_data: NULL for a frame, which may be in pieces. */
export function xdpDynptrData(dynptr: u32, offset: u32, length: u32): u32 {
  return isFrame(dynptr) ? 0 : dynptrData(dynptr, offset, length);
}

/** bpf_dynptr_slice: the bytes in the frame where they stand in one piece, else a copy in `buffer`, or NULL without one. */
export function xdpDynptrSlice(dynptr: u32, offset: u32, buffer: u32, length: u32): u32 {
  if (!isFrame(dynptr)) return dynptrSlice(dynptr, offset, buffer, length);
  if (dynptrIsNullPointer(dynptr) || dynptrOutside(dynptr, offset, length)) return 0;
  const context = contextOf(dynptr);
  const at = dynptrPacketOffset(dynptr, offset);
  const piece = at + length <= xdpLength(context) ? pieceAt(context, at, length) : 0;
  if (piece != 0 || buffer == 0) return piece;
  xdpLoadBytes(context, at, buffer, length);
  return buffer;
}

/** bpf_dynptr_slice_rdwr */
export function xdpDynptrSliceRdwr(dynptr: u32, offset: u32, buffer: u32, length: u32): u32 {
  return dynptrReadOnly(dynptr) ? 0 : xdpDynptrSlice(dynptr, offset, buffer, length);
}

/** bpf_dynptr_copy: at once where one side is in one piece, else by chunks, the first of which that fails ends it. */
export function xdpDynptrCopy(target: u32, targetOffset: u32, source: u32, sourceOffset: u32, length: u32): i32 {
  const from = xdpDynptrSlice(source, sourceOffset, 0, length);
  const to = xdpDynptrSliceRdwr(target, targetOffset, 0, length);
  if (from != 0 && to != 0) {
    memory.copy(programAddress(to), from, length);
    return 0;
  }
  if (from != 0) return xdpDynptrWrite(target, targetOffset, from, length, 0);
  if (to != 0) return xdpDynptrRead(to, length, source, sourceOffset, 0);
  const fault = dynptrCopyFault(target, targetOffset, source, sourceOffset, length);
  if (fault != 0) return fault;
  const chunk = load<u32>(cpu, CpuBlock_scratch);
  for (let done: u32 = 0; done < length; done += DYNPTR_CHUNK) {
    const size = min<u32>(DYNPTR_CHUNK, length - done);
    const read = xdpDynptrRead(chunk, size, source, sourceOffset + done, 0);
    if (read != 0) return read;
    const written = xdpDynptrWrite(target, targetOffset + done, chunk, size, 0);
    if (written != 0) return written;
  }
  return 0;
}

/** bpf_dynptr_memset */
export function xdpDynptrMemset(dynptr: u32, offset: u32, length: u32, value: u32): i32 {
  if (!isFrame(dynptr)) return dynptrMemset(dynptr, offset, length, value);
  const fault = dynptrMemsetFault(dynptr, offset, length);
  if (fault != 0) return fault;
  const piece = xdpDynptrSliceRdwr(dynptr, offset, 0, length);
  if (piece != 0) {
    memory.fill(programAddress(piece), u8(value), length);
    return 0;
  }
  const chunk = load<u32>(cpu, CpuBlock_scratch);
  memory.fill(chunk, u8(value), min<u32>(DYNPTR_CHUNK, length));
  for (let done: u32 = 0; done < length; done += DYNPTR_CHUNK) {
    const written = xdpDynptrWrite(dynptr, offset + done, chunk, min<u32>(DYNPTR_CHUNK, length - done), 0);
    if (written != 0) return written;
  }
  return 0;
}

/** bpf_probe_read_kernel_dynptr and its kin: by chunks where the target lies in several pieces of the frame. */
function probe(dynptr: u32, offset: u32, size: u32, from: u64, kind: u32): i64 {
  const to = xdpDynptrSliceRdwr(dynptr, offset, 0, size);
  if (to != 0) return probeInto(to, size, from, kind);
  if (dynptrOutside(dynptr, offset, size)) return OUTSIDE;
  const chunk = load<u32>(cpu, CpuBlock_scratch);
  for (let done: u32 = 0; done < size; ) {
    const length = probeChunk(size - done);
    const read = probeInto(chunk, length, from + u64(done), kind);
    if (read < 0) return read;
    const count = kind == PROBE_KERNEL_STR ? u32(read) : length;
    const written = xdpDynptrWrite(dynptr, offset + done, chunk, count, 0);
    if (written != 0) return i64(written);
    // A text that ended, or whose last byte was one of its own, is whole.
    if (kind == PROBE_KERNEL_STR && (count < length || length == 1)) return i64(done + count);
    done += probeStep(length, kind);
  }
  return kind == PROBE_KERNEL_STR ? i64(size) : 0;
}

export function xdpProbeReadKernelDynptr(dynptr: u32, offset: u32, size: u32, from: u64): i64 {
  return probe(dynptr, offset, size, from, PROBE_KERNEL);
}

export function xdpProbeReadKernelStrDynptr(dynptr: u32, offset: u32, size: u32, from: u64): i64 {
  return probe(dynptr, offset, size, from, PROBE_KERNEL_STR);
}

/** bpf_probe_read_user_dynptr and bpf_probe_read_user_str_dynptr. */
export function xdpProbeReadUserDynptr(dynptr: u32, offset: u32, size: u32, from: u64): i64 {
  return probe(dynptr, offset, size, from, PROBE_USER);
}
