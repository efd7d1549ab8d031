/** Ethernet headers for packets that were captured without one: raw IP, Linux cooked (v1, v2), BSD loopback. */
import {
  CAPTURE_LINK_NULL,
  CAPTURE_LINK_RAW,
  CAPTURE_LINK_SLL,
  CaptureState_convert_cursor,
  CaptureState_convert_end,
  CaptureState_own_mac,
  CaptureState_peer_mac,
  CaptureState_unknown_payloads,
  ETH_HLEN,
  ETH_P_IP,
  ETH_P_IPV6,
  PACKET_FLAG_INBOUND,
  PACKET_FLAG_OUTBOUND,
  PACKET_OUTGOING,
} from "../layout/layout.generated.as";

/** Bytes of the cooked headers. LINKTYPE_LINUX_SLL and LINKTYPE_LINUX_SLL2, tcpdump.org. */
const SLL_LENGTH: u32 = 16;
const SLL2_LENGTH: u32 = 20;
const NULL_LENGTH: u32 = 4;
/** The address field of both cooked headers: 6 bytes at 6 (v1), at 12 (v2), when the length field says 6. */
const SLL_ADDRESS: u32 = 6;
const SLL2_ADDRESS: u32 = 12;

/** Bytes of the link header that an Ethernet header replaces. */
export function oldHeaderLength(kind: u32): u32 {
  if (kind == CAPTURE_LINK_RAW) return 0;
  if (kind == CAPTURE_LINK_NULL) return NULL_LENGTH;
  return kind == CAPTURE_LINK_SLL ? SLL_LENGTH : SLL2_LENGTH;
}

/** PACKET_FLAG_* for the direction that a cooked header states; 0 when it is cut off. */
export function cookedDirection(kind: u32, address: u32, caplen: u32): u32 {
  const type = cookedType(kind, address, caplen);
  if (type < 0) return 0;
  return type == PACKET_OUTGOING ? PACKET_FLAG_OUTBOUND : PACKET_FLAG_INBOUND;
}

function cookedType(kind: u32, address: u32, caplen: u32): i32 {
  if (caplen < oldHeaderLength(kind)) return -1;
  return kind == CAPTURE_LINK_SLL ? i32(bswap(load<u16>(address))) : i32(load<u8>(address, 10));
}

/**
 * Puts the packet together anew with an Ethernet header, in the room for such packets, and gives the address; 0 when the room is used up. A packet that is
 * shorter than its old header becomes a bare Ethernet header. New length: caplen - oldHeaderLength + 14.
 */
export function makeEthernet(state: u32, kind: u32, address: u32, caplen: u32, flags: u32): u32 {
  const dropped = min(oldHeaderLength(kind), caplen);
  const payload = address + dropped;
  const length = caplen - dropped;
  const at = load<u32>(state, CaptureState_convert_cursor);
  if (load<u32>(state, CaptureState_convert_end) - at < length + ETH_HLEN) return 0;
  memory.copy(at + ETH_HLEN, payload, length);
  const etherType = payloadType(state, kind, address, caplen, payload, length);
  const own = state + CaptureState_own_mac;
  const peer = state + CaptureState_peer_mac;
  const outbound = (flags & PACKET_FLAG_OUTBOUND) != 0;
  copyMac(at, outbound ? peer : own);
  copyMac(at + 6, outbound ? own : peer);
  if (kind != CAPTURE_LINK_RAW && kind != CAPTURE_LINK_NULL && caplen >= oldHeaderLength(kind)) keepCooked(at, kind, address, caplen);
  groupAddress(at, etherType, payload, length);
  store<u16>(at, bswap(u16(etherType)), 12);
  store<u32>(state, at + ETH_HLEN + length, CaptureState_convert_cursor);
  return at;
}

function copyMac(to: u32, from: u32): void {
  store<u32>(to, load<u32>(from));
  store<u16>(to, load<u16>(from, 4), 4);
}

/** A cooked header holds the sender's address, and says whether the frame was a broadcast. */
function keepCooked(at: u32, kind: u32, address: u32, caplen: u32): void {
  const first = kind == CAPTURE_LINK_SLL;
  const addressLength = first ? u32(bswap(load<u16>(address, 4))) : u32(load<u8>(address, 11));
  if (addressLength == 6) copyMac(at + 6, address + (first ? SLL_ADDRESS : SLL2_ADDRESS));
  if (cookedType(kind, address, caplen) == 1) {
    store<u32>(at, 0xffffffff);
    store<u16>(at, 0xffff, 4);
  }
}

/** Packets to a group go to its Ethernet address: 01:00:5e and 23 bits (RFC 1112), 33:33 and 32 bits (RFC 2464), all ones for 255.255.255.255. */
function groupAddress(at: u32, etherType: u32, payload: u32, length: u32): void {
  if (etherType == ETH_P_IP && length >= 20) {
    const to = bswap(load<u32>(payload, 16));
    if (to == 0xffffffff) {
      store<u32>(at, 0xffffffff);
      store<u16>(at, 0xffff, 4);
    } else if (to >> 28 == 14) {
      store<u16>(at, 0x0001);
      store<u32>(at, bswap(0x5e000000 | (to & 0x7fffff)), 2);
    }
  } else if (etherType == ETH_P_IPV6 && length >= 40 && load<u8>(payload, 24) == 0xff) {
    store<u16>(at, 0x3333);
    store<u32>(at, load<u32>(payload, 36), 2);
  }
}

/** EtherType of the payload, host order: what the old header says, else by the IP version; 0 when neither tells. */
function payloadType(state: u32, kind: u32, address: u32, caplen: u32, payload: u32, length: u32): u32 {
  if (caplen >= oldHeaderLength(kind)) {
    if (kind == CAPTURE_LINK_SLL) return cookedProtocol(u32(bswap(load<u16>(address, 14))), length);
    if (kind != CAPTURE_LINK_RAW && kind != CAPTURE_LINK_NULL) return cookedProtocol(u32(bswap(load<u16>(address))), length);
    if (kind == CAPTURE_LINK_NULL) {
      const type = familyType(load<u32>(address));
      if (type != 0) return type;
    }
  }
  if (length > 0) {
    const version = load<u8>(payload) >> 4;
    if (version == 4) return ETH_P_IP;
    if (version == 6) return ETH_P_IPV6;
  }
  store<u32>(state, load<u32>(state, CaptureState_unknown_payloads) + 1, CaptureState_unknown_payloads);
  return 0;
}

/** 4 in a cooked header marks an 802.2 frame, which has its length where others have the type. */
function cookedProtocol(protocol: u32, length: u32): u32 {
  return protocol == 4 ? min<u32>(length, 1500) : protocol;
}

/** Address families of the systems that write loopback captures, in either byte order: 2 is IPv4; 10, 24, 28 and 30 are IPv6. */
function familyType(word: u32): u32 {
  const family = word > 0xffff ? bswap(word) : word;
  if (family == 2) return ETH_P_IP;
  return family == 10 || family == 24 || family == 28 || family == 30 ? ETH_P_IPV6 : 0;
}
