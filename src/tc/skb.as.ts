/**
 * The geometry of an skb: a linear buffer from `head` to `end`, the frame from `data` to `data_end`, headers as offsets from `head`. What the kernel does with
 * struct sk_buff in net/core/skbuff.c, for a buffer that nobody else holds.
 */
import {
  CHECKSUM_COMPLETE,
  CpuBlock_skb_buffer,
  CpuBlock_skb_buffer_owner,
  CpuBlock_skb_buffer_size,
  ENOMEM,
  HEADER_UNSET,
  SkBuff_csum,
  SkBuff_data,
  SkBuff_data_end,
  SkBuff_data_meta,
  SkBuff_end,
  SkBuff_hash,
  SkBuff_hash_valid,
  SkBuff_head,
  SkBuff_ip_summed,
  SkBuff_l4_hash,
  SkBuff_len,
  SkBuff_mac_header,
  SkBuff_mac_len,
  SkBuff_network_header,
  SkBuff_transport_header,
} from "../layout/layout.generated.as";
import { csumAdd, csumPartial, csumSub } from "../packet/csum.as";
import { cpu } from "../runtime/cpu.as";
import { programAddress } from "../runtime/zone.as";

export function skbLength(skb: u32): u32 {
  return load<u32>(skb, SkBuff_len);
}

export function skbData(skb: u32): u32 {
  return load<u32>(skb, SkBuff_data);
}

/** Bytes from the MAC header to the network header. */
export function skbMacHeaderLength(skb: u32): u32 {
  return load<u32>(skb, SkBuff_network_header) - load<u32>(skb, SkBuff_mac_header);
}

/** Offset of the network header from `data`. */
export function skbNetworkOffset(skb: u32): i32 {
  return i32(load<u32>(skb, SkBuff_head) + load<u32>(skb, SkBuff_network_header) - load<u32>(skb, SkBuff_data));
}

/** Address of the network header. */
export function skbNetworkHeader(skb: u32): u32 {
  return load<u32>(skb, SkBuff_head) + load<u32>(skb, SkBuff_network_header);
}

export function skbResetMacLen(skb: u32): void {
  store<u32>(skb, skbMacHeaderLength(skb), SkBuff_mac_len);
}

/** Forgets the flow hash. */
export function skbClearHash(skb: u32): void {
  store<u32>(skb, 0, SkBuff_hash);
  store<u32>(skb, 0, SkBuff_hash_valid);
  store<u32>(skb, 0, SkBuff_l4_hash);
}

function shiftHeader(skb: u32, field: u32, by: u32): void {
  store<u32>(skb + field, load<u32>(skb + field) + by);
}

/** Moves the frame, its metadata included, so that `headroom` bytes lie in front of it at `head`. */
function place(skb: u32, head: u32, end: u32, headroom: u32): void {
  const data = load<u32>(skb, SkBuff_data);
  const length = load<u32>(skb, SkBuff_data_end) - data;
  const metadata = data - load<u32>(skb, SkBuff_data_meta);
  const shift = headroom - (data - load<u32>(skb, SkBuff_head));
  memory.copy(programAddress(head + headroom - metadata), data - metadata, length + metadata);
  store<u32>(skb, head, SkBuff_head);
  store<u32>(skb, end, SkBuff_end);
  store<u32>(skb, head + headroom, SkBuff_data);
  store<u32>(skb, head + headroom - metadata, SkBuff_data_meta);
  store<u32>(skb, head + headroom + length, SkBuff_data_end);
  shiftHeader(skb, SkBuff_mac_header, shift);
  shiftHeader(skb, SkBuff_network_header, shift);
  if (load<u32>(skb, SkBuff_transport_header) != HEADER_UNSET) shiftHeader(skb, SkBuff_transport_header, shift);
}

/**
 * Makes room: at least `headroom` bytes before `data` and `tailroom` behind `data_end`. Within the buffer where both fit, else in the CPU's buffer for long
 * skbs. Gives 0, or -ENOMEM when neither holds it.
 */
export function skbMakeRoom(skb: u32, headroom: u32, tailroom: u32): i32 {
  const head = load<u32>(skb, SkBuff_head);
  const end = load<u32>(skb, SkBuff_end);
  const data = load<u32>(skb, SkBuff_data);
  const dataEnd = load<u32>(skb, SkBuff_data_end);
  if (data - head >= headroom && end - dataEnd >= tailroom) return 0;
  const wanted = u64(headroom) + u64(dataEnd - data) + u64(tailroom) + u64(data - load<u32>(skb, SkBuff_data_meta));
  if (wanted <= u64(end - head)) {
    place(skb, head, end, end - head - tailroom - (dataEnd - data));
    return 0;
  }
  const buffer = load<u32>(cpu, CpuBlock_skb_buffer);
  const size = load<u32>(cpu, CpuBlock_skb_buffer_size);
  if (load<u32>(cpu, CpuBlock_skb_buffer_owner) != 0 || wanted > u64(size)) return -ENOMEM;
  store<u32>(cpu, skb, CpuBlock_skb_buffer_owner);
  place(skb, buffer, buffer + size, size - tailroom - (dataEnd - data));
  return 0;
}

/** Moves `data` by `by` bytes (negative: towards the head); `len` and `data_meta` follow. */
function moveData(skb: u32, by: i32): void {
  store<u32>(skb, load<u32>(skb, SkBuff_data) + u32(by), SkBuff_data);
  store<u32>(skb, load<u32>(skb, SkBuff_data_meta) + u32(by), SkBuff_data_meta);
  store<u32>(skb, load<u32>(skb, SkBuff_len) - u32(by), SkBuff_len);
}

/** Puts `length` bytes, uninitialised, in front of the frame; the room must be there. */
export function skbPush(skb: u32, length: u32): u32 {
  moveData(skb, -i32(length));
  return programAddress(load<u32>(skb, SkBuff_data));
}

/** Takes `length` bytes off the front of the frame, which must have them. */
export function skbPull(skb: u32, length: u32): u32 {
  moveData(skb, length);
  return programAddress(load<u32>(skb, SkBuff_data));
}

/** Ends the frame `length` bytes after `data`. */
export function skbSetLength(skb: u32, length: u32): void {
  store<u32>(skb, load<u32>(skb, SkBuff_data) + length, SkBuff_data_end);
  store<u32>(skb, length, SkBuff_len);
}

/** skb_postpull_rcsum: a CHECKSUM_COMPLETE sum loses `length` bytes at `address`. */
export function skbPostpullChecksum(skb: u32, address: u32, length: u32): void {
  if (load<u32>(skb, SkBuff_ip_summed) != CHECKSUM_COMPLETE) return;
  store<u32>(skb, csumSub(load<u32>(skb, SkBuff_csum), rotated(skb, address, length)), SkBuff_csum);
}

/** skb_postpush_rcsum: a CHECKSUM_COMPLETE sum gains `length` bytes at `address`. */
export function skbPostpushChecksum(skb: u32, address: u32, length: u32): void {
  if (load<u32>(skb, SkBuff_ip_summed) != CHECKSUM_COMPLETE) return;
  store<u32>(skb, csumAdd(load<u32>(skb, SkBuff_csum), rotated(skb, address, length)), SkBuff_csum);
}

/** Sum of `length` bytes at `address`, turned by 8 bits where they stand at an odd offset of the frame (csum_block_add). */
function rotated(skb: u32, address: u32, length: u32): u32 {
  const sum = csumPartial(address, length, 0);
  return (address - load<u32>(skb, SkBuff_data)) & 1 ? rotr<u32>(sum, 8) : sum;
}
