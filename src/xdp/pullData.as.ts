import {
  EINVAL,
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
  XdpFragment_address,
  XdpFragment_length,
  XdpFragment_room,
  XdpFragment_SIZE,
} from "../layout/layout.generated.as";
import { xdpLength } from "./adjust.as";
import { programAddress } from "../runtime/zone.as";

/**
 * bpf_xdp_pull_data: the first `length` bytes of the frame stand in one piece. They come from the front of the fragments, into the tailroom first; what has no room
 * there moves the frame, metadata with it, towards the headroom. net/core/filter.c.
 */
export function xdpPullData(context: u32, length: u32): i32 {
  const data = load<u32>(context, XdpContext_data);
  const end = load<u32>(context, XdpContext_data_end);
  if (length <= end - data) return 0;
  if (length > xdpLength(context)) return -i32(EINVAL);
  const hardStart = load<u32>(context, XdpContext_data_hard_start);
  const start = load<u32>(context, XdpContext_data_meta);
  const missing = length - (end - data);
  const headroom = start - hardStart - XDP_FRAME_SIZE;
  const tailroom = hardStart + load<u32>(context, XdpContext_frame_sz) - SKB_SHARED_INFO_SIZE - end;
  if (missing > tailroom + headroom) return -i32(EINVAL);
  const shift = missing > tailroom ? missing - tailroom : 0;
  if (shift != 0) {
    memory.copy(programAddress(start - shift), start, end - start);
    store<u32>(context, start - shift, XdpContext_data_meta);
    store<u32>(context, data - shift, XdpContext_data);
  }
  store<u32>(context, end - shift + missing, XdpContext_data_end);
  takeFromFragments(context, end - shift, missing);
  return 0;
}

/** Moves the first `length` bytes of the fragments, which have them, to `to`; fragments that are used up are gone. */
function takeFromFragments(context: u32, to: u32, length: u32): void {
  const frags = programAddress(load<u32>(context, XdpContext_frags));
  const count = load<u32>(context, XdpContext_frag_count);
  store<u32>(context, load<u32>(context, XdpContext_frag_len) - length, XdpContext_frag_len);
  let used: u32 = 0;
  while (length > 0) {
    const fragment = frags + used * XdpFragment_SIZE;
    const address = load<u32>(fragment, XdpFragment_address);
    const size = load<u32>(fragment, XdpFragment_length);
    const piece = min<u32>(length, size);
    memory.copy(programAddress(to), address, piece);
    to += piece;
    length -= piece;
    if (piece == size) {
      used++;
      continue;
    }
    store<u32>(fragment, address + piece, XdpFragment_address);
    store<u32>(fragment, size - piece, XdpFragment_length);
    store<u32>(fragment, load<u32>(fragment, XdpFragment_room) - piece, XdpFragment_room);
  }
  if (used == 0) return;
  memory.copy(frags, frags + used * XdpFragment_SIZE, (count - used) * XdpFragment_SIZE);
  store<u32>(context, count - used, XdpContext_frag_count);
}
