/** bpf_xdp_load_bytes and bpf_xdp_store_bytes, over the linear part and the fragments. net/core/filter.c. */
import {
  EFAULT,
  EINVAL,
  XdpContext_data,
  XdpContext_data_end,
  XdpContext_frags,
  XdpFragment_SIZE,
  XdpFragment_address,
  XdpFragment_length,
} from "../layout/layout.generated.as";
import { xdpLength } from "./adjust.as";
import { programAddress } from "../runtime/zone.as";

/** Why `length` bytes at `offset` are out of reach, or 0. */
function fault(context: u32, offset: u32, length: u32): i32 {
  if (offset > 0xffff || length > 0xffff) return -EFAULT;
  return offset + length > xdpLength(context) ? -EINVAL : 0;
}

/**
 * memcpy as x86-64 with fast short `rep movsb` runs it: from the first byte to the last, so that a target behind the start of its source repeats what was just
 * written. Only bpf_dynptr_copy within one frame meets that.
 */
function copyForward(to: u32, from: u32, length: u32): void {
  if (to - from >= length) memory.copy(to, from, length);
  else for (let at: u32 = 0; at < length; at++) store<u8>(to + at, load<u8>(from + at));
}

/** Copies between `buffer` and the frame, piece by piece; the range lies inside the frame. */
function copy(context: u32, offset: u32, buffer: u32, length: u32, writes: bool): void {
  let at = load<u32>(context, XdpContext_data);
  let size = load<u32>(context, XdpContext_data_end) - at;
  let fragment = load<u32>(context, XdpContext_frags);
  while (length > 0) {
    if (offset < size) {
      const piece = min<u32>(length, size - offset);
      if (writes) memory.copy(programAddress(at + offset), buffer, piece);
      else copyForward(buffer, at + offset, piece);
      buffer += piece;
      length -= piece;
      offset = 0;
    } else offset -= size;
    if (length == 0) return;
    at = load<u32>(fragment, XdpFragment_address);
    size = load<u32>(fragment, XdpFragment_length);
    fragment += XdpFragment_SIZE;
  }
}

/** Copies the first `length` bytes of the frame, which has them, to `buffer`. */
export function xdpCopyOut(context: u32, buffer: u32, length: u32): void {
  copy(context, 0, buffer, length, false);
}

/** bpf_xdp_load_bytes */
export function xdpLoadBytes(context: u32, offset: u32, buffer: u32, length: u32): i32 {
  const result = fault(context, offset, length);
  if (result == 0) copy(context, offset, buffer, length, false);
  return result;
}

/** bpf_xdp_store_bytes */
export function xdpStoreBytes(context: u32, offset: u32, buffer: u32, length: u32): i32 {
  const result = fault(context, offset, length);
  if (result == 0) copy(context, offset, buffer, length, true);
  return result;
}
