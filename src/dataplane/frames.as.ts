/**
 * A CPU's frames: a pool of buffers that packets are copied into, taken and given back like a stack, so that the last used one, which is in the cache, is the
 * next. layout/poll.ts has the shape of a frame.
 */
import {
  CpuBlock_frames,
  CpuBlock_skb_buffer,
  CpuBlock_skb_buffer_owner,
  CpuBlock_skb_buffer_size,
  FRAME_GAP,
  FRAME_BUFFER,
  Frame_data,
  Frame_data_end,
  Frame_data_meta,
  Frame_is_skb,
  FRAME_SKB,
  FRAME_SKB_ROOM,
  POOL_FRAMES,
  PollState_frame_size,
  PollState_free_count,
  PollState_free_frames,
  SKB_SHARED_INFO_SIZE,
  SkBuff_data,
  SkBuff_data_end,
  SkBuff_data_meta,
  SkBuff_end,
  SkBuff_head,
  SkBuff_len,
  XdpContext_data,
  XdpContext_data_end,
  XdpContext_data_meta,
} from "../layout/layout.generated.as";
import { cpu } from "../runtime/cpu.as";

/** A free frame, or 0 when all are in use. */
export function takeFrame(state: u32): u32 {
  const count = load<u32>(state, PollState_free_count);
  if (count == 0) return 0;
  store<u32>(state, count - 1, PollState_free_count);
  return load<u32>(load<u32>(state, PollState_free_frames) + ((count - 1) << 2));
}

export function releaseFrame(state: u32, frame: u32): void {
  const count = load<u32>(state, PollState_free_count);
  if (count < POOL_FRAMES) {
    store<u32>(load<u32>(state, PollState_free_frames) + (count << 2), frame);
    store<u32>(state, count + 1, PollState_free_count);
  }
  if (load<u32>(cpu, CpuBlock_skb_buffer_owner) == frame + FRAME_SKB) store<u32>(cpu, 0, CpuBlock_skb_buffer_owner);
}

/** Makes every frame free: between polls, when none holds a packet. What traps left behind comes back so. */
export function resetFrames(state: u32): void {
  if (load<u32>(state, PollState_free_count) == POOL_FRAMES) return;
  const stride = FRAME_SKB_ROOM + load<u32>(state, PollState_frame_size) + FRAME_GAP;
  const free = load<u32>(state, PollState_free_frames);
  const frames = load<u32>(cpu, CpuBlock_frames);
  for (let index: u32 = 0; index < POOL_FRAMES; index++) store<u32>(free + (index << 2), frames + index * stride);
  store<u32>(state, POOL_FRAMES, PollState_free_count);
  store<u32>(cpu, 0, CpuBlock_skb_buffer_owner);
}

/** Highest address that packet bytes may reach: skb_shared_info follows. */
export function frameLimit(state: u32, frame: u32): u32 {
  return frame + FRAME_BUFFER + load<u32>(state, PollState_frame_size) - SKB_SHARED_INFO_SIZE;
}

/**
 * Takes a frame's edges over from the context that a program ran on. False when they do not lie in the frame in order, which only a program that wrote to its
 * context can bring about: the frame must not be used then.
 */
export function takeEdges(state: u32, frame: u32, context: u32): bool {
  const data = load<u32>(context, XdpContext_data);
  const end = load<u32>(context, XdpContext_data_end);
  const meta = load<u32>(context, XdpContext_data_meta);
  if (meta < frame + FRAME_BUFFER || meta > data || data > end || end > frameLimit(state, frame)) return false;
  store<u32>(frame, data, Frame_data);
  store<u32>(frame, end, Frame_data_end);
  store<u32>(frame, meta, Frame_data_meta);
  return true;
}

/** Whether an skb's edges lie in its frame, or in the CPU's buffer for long skbs, in order. A program that wrote to its context may have broken them. */
export function skbIsSound(state: u32, frame: u32): bool {
  const skb = frame + FRAME_SKB;
  const head = load<u32>(skb, SkBuff_head);
  const end = load<u32>(skb, SkBuff_end);
  const data = load<u32>(skb, SkBuff_data);
  const dataEnd = load<u32>(skb, SkBuff_data_end);
  const meta = load<u32>(skb, SkBuff_data_meta);
  if (head > meta || meta > data || data > dataEnd || dataEnd > end || dataEnd - data != load<u32>(skb, SkBuff_len)) return false;
  if (head == frame + FRAME_BUFFER) return end <= frameLimit(state, frame);
  const buffer = load<u32>(cpu, CpuBlock_skb_buffer);
  return head == buffer && end <= buffer + load<u32>(cpu, CpuBlock_skb_buffer_size);
}

/** Address of the first byte of the packet. */
export function packetStart(frame: u32): u32 {
  return load<u32>(frame, Frame_is_skb) ? load<u32>(frame + FRAME_SKB, SkBuff_data) : load<u32>(frame, Frame_data);
}

export function packetEnd(frame: u32): u32 {
  return load<u32>(frame, Frame_is_skb) ? load<u32>(frame + FRAME_SKB, SkBuff_data_end) : load<u32>(frame, Frame_data_end);
}

/** Copies a packet's bytes. Short ones, which most are, 16 bytes at a time; the last step overlaps the one before, so nothing beyond the ends is touched. */
export function copyBytes(to: u32, from: u32, length: u32): void {
  if (length < 16 || length > 512) {
    memory.copy(to, from, length);
    return;
  }
  const last = length - 16;
  for (let offset: u32 = 0; offset < last; offset += 16) v128.store(to + offset, v128.load(from + offset));
  v128.store(to + last, v128.load(from + last));
}
