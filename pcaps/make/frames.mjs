/** Ethernet frames with right lengths and checksums. Addresses are given as text, payloads as bytes. */

export const macBytes = (text) => text.split(":").map((part) => Number.parseInt(part, 16));

export const ipv4Bytes = (text) => text.split(".").map(Number);

/** Sixteen bytes of an IPv6 address in its usual text form ("2001:db8::1"). */
export function ipv6Bytes(text) {
  const [front, back] = text.split("::");
  const words = (part) => (part ? part.split(":").map((word) => Number.parseInt(word, 16)) : []);
  const head = words(front);
  const tail = words(back);
  const zeros = back === undefined ? [] : Array(8 - head.length - tail.length).fill(0);
  return [...head, ...zeros, ...tail].flatMap((word) => [word >> 8, word & 0xff]);
}

const isIpv6 = (address) => address.includes(":");
const addressBytes = (address) => (isIpv6(address) ? ipv6Bytes(address) : ipv4Bytes(address));
const u16 = (value) => [(value >>> 8) & 0xff, value & 0xff];
const u32 = (value) => [...u16(value >>> 16), ...u16(value)];

/** The Internet checksum of bytes (RFC 1071), ready to be written. */
export function internetChecksum(bytes) {
  let sum = 0;
  for (let at = 0; at < bytes.length; at += 2) sum += (bytes[at] << 8) | (bytes[at + 1] ?? 0);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return ~sum & 0xffff;
}

const pseudoHeader = (from, to, protocol, length) => [...addressBytes(from), ...addressBytes(to), ...u32(length), 0, 0, 0, protocol];

/** The segment with its checksum at `offset`, over the pseudo header too. */
function withChecksum(from, to, protocol, segment, offset) {
  const sum = internetChecksum([...pseudoHeader(from, to, protocol, segment.length), ...segment]);
  const field = sum === 0 && protocol === 17 ? 0xffff : sum;
  return segment.with(offset, field >>> 8).with(offset + 1, field & 0xff);
}

/** The Ethernet header, VLAN tags (ids, outermost first; the outer of two is 802.1ad) and body. Padded to 60 bytes, as a NIC delivers them. */
export function ethernet({ to, from, type, vlans = [], body, pad = true }) {
  const tags = vlans.flatMap((tag, at) => [...u16(vlans.length === 2 && at === 0 ? 0x88a8 : 0x8100), ...u16(tag)]);
  const frame = [...macBytes(to), ...macBytes(from), ...tags, ...u16(type), ...body];
  while (pad && frame.length < 60) frame.push(0);
  return Uint8Array.from(frame);
}

/** An IPv4 or IPv6 packet, by the form of its addresses. `fragment`: offset in bytes and whether more follow; `extensions`: IPv6 headers as [type, bytes]. */
export function ip({ from, to, protocol, body, ttl = 64, tos = 0, id = 0, fragment, dontFragment = false, extensions = [] }) {
  if (isIpv6(from)) {
    let rest = [...body];
    let next = protocol;
    for (const [type, bytes] of extensions.toReversed()) {
      rest = [next, ...bytes, ...rest];
      next = type;
    }
    return [...u32(((6 << 28) | (tos << 20)) >>> 0), ...u16(rest.length), next, ttl, ...ipv6Bytes(from), ...ipv6Bytes(to), ...rest];
  }
  const flags = (dontFragment ? 0x4000 : 0) | (fragment ? (fragment.more ? 0x2000 : 0) | (fragment.offset >> 3) : 0);
  const header = [
    0x45,
    tos,
    ...u16(20 + body.length),
    ...u16(id),
    ...u16(flags),
    ttl,
    protocol,
    0,
    0,
    ...ipv4Bytes(from),
    ...ipv4Bytes(to),
  ];
  const sum = internetChecksum(header);
  return [...header.with(10, sum >>> 8).with(11, sum & 0xff), ...body];
}

export const TCP = { fin: 1, syn: 2, rst: 4, psh: 8, ack: 16, urg: 32 };

export function tcp({ from, to, sport, dport, seq = 0, ack = 0, flags, window = 64240, payload = [] }) {
  // A SYN carries what today's stacks send: MSS, SACK permitted, timestamps, window scale.
  const options = flags & TCP.syn ? [2, 4, 0x05, 0xb4, 4, 2, 8, 10, ...u32(seq ^ 0x5bd1e995), ...u32(0), 1, 3, 3, 7] : [];
  const offset = (5 + options.length / 4) << 4;
  const segment = [
    ...u16(sport),
    ...u16(dport),
    ...u32(seq),
    ...u32(ack),
    offset,
    flags,
    ...u16(window),
    0,
    0,
    0,
    0,
    ...options,
    ...payload,
  ];
  return withChecksum(from, to, 6, segment, 16);
}

export const udp = ({ from, to, sport, dport, payload = [] }) =>
  withChecksum(from, to, 17, [...u16(sport), ...u16(dport), ...u16(8 + payload.length), 0, 0, ...payload], 6);

/** ICMP or ICMPv6, by the form of the addresses; `rest`: everything behind type, code and checksum. */
export function icmp({ from, to, type, code = 0, rest = [] }) {
  const message = [type, code, 0, 0, ...rest];
  if (isIpv6(from)) return withChecksum(from, to, 58, message, 2);
  const sum = internetChecksum(message);
  return message.with(2, sum >>> 8).with(3, sum & 0xff);
}

export const arpRequest = ({ mac, from, to }) => [
  ...[0, 1, 8, 0, 6, 4, 0, 1],
  ...macBytes(mac),
  ...ipv4Bytes(from),
  ...[0, 0, 0, 0, 0, 0],
  ...ipv4Bytes(to),
];

/** A DNS query for an A record. */
export const dnsQuery = (id, name) => [
  ...u16(id),
  ...[1, 0, 0, 1, 0, 0, 0, 0, 0, 0],
  ...name.split(".").flatMap((label) => [label.length, ...[...label].map((letter) => letter.charCodeAt(0))]),
  ...[0, 0, 1, 0, 1],
];

export const text = (string) => [...string].map((letter) => letter.charCodeAt(0));
