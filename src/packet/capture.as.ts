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
  CAPTURE_TIME_MULTIPLY,
  CaptureLink_convert,
  CaptureLink_fcs_length,
  CaptureLink_kind,
  CaptureLink_offset_ns,
  CaptureLink_SIZE,
  CaptureLink_snaplen,
  CaptureLink_strip_fcs,
  CaptureLink_time_factor,
  CaptureLink_time_kind,
  CaptureLink_time_limit,
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
  PacketDescriptor_SIZE,
  PacketDescriptor_ts_ns,
} from "../layout/layout.generated.as";
import { nanoseconds, timeClamped } from "./captureTime.as";
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
/** Bits of epb_flags that give the length of the packet's frame check sequence in bytes; 0 for not known. */
const FLAGS_FCS_LENGTH: u32 = 15 << 5;

/**
 * Writes descriptors of up to `max` packets at `first`, and gives how many. Where and why it stopped stands in the state: CAPTURE_FULL, or a reason that keeps
 * the next call from giving anything before TypeScript has dealt with it.
 */
export function captureWalk(state: u32, first: u32, max: u32): u32 {
  const swapped = load<u32>(state, CaptureState_swapped) != 0;
  if (load<u32>(state, CaptureState_format) == CAPTURE_PCAP) {
    return swapped ? walkPcap<BigEndian>(state, first, max) : walkPcap<LittleEndian>(state, first, max);
  }
  return swapped ? walkPcapng<BigEndian>(state, first, max) : walkPcapng<LittleEndian>(state, first, max);
}

/**
 * The byte order of the numbers in a capture, as a type: the compiler makes one function of each order, without a test at every number. Only the sign of the
 * type is looked at.
 */
type LittleEndian = u32;
type BigEndian = i32;

function order32<Order>(value: u32): u32 {
  return isSigned<Order>() ? bswap(value) : value;
}

function order16<Order>(value: u16): u32 {
  return u32(isSigned<Order>() ? bswap(value) : value);
}

/** Leaves the reason in the state. `detail`: the offending number, or the bytes that must be there to go on. */
function stop(state: u32, reason: u32, detail: u32): void {
  store<u32>(state, reason, CaptureState_reason);
  store<u32>(state, detail, CaptureState_detail);
}

/** Everything but the id, two fields at a time. */
function write(descriptor: u32, address: u32, caplen: u32, length: u32, flags: u32, time: i64, interfaceIndex: u32, record: u32): void {
  store<u64>(descriptor, pair(address, caplen), PacketDescriptor_address);
  store<u64>(descriptor, pair(length, flags), PacketDescriptor_length);
  store<i64>(descriptor, time, PacketDescriptor_ts_ns);
  store<u64>(descriptor, pair(interfaceIndex, record), PacketDescriptor_interface);
  store<u64>(descriptor, 0, PacketDescriptor_hash);
}

function pair(low: u32, high: u32): u64 {
  return u64(low) | (u64(high) << 32);
}

function walkPcap<Order>(state: u32, first: u32, max: u32): u32 {
  const end = load<u32>(state, CaptureState_end);
  const header = load<u32>(state, CaptureState_record_header);
  const fraction = u64(load<u32>(state, CaptureState_fraction_ns));
  const link = load<u32>(state, CaptureState_links);
  const plain = isPlain(link, 0);
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
    const caplen = order32<Order>(load<u32>(cursor, 8));
    if (caplen > MAX_CAPLEN) {
      stop(state, CAPTURE_BAD_CAPLEN, caplen);
      break;
    }
    if (available < header + caplen) {
      stop(state, CAPTURE_MORE, header + caplen);
      break;
    }
    const length = order32<Order>(load<u32>(cursor, 12));
    // Seconds and fraction are unsigned and not checked: a fraction of a second or more adds up, as in other readers.
    time = i64(u64(order32<Order>(load<u32>(cursor))) * 1000000000 + u64(order32<Order>(load<u32>(cursor, 4))) * fraction);
    const address = cursor + header;
    write(descriptor, address, caplen, length, caplen < length ? PACKET_FLAG_SNAPPED : 0, time, interfaceIndex, cursor);
    if (!plain && !adapt(state, link, 0, descriptor, 0)) break;
    store<u64>(descriptor, id, PacketDescriptor_id);
    id += 1;
    cursor = address + caplen;
  }
  store<u32>(state, cursor, CaptureState_cursor);
  store<u64>(state, id, CaptureState_next_id);
  store<i64>(state, time, CaptureState_last_ts_ns);
  return (descriptor - first) / PacketDescriptor_SIZE;
}

function walkPcapng<Order>(state: u32, first: u32, max: u32): u32 {
  const end = load<u32>(state, CaptureState_end);
  const links = load<u32>(state, CaptureState_links);
  const linkCount = load<u32>(state, CaptureState_link_count);
  const firstInterface = load<u32>(state, CaptureState_first_interface);
  let cursor = load<u32>(state, CaptureState_cursor);
  let id = load<u64>(state, CaptureState_next_id);
  let time = load<i64>(state, CaptureState_last_ts_ns);
  let descriptor = first;
  store<u32>(state, CAPTURE_FULL, CaptureState_reason);
  for (const limit = first + max * PacketDescriptor_SIZE; descriptor != limit; descriptor += PacketDescriptor_SIZE) {
    const available = end - cursor;
    if (available < 8) {
      stop(state, CAPTURE_MORE, 8);
      break;
    }
    const type = order32<Order>(load<u32>(cursor));
    const simple = type == SIMPLE_PACKET_BLOCK;
    if (!simple && type != ENHANCED_PACKET_BLOCK && type != PACKET_BLOCK) {
      stop(state, CAPTURE_BLOCK, type);
      break;
    }
    const total = order32<Order>(load<u32>(cursor, 4));
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
    const trailer = order32<Order>(load<u32>(cursor + block - 4));
    if (trailer != total) {
      stop(state, CAPTURE_BAD_TRAILER, trailer);
      break;
    }
    if (simple) {
      if (!describeSimple<Order>(state, descriptor, cursor, block, time)) break;
    } else {
      // The obsolete block has 16 bits of interface, then a count of drops; else the two are alike.
      const index = type == ENHANCED_PACKET_BLOCK ? order32<Order>(load<u32>(cursor, 8)) : order16<Order>(load<u16>(cursor, 8));
      const caplen = order32<Order>(load<u32>(cursor, 20));
      if (index >= linkCount || caplen > block - PACKET_BLOCK_LEAST || caplen > MAX_CAPLEN) {
        stopAtPacket(state, index, linkCount, caplen, block);
        break;
      }
      const length = order32<Order>(load<u32>(cursor, 24));
      const ticks = (u64(order32<Order>(load<u32>(cursor, 12))) << 32) | u64(order32<Order>(load<u32>(cursor, 16)));
      const link = links + index * CaptureLink_SIZE;
      let flags: u32 = caplen < length ? PACKET_FLAG_SNAPPED : 0;
      if (load<u32>(link, CaptureLink_time_kind) == CAPTURE_TIME_MULTIPLY && ticks < load<u64>(link, CaptureLink_time_limit)) {
        time = i64(ticks * load<u64>(link, CaptureLink_time_factor)) + load<i64>(link, CaptureLink_offset_ns);
      } else {
        time = nanoseconds(link, ticks);
        if (timeClamped) flags |= PACKET_FLAG_TIME_CLAMPED;
      }
      const options = cursor + PACKET_DATA + ((caplen + 3) & ~3);
      let packetFlags: u32 = 0;
      if (options < cursor + block - 4) {
        packetFlags = findFlags<Order>(options, cursor + block - 4);
        flags |= PACKET_FLAG_HAS_OPTIONS | direction(packetFlags);
      }
      write(descriptor, cursor + PACKET_DATA, caplen, length, flags, time, firstInterface + index, cursor);
      if (!isPlain(link, packetFlags) && !adapt(state, link, index, descriptor, packetFlags)) break;
    }
    store<u64>(descriptor, id, PacketDescriptor_id);
    id += 1;
    cursor += block;
  }
  store<u32>(state, cursor, CaptureState_cursor);
  store<u64>(state, id, CaptureState_next_id);
  store<i64>(state, time, CaptureState_last_ts_ns);
  return (descriptor - first) / PacketDescriptor_SIZE;
}

/** Says which of an enhanced or obsolete packet block's numbers is wrong. */
function stopAtPacket(state: u32, index: u32, linkCount: u32, caplen: u32, block: u32): void {
  if (index >= linkCount) stop(state, CAPTURE_BAD_INTERFACE, index);
  else if (caplen > block - PACKET_BLOCK_LEAST) stop(state, CAPTURE_CAPLEN_OVER_BLOCK, caplen);
  else stop(state, CAPTURE_BAD_CAPLEN, caplen);
}

/** Bits 0 and 1 of epb_flags: 1 in, 2 out. */
function direction(packetFlags: u32): u32 {
  const bits = packetFlags & 3;
  return bits == 1 ? PACKET_FLAG_INBOUND : bits == 2 ? PACKET_FLAG_OUTBOUND : 0;
}

/** A simple packet block: interface 0, no time, captured length by the interface's snapshot length. False when it stopped. */
function describeSimple<Order>(state: u32, descriptor: u32, cursor: u32, block: u32, time: i64): bool {
  if (load<u32>(state, CaptureState_link_count) == 0) {
    stop(state, CAPTURE_BAD_INTERFACE, 0);
    return false;
  }
  const link = load<u32>(state, CaptureState_links);
  const length = order32<Order>(load<u32>(cursor, 8));
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
  const flags = PACKET_FLAG_NO_TIME | (caplen < length ? PACKET_FLAG_SNAPPED : 0);
  write(descriptor, cursor + SIMPLE_PACKET_DATA, caplen, length, flags, time, load<u32>(state, CaptureState_first_interface), cursor);
  return isPlain(link, 0) || adapt(state, link, 0, descriptor, 0);
}

/** The word of epb_flags among the options from `at` to `end`; 0 when there is none. An option that runs over the end ends the search. */
function findFlags<Order>(at: u32, end: u32): u32 {
  while (end - at >= 4) {
    const code = order16<Order>(load<u16>(at));
    const length = order16<Order>(load<u16>(at, 2));
    if (code == 0) return 0;
    const whole: u32 = 4 + ((length + 3) & ~3);
    if (whole > end - at) return 0;
    if (code == OPTION_FLAGS && length == 4) return order32<Order>(load<u32>(at, 4));
    at += whole;
  }
  return 0;
}

/** True where a packet is handed out as it stands: Ethernet without a check sequence. */
function isPlain(link: u32, packetFlags: u32): bool {
  return (load<u32>(link, CaptureLink_kind) | load<u32>(link, CaptureLink_fcs_length) | (packetFlags & FLAGS_FCS_LENGTH)) == 0;
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
    const own = (packetFlags & FLAGS_FCS_LENGTH) >> 5;
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
