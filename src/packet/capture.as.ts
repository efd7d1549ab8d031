/**
 * The walk through a capture: records and packet blocks straight from their bytes to packet descriptors, some nanoseconds each. It sees one window of the
 * file (layout/capture.ts: CaptureState) and stops where the window ends, where TypeScript must look (a block without a packet), or at damage.
 *
 *   while there is room: check that the record is whole and its lengths true; write a descriptor; go to the next
 *
 * No length of the file is trusted: each is compared with what is left of the window before it moves the cursor.
 */
import {
  CAPTURE_BAD_BLOCK_LENGTH,
  CAPTURE_BAD_CAPLEN,
  CAPTURE_BAD_INTERFACE,
  CAPTURE_BAD_TRAILER,
  CAPTURE_BLOCK,
  CAPTURE_CAPLEN_OVER_BLOCK,
  CAPTURE_FULL,
  CAPTURE_LINK_NULL,
  CAPTURE_LINK_PLAIN,
  CAPTURE_LINK_RAW,
  CAPTURE_LINK_REFUSED,
  CAPTURE_LINK_TYPE,
  CAPTURE_MORE,
  CAPTURE_NO_ROOM,
  CAPTURE_PCAP,
  CaptureLink_convert,
  CaptureLink_fcs_length,
  CaptureLink_kind,
  CaptureLink_SIZE,
  CaptureLink_snaplen,
  CaptureLink_strip_fcs,
  CaptureState_cursor,
  CaptureState_detail,
  CaptureState_end,
  CaptureState_first_interface,
  CaptureState_format,
  CaptureState_fraction_ns,
  CaptureState_last_ts_ns,
  CaptureState_link_count,
  CaptureState_links,
  CaptureState_next_id,
  CaptureState_reason,
  CaptureState_record_header,
  CaptureState_swapped,
  ETH_HLEN,
  MAX_CAPLEN,
  MAX_RECORD,
  PACKET_FLAG_HAS_OPTIONS,
  PACKET_FLAG_INBOUND,
  PACKET_FLAG_MADE_ETHERNET,
  PACKET_FLAG_NO_TIME,
  PACKET_FLAG_OUTBOUND,
  PACKET_FLAG_SNAPPED,
  PACKET_FLAG_TIME_CLAMPED,
  PacketDescriptor_address,
  PacketDescriptor_caplen,
  PacketDescriptor_flags,
  PacketDescriptor_hash,
  PacketDescriptor_id,
  PacketDescriptor_interface,
  PacketDescriptor_length,
  PacketDescriptor_queue,
  PacketDescriptor_record,
  PacketDescriptor_SIZE,
  PacketDescriptor_ts_ns,
} from "../layout/layout.generated.as";
import { nanoseconds, slowNanoseconds, timeClamped, timeIsOrdinary } from "./captureTime.as";
import { cookedDirection, makeEthernet, oldHeaderLength } from "./madeEthernet.as";

/** Block types and fixed parts of pcapng. draft-ietf-opsawg-pcapng, sections 4.3 to 4.5. */
const PACKET_BLOCK: u32 = 2;
const SIMPLE_PACKET_BLOCK: u32 = 3;
const ENHANCED_PACKET_BLOCK: u32 = 6;
/** Offset of the packet's bytes in an enhanced or obsolete packet block, and the block without them. */
const PACKET_DATA: u32 = 28;
const PACKET_BLOCK_LEAST: u32 = 32;
const SIMPLE_PACKET_DATA: u32 = 12;
const SIMPLE_PACKET_LEAST: u32 = 16;
/** Option code of epb_flags and of the obsolete pack_flags. */
const OPTION_FLAGS: u32 = 2;

/**
 * Writes descriptors of up to `max` packets at `first`, and gives how many. Where and why it stopped stands in the state: CAPTURE_FULL, or a reason that keeps
 * the next call from giving anything before TypeScript has dealt with it.
 */
export function captureWalk(state: u32, first: u32, max: u32): u32 {
  if (load<u32>(state, CaptureState_format) == CAPTURE_PCAP) return walkPcap(state, first, max);
  return walkPcapng(state, first, max);
}

function order32(value: u32, swapped: bool): u32 {
  return swapped ? bswap(value) : value;
}

/** Leaves the reason in the state. `detail`: the offending number, or the bytes that must be there to go on. */
function stop(state: u32, reason: u32, detail: u32): void {
  store<u32>(state, reason, CaptureState_reason);
  store<u32>(state, detail, CaptureState_detail);
}

function walkPcap(state: u32, first: u32, max: u32): u32 {
  const end = load<u32>(state, CaptureState_end);
  const header = load<u32>(state, CaptureState_record_header);
  const swapped = load<u32>(state, CaptureState_swapped) != 0;
  const fraction = u64(load<u32>(state, CaptureState_fraction_ns));
  const link = load<u32>(state, CaptureState_links);
  const plain = load<u32>(link, CaptureLink_kind) == CAPTURE_LINK_PLAIN && load<u32>(link, CaptureLink_strip_fcs) == 0;
  const interfaceIndex = load<u32>(state, CaptureState_first_interface);
  let cursor = load<u32>(state, CaptureState_cursor);
  let id = load<u64>(state, CaptureState_next_id);
  let time = load<i64>(state, CaptureState_last_ts_ns);
  let descriptor = first;
  store<u32>(state, CAPTURE_FULL, CaptureState_reason);
  for (const limit = first + max * PacketDescriptor_SIZE; descriptor != limit; descriptor += PacketDescriptor_SIZE) {
    const available = end - cursor;
    if (available < header) {
      stop(state, CAPTURE_MORE, header);
      break;
    }
    const caplen = order32(load<u32>(cursor, 8), swapped);
    if (caplen > MAX_CAPLEN) {
      stop(state, CAPTURE_BAD_CAPLEN, caplen);
      break;
    }
    if (available < header + caplen) {
      stop(state, CAPTURE_MORE, header + caplen);
      break;
    }
    const length = order32(load<u32>(cursor, 12), swapped);
    // Seconds and fraction are unsigned and not checked: a fraction of a second or more adds up, as in other readers.
    time = i64(u64(order32(load<u32>(cursor), swapped)) * 1000000000 + u64(order32(load<u32>(cursor, 4), swapped)) * fraction);
    const address = cursor + header;
    store<u32>(descriptor, address, PacketDescriptor_address);
    store<u32>(descriptor, caplen, PacketDescriptor_caplen);
    store<u32>(descriptor, length, PacketDescriptor_length);
    store<u32>(descriptor, caplen < length ? PACKET_FLAG_SNAPPED : 0, PacketDescriptor_flags);
    store<i64>(descriptor, time, PacketDescriptor_ts_ns);
    store<u32>(descriptor, interfaceIndex, PacketDescriptor_interface);
    store<u32>(descriptor, cursor, PacketDescriptor_record);
    if (!plain && !adapt(state, link, 0, descriptor, 0)) break;
    store<u64>(descriptor, id, PacketDescriptor_id);
    store<u32>(descriptor, 0, PacketDescriptor_hash);
    store<u32>(descriptor, 0, PacketDescriptor_queue);
    id += 1;
    cursor = address + caplen;
  }
  store<u32>(state, cursor, CaptureState_cursor);
  store<u64>(state, id, CaptureState_next_id);
  store<i64>(state, time, CaptureState_last_ts_ns);
  return (descriptor - first) / PacketDescriptor_SIZE;
}

function walkPcapng(state: u32, first: u32, max: u32): u32 {
  const end = load<u32>(state, CaptureState_end);
  const swapped = load<u32>(state, CaptureState_swapped) != 0;
  let cursor = load<u32>(state, CaptureState_cursor);
  let id = load<u64>(state, CaptureState_next_id);
  let descriptor = first;
  store<u32>(state, CAPTURE_FULL, CaptureState_reason);
  for (const limit = first + max * PacketDescriptor_SIZE; descriptor != limit; descriptor += PacketDescriptor_SIZE) {
    const available = end - cursor;
    if (available < 8) {
      stop(state, CAPTURE_MORE, 8);
      break;
    }
    const type = order32(load<u32>(cursor), swapped);
    const simple = type == SIMPLE_PACKET_BLOCK;
    if (!simple && type != ENHANCED_PACKET_BLOCK && type != PACKET_BLOCK) {
      stop(state, CAPTURE_BLOCK, type);
      break;
    }
    const total = order32(load<u32>(cursor, 4), swapped);
    const least: u32 = simple ? SIMPLE_PACKET_LEAST : PACKET_BLOCK_LEAST;
    if (total > MAX_RECORD || total < least) {
      stop(state, CAPTURE_BAD_BLOCK_LENGTH, total);
      break;
    }
    // A length that is no multiple of 4 is read as the next one that is: blocks are always padded.
    const block = (total + 3) & ~3;
    if (available < block) {
      stop(state, CAPTURE_MORE, block);
      break;
    }
    const trailer = order32(load<u32>(cursor + block - 4), swapped);
    if (trailer != total) {
      stop(state, CAPTURE_BAD_TRAILER, trailer);
      break;
    }
    store<u32>(descriptor, cursor, PacketDescriptor_record);
    if (!(simple ? describeSimple(state, descriptor, cursor, block, swapped) : describe(state, descriptor, cursor, block, type, swapped))) break;
    store<u64>(descriptor, id, PacketDescriptor_id);
    store<u32>(descriptor, 0, PacketDescriptor_hash);
    store<u32>(descriptor, 0, PacketDescriptor_queue);
    id += 1;
    cursor += block;
  }
  store<u32>(state, cursor, CaptureState_cursor);
  store<u64>(state, id, CaptureState_next_id);
  return (descriptor - first) / PacketDescriptor_SIZE;
}

/** An enhanced or obsolete packet block, whole and with a true length. False when it stopped. */
function describe(state: u32, descriptor: u32, cursor: u32, block: u32, type: u32, swapped: bool): bool {
  let index = order32(load<u32>(cursor, 8), swapped);
  // The obsolete block has 16 bits of interface, then the number of drops.
  if (type == PACKET_BLOCK) {
    const half = load<u16>(cursor, 8);
    index = u32(swapped ? bswap(half) : half);
  }
  if (index >= load<u32>(state, CaptureState_link_count)) {
    stop(state, CAPTURE_BAD_INTERFACE, index);
    return false;
  }
  const caplen = order32(load<u32>(cursor, 20), swapped);
  if (caplen > block - PACKET_BLOCK_LEAST) {
    stop(state, CAPTURE_CAPLEN_OVER_BLOCK, caplen);
    return false;
  }
  if (caplen > MAX_CAPLEN) {
    stop(state, CAPTURE_BAD_CAPLEN, caplen);
    return false;
  }
  const length = order32(load<u32>(cursor, 24), swapped);
  const link = load<u32>(state, CaptureState_links) + index * CaptureLink_SIZE;
  let flags: u32 = caplen < length ? PACKET_FLAG_SNAPPED : 0;

  const ticks = (u64(order32(load<u32>(cursor, 12), swapped)) << 32) | u64(order32(load<u32>(cursor, 16), swapped));
  let time: i64;
  if (timeIsOrdinary(link, ticks)) time = nanoseconds(link, ticks);
  else {
    time = slowNanoseconds(link, ticks);
    if (timeClamped) flags |= PACKET_FLAG_TIME_CLAMPED;
  }

  let packetFlags: u32 = 0;
  const padded = (caplen + 3) & ~3;
  if (block - PACKET_BLOCK_LEAST > padded) {
    flags |= PACKET_FLAG_HAS_OPTIONS;
    packetFlags = findFlags(cursor + PACKET_DATA + padded, cursor + block - 4, swapped);
    const direction = packetFlags & 3;
    if (direction == 1) flags |= PACKET_FLAG_INBOUND;
    else if (direction == 2) flags |= PACKET_FLAG_OUTBOUND;
  }

  store<u32>(descriptor, cursor + PACKET_DATA, PacketDescriptor_address);
  store<u32>(descriptor, caplen, PacketDescriptor_caplen);
  store<u32>(descriptor, length, PacketDescriptor_length);
  store<u32>(descriptor, flags, PacketDescriptor_flags);
  store<i64>(descriptor, time, PacketDescriptor_ts_ns);
  store<u32>(descriptor, load<u32>(state, CaptureState_first_interface) + index, PacketDescriptor_interface);
  if (load<u32>(link, CaptureLink_kind) != CAPTURE_LINK_PLAIN || load<u32>(link, CaptureLink_strip_fcs) != 0) {
    if (!adapt(state, link, index, descriptor, packetFlags)) return false;
  }
  store<i64>(state, time, CaptureState_last_ts_ns);
  return true;
}

/** A simple packet block: interface 0, no time, captured length by the interface's snapshot length. False when it stopped. */
function describeSimple(state: u32, descriptor: u32, cursor: u32, block: u32, swapped: bool): bool {
  if (load<u32>(state, CaptureState_link_count) == 0) {
    stop(state, CAPTURE_BAD_INTERFACE, 0);
    return false;
  }
  const link = load<u32>(state, CaptureState_links);
  const length = order32(load<u32>(cursor, 8), swapped);
  const snaplen = load<u32>(link, CaptureLink_snaplen);
  const caplen = snaplen == 0 ? length : min(length, snaplen);
  if (caplen > block - SIMPLE_PACKET_LEAST) {
    stop(state, CAPTURE_CAPLEN_OVER_BLOCK, caplen);
    return false;
  }
  if (caplen > MAX_CAPLEN) {
    stop(state, CAPTURE_BAD_CAPLEN, caplen);
    return false;
  }
  store<u32>(descriptor, cursor + SIMPLE_PACKET_DATA, PacketDescriptor_address);
  store<u32>(descriptor, caplen, PacketDescriptor_caplen);
  store<u32>(descriptor, length, PacketDescriptor_length);
  store<u32>(descriptor, PACKET_FLAG_NO_TIME | (caplen < length ? PACKET_FLAG_SNAPPED : 0), PacketDescriptor_flags);
  store<i64>(descriptor, load<i64>(state, CaptureState_last_ts_ns), PacketDescriptor_ts_ns);
  store<u32>(descriptor, load<u32>(state, CaptureState_first_interface), PacketDescriptor_interface);
  if (load<u32>(link, CaptureLink_kind) == CAPTURE_LINK_PLAIN && load<u32>(link, CaptureLink_strip_fcs) == 0) return true;
  return adapt(state, link, 0, descriptor, 0);
}

/** The word of epb_flags among the options from `at` to `end`; 0 when there is none. An option that runs over the end ends the search. */
function findFlags(at: u32, end: u32, swapped: bool): u32 {
  while (end - at >= 4) {
    const head = load<u32>(at);
    const code = swapped ? bswap(u16(head)) : u16(head);
    const length = u32(swapped ? bswap(u16(head >> 16)) : u16(head >> 16));
    if (code == 0) return 0;
    const whole: u32 = 4 + ((length + 3) & ~3);
    if (whole > end - at) return 0;
    if (code == OPTION_FLAGS && length == 4) return order32(load<u32>(at, 4), swapped);
    at += whole;
  }
  return 0;
}

/**
 * What a link type other than plain Ethernet needs: refusal, direction from a cooked header, an Ethernet header, or a frame check sequence left out.
 * `packetFlags`: epb_flags, whose bits 5 to 8 give the length of this packet's check sequence. False when it stopped.
 */
function adapt(state: u32, link: u32, index: u32, descriptor: u32, packetFlags: u32): bool {
  const kind = load<u32>(link, CaptureLink_kind);
  if (kind == CAPTURE_LINK_REFUSED) {
    stop(state, CAPTURE_LINK_TYPE, index);
    return false;
  }
  let caplen = load<u32>(descriptor, PacketDescriptor_caplen);
  let length = load<u32>(descriptor, PacketDescriptor_length);
  let flags = load<u32>(descriptor, PacketDescriptor_flags);
  const address = load<u32>(descriptor, PacketDescriptor_address);
  if (load<u32>(link, CaptureLink_strip_fcs) != 0) {
    const own = (packetFlags >> 5) & 15;
    const fcs = own != 0 ? own : load<u32>(link, CaptureLink_fcs_length);
    if (length >= fcs) length -= fcs;
    // What was cut off first was the check sequence.
    if (caplen > length) caplen = caplen - min(caplen - length, fcs);
  }
  if (kind != CAPTURE_LINK_PLAIN && kind != CAPTURE_LINK_RAW && kind != CAPTURE_LINK_NULL && (flags & (PACKET_FLAG_INBOUND | PACKET_FLAG_OUTBOUND)) == 0) {
    flags |= cookedDirection(kind, address, caplen);
  }
  if (kind != CAPTURE_LINK_PLAIN && load<u32>(link, CaptureLink_convert) != 0) {
    const made = makeEthernet(state, kind, address, caplen, flags);
    if (made == 0) {
      stop(state, CAPTURE_NO_ROOM, caplen);
      return false;
    }
    const dropped = oldHeaderLength(kind);
    store<u32>(descriptor, made, PacketDescriptor_address);
    length = length - min(length, dropped) + ETH_HLEN;
    caplen = caplen - min(caplen, dropped) + ETH_HLEN;
    flags |= PACKET_FLAG_MADE_ETHERNET;
  }
  if (caplen >= length) flags &= ~PACKET_FLAG_SNAPPED;
  store<u32>(descriptor, caplen, PacketDescriptor_caplen);
  store<u32>(descriptor, length, PacketDescriptor_length);
  store<u32>(descriptor, flags, PacketDescriptor_flags);
  return true;
}
