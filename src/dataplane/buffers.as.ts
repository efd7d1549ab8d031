/**
 * How large the buffers are that the kernel would have the frame in: what adjust_tail may grow into depends on it. In the memory every frame has a buffer of
 * PollState.frame_size, and its packet stands in it at the headroom that it has in the kernel; `Frame.buffer_size` says how much of it there is.
 */
import {
  Device_pool_offset,
  FRAME_BUFFER,
  FRAME_SKB,
  Frame_buffer_size,
  Frame_cloned,
  Frame_data,
  Frame_data_end,
  Frame_data_meta,
  Frame_has_skb,
  Frame_head_frag,
  Frame_is_skb,
  PAGE_SIZE,
  PollState_frame_size,
  SKB_SHARED_INFO_SIZE,
  SkBuff_data,
  SkBuff_data_end,
  SkBuff_data_meta,
  SkBuff_end,
  SkBuff_head,
  SkBuff_len,
  SkBuff_mac_header,
  SkBuff_network_header,
  SkBuff_transport_header,
  XDP_PACKET_HEADROOM,
} from "../layout/layout.generated.as";
import { frameLimit } from "./frames.as";

/** Heads of short skbs come from a cache of their own with objects of this size. net/core/skbuff.c: SKB_SMALL_HEAD_CACHE_SIZE; measured. */
const SMALL_HEAD: u32 = 576;
/** Expansions of the headroom are multiples of this. include/linux/skbuff.h: NET_SKB_PAD. */
const SKB_PAD: u32 = 64;

function aligned(size: u32): u32 {
  return (size + 63) & ~63;
}

/** Bytes of the buffer that kmalloc_reserve gives for `size` bytes of data: the next size class, skb_shared_info included. */
export function allocatedSize(size: u32): u32 {
  const object = aligned(size) + SKB_SHARED_INFO_SIZE;
  if (object <= SMALL_HEAD) return SMALL_HEAD;
  return 1 << (32 - clz<u32>(object - 1));
}

/** The next piece of a device's page pool for a frame of `length` bytes: its size. net/core/page_pool.c, include/net/page_pool/helpers.h: page_pool_alloc. */
export function pageFragment(device: u32, length: u32): u32 {
  const size = XDP_PACKET_HEADROOM + aligned(length) + SKB_SHARED_INFO_SIZE;
  if (size << 1 > PAGE_SIZE) return PAGE_SIZE;
  let offset = load<u32>(device, Device_pool_offset);
  if (offset + size > PAGE_SIZE) offset = 0;
  const next = offset + size;
  if (next + size > PAGE_SIZE) {
    // What is left would hold no second one: it goes to this one.
    store<u32>(device, PAGE_SIZE, Device_pool_offset);
    return PAGE_SIZE - offset;
  }
  store<u32>(device, next, Device_pool_offset);
  return size;
}

/** The buffer's size where it is not the whole of what a frame has. */
export function bufferSize(state: u32, frame: u32): u32 {
  const size = load<u32>(frame, Frame_buffer_size);
  return size == 0 ? load<u32>(state, PollState_frame_size) : size;
}

/** Moves an skb's packet, its metadata included, to `headroom` bytes behind the beginning of its frame's buffer. False when it does not fit. */
export function placeSkb(state: u32, frame: u32, headroom: u32): bool {
  const skb = frame + FRAME_SKB;
  const data = load<u32>(skb, SkBuff_data);
  const meta = data - load<u32>(skb, SkBuff_data_meta);
  const length = load<u32>(skb, SkBuff_data_end) - data;
  const head = frame + FRAME_BUFFER;
  const limit = frameLimit(state, frame);
  if (headroom < meta || head + headroom + length > limit) return false;
  const shift = headroom - (data - load<u32>(skb, SkBuff_head));
  memory.copy(head + headroom - meta, data - meta, length + meta);
  store<u32>(skb, head, SkBuff_head);
  store<u32>(skb, limit, SkBuff_end);
  store<u32>(skb, head + headroom, SkBuff_data);
  store<u32>(skb, head + headroom - meta, SkBuff_data_meta);
  store<u32>(skb, head + headroom + length, SkBuff_data_end);
  store<u32>(skb, load<u32>(skb, SkBuff_mac_header) + shift, SkBuff_mac_header);
  store<u32>(skb, load<u32>(skb, SkBuff_network_header) + shift, SkBuff_network_header);
  // One that was not set wraps round, and counts as set then (skb_headers_offset_update).
  store<u32>(skb, (load<u32>(skb, SkBuff_transport_header) + shift) & 0xffff, SkBuff_transport_header);
  return true;
}

/** pskb_expand_head: a new buffer with `headroom` bytes more in front and `tailroom` more behind. */
export function expandHead(state: u32, frame: u32, headroom: u32, tailroom: u32): bool {
  const skb = frame + FRAME_SKB;
  const old = bufferSize(state, frame) - SKB_SHARED_INFO_SIZE;
  const room = load<u32>(skb, SkBuff_data) - load<u32>(skb, SkBuff_head);
  if (!placeSkb(state, frame, room + headroom)) return false;
  store<u32>(frame, min(allocatedSize(old + headroom + tailroom), load<u32>(state, PollState_frame_size)), Frame_buffer_size);
  store<u32>(frame, 0, Frame_head_frag);
  store<u32>(frame, 0, Frame_cloned);
  // skb_metadata_clear
  store<u32>(skb, load<u32>(skb, SkBuff_data), SkBuff_data_meta);
  return true;
}

/** Generic XDP wants 256 bytes of headroom and a buffer of its own. net/core/dev.c: netif_skb_check_for_xdp. */
export function makeRoomForGeneric(state: u32, frame: u32): bool {
  const skb = frame + FRAME_SKB;
  const headroom = load<u32>(skb, SkBuff_data) - load<u32>(skb, SkBuff_head);
  if (headroom >= XDP_PACKET_HEADROOM && load<u32>(frame, Frame_cloned) == 0) return true;
  const missing = headroom < XDP_PACKET_HEADROOM ? (XDP_PACKET_HEADROOM - headroom + SKB_PAD - 1) & ~(SKB_PAD - 1) : 0;
  return expandHead(state, frame, missing, 0);
}

/** Native XDP on an skb wants a piece of a page with 256 bytes of headroom; else the skb is copied into one. drivers/net/veth.c: veth_convert_skb_to_xdp_buff. */
export function makeRoomForNative(state: u32, frame: u32, device: u32): bool {
  const skb = frame + FRAME_SKB;
  const headroom = load<u32>(skb, SkBuff_data) - load<u32>(skb, SkBuff_head);
  if (load<u32>(frame, Frame_head_frag) != 0 && load<u32>(frame, Frame_cloned) == 0 && headroom >= XDP_PACKET_HEADROOM) return true;
  if (!placeSkb(state, frame, XDP_PACKET_HEADROOM)) return false;
  store<u32>(frame, pageFragment(device, load<u32>(skb, SkBuff_len)), Frame_buffer_size);
  store<u32>(frame, 1, Frame_head_frag);
  store<u32>(frame, 0, Frame_cloned);
  return true;
}

/** Lets an XDP program see the skb's packet: metadata of before is not shown to it. */
export function showAsXdp(frame: u32): void {
  const skb = frame + FRAME_SKB;
  store<u32>(frame, load<u32>(skb, SkBuff_data), Frame_data);
  store<u32>(frame, load<u32>(skb, SkBuff_data_end), Frame_data_end);
  store<u32>(frame, load<u32>(skb, SkBuff_data), Frame_data_meta);
  store<u32>(frame, 0, Frame_is_skb);
  store<u32>(frame, 1, Frame_has_skb);
}

/** The skb has the edges that an XDP program left. */
export function takeFromXdp(frame: u32): void {
  const skb = frame + FRAME_SKB;
  const data = load<u32>(frame, Frame_data);
  store<u32>(skb, data, SkBuff_data);
  store<u32>(skb, load<u32>(frame, Frame_data_end), SkBuff_data_end);
  store<u32>(skb, load<u32>(frame, Frame_data_meta), SkBuff_data_meta);
  store<u32>(skb, load<u32>(frame, Frame_data_end) - data, SkBuff_len);
  store<u32>(frame, 1, Frame_is_skb);
}

/** The skb is an XDP frame from here on: what the skb knew beside the bytes is lost. */
export function becomeXdpFrame(frame: u32): void {
  store<u32>(frame, 0, Frame_is_skb);
  store<u32>(frame, 0, Frame_has_skb);
}
