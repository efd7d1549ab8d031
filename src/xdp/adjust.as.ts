/** Helpers that move the edges of an XDP frame. net/core/filter.c. */
import {
  EACCES,
  EINVAL,
  ENOTSUPP,
  EOPNOTSUPP,
  ETH_HLEN,
  SKB_SHARED_INFO_SIZE,
  XDP_FRAME_SIZE,
  XdpContext_data,
  XdpContext_data_end,
  XdpContext_data_hard_start,
  XdpContext_data_meta,
  XdpContext_frag_count,
  XdpContext_frag_len,
  XdpContext_frags,
  XdpContext_frame_sz,
  XdpFragment_SIZE,
  XdpFragment_address,
  XdpFragment_length,
  XdpFragment_room,
} from "../layout/layout.generated.as";
import { programAddress } from "../runtime/zone.as";

/** Longest metadata that skb_shared_info's meta_len can hold. */
const META_LEN_MAX: u64 = 255;

/** bpf_xdp_adjust_head: moves the start of the frame by `delta`, metadata with it. */
export function xdpAdjustHead(context: u32, delta: i32): i32 {
  const data = load<u32>(context, XdpContext_data);
  const meta = load<u32>(context, XdpContext_data_meta);
  const metadata = data - meta;
  const moved = i64(data) + delta;
  const lowest = i64(load<u32>(context, XdpContext_data_hard_start) + XDP_FRAME_SIZE + metadata);
  if (moved < lowest || moved > i64(load<u32>(context, XdpContext_data_end)) - i64(ETH_HLEN)) return -EINVAL;
  if (metadata != 0) memory.copy(programAddress(u32(moved) - metadata), meta, metadata);
  store<u32>(context, u32(moved) - metadata, XdpContext_data_meta);
  store<u32>(context, u32(moved), XdpContext_data);
  return 0;
}

/** bpf_xdp_adjust_meta: moves the start of the metadata by `delta`. */
export function xdpAdjustMeta(context: u32, delta: i32): i32 {
  const data = load<u32>(context, XdpContext_data);
  const meta = load<u32>(context, XdpContext_data_meta);
  if (meta > data) return -ENOTSUPP;
  const moved = i64(meta) + delta;
  if (moved < i64(load<u32>(context, XdpContext_data_hard_start) + XDP_FRAME_SIZE) || moved > i64(data)) return -EINVAL;
  const metadata = u64(i64(data) - moved);
  if ((metadata & 3) != 0 || metadata > META_LEN_MAX) return -EACCES;
  store<u32>(context, u32(moved), XdpContext_data_meta);
  return 0;
}

/** xdp_get_buff_len: bytes of the frame, fragments included, metadata not. */
export function xdpLength(context: u32): u32 {
  return load<u32>(context, XdpContext_data_end) - load<u32>(context, XdpContext_data) + load<u32>(context, XdpContext_frag_len);
}

/** bpf_xdp_get_buff_len */
export function xdpGetBuffLen(context: u32): u32 {
  return xdpLength(context);
}

/** Grows the last fragment by zero bytes. */
function growFragments(context: u32, by: u32): i32 {
  const last = programAddress(load<u32>(context, XdpContext_frags) + (load<u32>(context, XdpContext_frag_count) - 1) * XdpFragment_SIZE);
  const room = load<u32>(last, XdpFragment_room);
  if (room == 0 || room > load<u32>(context, XdpContext_frame_sz)) return -EOPNOTSUPP;
  const length = load<u32>(last, XdpFragment_length);
  if (by > room - length) return -EINVAL;
  memory.fill(programAddress(load<u32>(last, XdpFragment_address) + length), 0, by);
  store<u32>(last, length + by, XdpFragment_length);
  store<u32>(context, load<u32>(context, XdpContext_frag_len) + by, XdpContext_frag_len);
  return 0;
}

/** Shortens from the last fragment backwards; what is left over comes off the linear part. */
function shrinkFragments(context: u32, by: i32): i32 {
  if (by > i32(xdpLength(context)) - i32(ETH_HLEN)) return -EINVAL;
  const frags = load<u32>(context, XdpContext_frags);
  let count = load<u32>(context, XdpContext_frag_count);
  let total = load<u32>(context, XdpContext_frag_len);
  while (count > 0 && by > 0) {
    const fragment = programAddress(frags + (count - 1) * XdpFragment_SIZE);
    const length = load<u32>(fragment, XdpFragment_length);
    const cut = min<u32>(length, u32(by));
    store<u32>(fragment, length - cut, XdpFragment_length);
    total -= cut;
    by -= i32(cut);
    if (cut == length) count--;
  }
  store<u32>(context, count, XdpContext_frag_count);
  store<u32>(context, total, XdpContext_frag_len);
  if (count == 0) store<u32>(context, load<u32>(context, XdpContext_data_end) - u32(by), XdpContext_data_end);
  return 0;
}

/** bpf_xdp_adjust_tail: moves the end of the frame by `delta`; new bytes are zero. */
export function xdpAdjustTail(context: u32, delta: i32): i32 {
  if (load<u32>(context, XdpContext_frag_count) != 0) {
    return delta < 0 ? shrinkFragments(context, -delta) : growFragments(context, delta);
  }
  const end = load<u32>(context, XdpContext_data_end);
  const moved = i64(end) + delta;
  const limit = load<u32>(context, XdpContext_data_hard_start) + load<u32>(context, XdpContext_frame_sz) - SKB_SHARED_INFO_SIZE;
  if (moved > i64(limit) || moved < i64(load<u32>(context, XdpContext_data) + ETH_HLEN)) return -EINVAL;
  if (delta > 0) memory.fill(programAddress(end), 0, delta);
  store<u32>(context, u32(moved), XdpContext_data_end);
  return 0;
}
