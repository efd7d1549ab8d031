/**
 * Whole Ethernet frames with right lengths and checksums, from a line of description: `udp({ from: "10.0.0.9:4000", to: "10.0.0.1:53" })`.
 * Names that are no address are a fault of the caller and throw a TypeError.
 */
import { parseIpAddress, parseMac } from "./address.ts";
import { internetChecksum, pseudoHeaderSum } from "./checksum.ts";
import { ETHERTYPE, IP_PROTOCOL } from "./numbers.ts";

/** An 802.1Q or 802.1ad tag. A plain number is the VLAN id of an 802.1Q tag. */
export interface VlanTag {
  readonly id: number;
  /** Priority code point, 0 to 7. */
  readonly priority?: number;
  readonly dropEligible?: boolean;
  /** TPID; 0x8100 unless said. */
  readonly type?: number;
}

/** The link layer of a frame. */
export interface LinkOptions {
  /** Source and destination MAC; 02:00:00:00:00:02 to 02:00:00:00:00:01 unless said. */
  readonly macFrom?: string;
  readonly macTo?: string;
  /** Tags from the outermost in. */
  readonly vlans?: readonly (VlanTag | number)[];
  /** Zeros are added behind the packet up to this length of the frame. 0: none. */
  readonly padTo?: number;
}

/** The network layer of a frame: IPv4 or IPv6 by the form of the addresses. */
export interface IpOptions extends LinkOptions {
  /** Address; with `:port` or `[v6]:port` for UDP and TCP. */
  readonly from: string;
  readonly to: string;
  /** TTL or hop limit; 64 unless said. */
  readonly ttl?: number;
  /** TOS or traffic class. */
  readonly tos?: number;
  /** IPv4 identification; IPv6 flow label. */
  readonly identification?: number;
  readonly dontFragment?: boolean;
  readonly moreFragments?: boolean;
  /** IPv4 fragment offset in units of 8 bytes. */
  readonly fragmentOffset?: number;
  /** IPv4 options, a multiple of 4 bytes. */
  readonly ipOptions?: Uint8Array;
  /** IPv6 extension headers in order: protocol number, and content from its third byte on (padded with zeros to a multiple of 8). */
  readonly extensionHeaders?: readonly { readonly protocol: number; readonly content?: Uint8Array }[];
}

type Payload = Uint8Array | string | number;

/** A transport's payload: bytes, text as UTF-8, or so many bytes of a counting pattern. */
interface WithPayload {
  readonly payload?: Payload;
}

export interface UdpOptions extends IpOptions, WithPayload {
  /** "none" leaves the checksum 0 (allowed in IPv4). */
  readonly checksum?: "right" | "none";
}

export interface TcpOptions extends IpOptions, WithPayload {
  /** As tcpdump writes them: S, F, R, P, `.` (ACK), U, E, W. "S" unless said. */
  readonly flags?: string;
  readonly sequence?: number;
  readonly acknowledgement?: number;
  readonly window?: number;
  /** Padded with zeros to a multiple of 4. */
  readonly tcpOptions?: Uint8Array;
}

export interface IcmpOptions extends IpOptions, WithPayload {
  /** Echo request (8, or 128 in ICMPv6) unless said. */
  readonly type?: number;
  readonly code?: number;
  /** The second word of the header: identifier and sequence number of an echo. */
  readonly identifier?: number;
  readonly sequence?: number;
}

export interface ArpOptions extends LinkOptions {
  /** 1 request, 2 reply; 1 unless said. */
  readonly operation?: number;
  readonly senderMac?: string;
  readonly senderIp: string;
  readonly targetMac?: string;
  readonly targetIp: string;
}

const TCP_FLAG_LETTERS = "FSRP.UEW";

export function udp(options: UdpOptions): Uint8Array {
  const { source, destination } = endpoints(options);
  const payload = payloadBytes(options.payload);
  const segment = new Uint8Array(8 + payload.length);
  const view = viewOf(segment);
  view.setUint16(0, source.port);
  view.setUint16(2, destination.port);
  view.setUint16(4, segment.length);
  segment.set(payload, 8);
  if (options.checksum !== "none") {
    const checksum = transportChecksum(source.address, destination.address, IP_PROTOCOL.udp, segment);
    // A computed 0 is sent as all ones: 0 means none. RFC 768.
    view.setUint16(6, checksum === 0 ? 0xffff : checksum);
  }
  return ipFrame(options, source.address, destination.address, IP_PROTOCOL.udp, segment);
}

export function tcp(options: TcpOptions): Uint8Array {
  const { source, destination } = endpoints(options);
  const payload = payloadBytes(options.payload);
  const tcpOptions = padded(options.tcpOptions ?? new Uint8Array(0), 4);
  const headerLength = 20 + tcpOptions.length;
  const segment = new Uint8Array(headerLength + payload.length);
  const view = viewOf(segment);
  view.setUint16(0, source.port);
  view.setUint16(2, destination.port);
  view.setUint32(4, options.sequence ?? 0);
  view.setUint32(8, options.acknowledgement ?? 0);
  view.setUint8(12, (headerLength / 4) << 4);
  view.setUint8(13, tcpFlagBits(options.flags ?? "S"));
  view.setUint16(14, options.window ?? 65535);
  segment.set(tcpOptions, 20);
  segment.set(payload, headerLength);
  view.setUint16(16, transportChecksum(source.address, destination.address, IP_PROTOCOL.tcp, segment));
  return ipFrame(options, source.address, destination.address, IP_PROTOCOL.tcp, segment);
}

/** ICMP between IPv4 addresses, ICMPv6 between IPv6 addresses. */
export function icmp(options: IcmpOptions): Uint8Array {
  const source = ipAddress(options.from);
  const destination = ipAddress(options.to);
  const six = source.length === 16;
  const payload = payloadBytes(options.payload);
  const message = new Uint8Array(8 + payload.length);
  const view = viewOf(message);
  view.setUint8(0, options.type ?? (six ? 128 : 8));
  view.setUint8(1, options.code ?? 0);
  view.setUint16(4, options.identifier ?? 0);
  view.setUint16(6, options.sequence ?? 0);
  message.set(payload, 8);
  view.setUint16(2, six ? transportChecksum(source, destination, IP_PROTOCOL.icmpv6, message) : internetChecksum(message));
  return ipFrame(options, source, destination, six ? IP_PROTOCOL.icmpv6 : IP_PROTOCOL.icmp, message);
}

/** An IP packet of any protocol; the payload is taken as it is. */
export function ip(options: IpOptions & WithPayload & { readonly protocol: number }): Uint8Array {
  return ipFrame(options, ipAddress(options.from), ipAddress(options.to), options.protocol, payloadBytes(options.payload));
}

export function arp(options: ArpOptions): Uint8Array {
  const message = new Uint8Array(28);
  const view = viewOf(message);
  const senderMac = options.senderMac ?? options.macFrom ?? "02:00:00:00:00:02";
  view.setUint16(0, 1);
  view.setUint16(2, ETHERTYPE.ipv4);
  view.setUint8(4, 6);
  view.setUint8(5, 4);
  view.setUint16(6, options.operation ?? 1);
  message.set(macAddress(senderMac), 8);
  message.set(ipAddress(options.senderIp), 14);
  message.set(macAddress(options.targetMac ?? "00:00:00:00:00:00"), 18);
  message.set(ipAddress(options.targetIp), 24);
  return ethernet({ macTo: "ff:ff:ff:ff:ff:ff", macFrom: senderMac, ...options, type: ETHERTYPE.arp }, message);
}

/** A frame around any payload. `type`: EtherType behind the tags. */
export function ethernet(options: LinkOptions & { readonly type: number }, payload: Uint8Array): Uint8Array {
  const tags = options.vlans ?? [];
  const headerLength = 14 + 4 * tags.length;
  const frame = new Uint8Array(Math.max(headerLength + payload.length, options.padTo ?? 0));
  const view = viewOf(frame);
  frame.set(macAddress(options.macTo ?? "02:00:00:00:00:01"), 0);
  frame.set(macAddress(options.macFrom ?? "02:00:00:00:00:02"), 6);
  for (const [index, given] of tags.entries()) {
    const tag: VlanTag = typeof given === "number" ? { id: given } : given;
    view.setUint16(12 + 4 * index, tag.type ?? ETHERTYPE.vlan);
    view.setUint16(14 + 4 * index, ((tag.priority ?? 0) << 13) | (tag.dropEligible === true ? 0x1000 : 0) | (tag.id & 0xfff));
  }
  view.setUint16(headerLength - 2, options.type);
  frame.set(payload, headerLength);
  return frame;
}

function ipFrame(options: IpOptions, source: Uint8Array, destination: Uint8Array, protocol: number, payload: Uint8Array): Uint8Array {
  if (source.length !== destination.length) throw new TypeError(`${options.from} and ${options.to} are of different IP versions`);
  const six = source.length === 16;
  const packet = six ? ipv6(options, source, destination, protocol, payload) : ipv4(options, source, destination, protocol, payload);
  return ethernet({ ...options, type: six ? ETHERTYPE.ipv6 : ETHERTYPE.ipv4 }, packet);
}

function ipv4(options: IpOptions, source: Uint8Array, destination: Uint8Array, protocol: number, payload: Uint8Array): Uint8Array {
  const ipOptions = padded(options.ipOptions ?? new Uint8Array(0), 4);
  const headerLength = 20 + ipOptions.length;
  const packet = new Uint8Array(headerLength + payload.length);
  const view = viewOf(packet);
  view.setUint8(0, 0x40 | (headerLength / 4));
  view.setUint8(1, options.tos ?? 0);
  view.setUint16(2, packet.length);
  view.setUint16(4, options.identification ?? 0);
  const fragment = (options.dontFragment === true ? 0x4000 : 0) | (options.moreFragments === true ? 0x2000 : 0);
  view.setUint16(6, fragment | (options.fragmentOffset ?? 0));
  view.setUint8(8, options.ttl ?? 64);
  view.setUint8(9, protocol);
  packet.set(source, 12);
  packet.set(destination, 16);
  packet.set(ipOptions, 20);
  view.setUint16(10, internetChecksum(packet, 0, headerLength));
  packet.set(payload, headerLength);
  return packet;
}

function ipv6(options: IpOptions, source: Uint8Array, destination: Uint8Array, protocol: number, payload: Uint8Array): Uint8Array {
  const extensions = (options.extensionHeaders ?? []).map((header, index, all) => {
    const content = padded(Uint8Array.from([0, 0, ...(header.content ?? new Uint8Array(6))]), 8);
    content[0] = all[index + 1]?.protocol ?? protocol;
    content[1] = header.protocol === IP_PROTOCOL.fragment ? 0 : content.length / 8 - 1;
    return content;
  });
  const extensionLength = extensions.reduce((sum, content) => sum + content.length, 0);
  const packet = new Uint8Array(40 + extensionLength + payload.length);
  const view = viewOf(packet);
  view.setUint32(0, ((6 << 28) | ((options.tos ?? 0) << 20) | ((options.identification ?? 0) & 0xfffff)) >>> 0);
  view.setUint16(4, extensionLength + payload.length);
  view.setUint8(6, options.extensionHeaders?.[0]?.protocol ?? protocol);
  view.setUint8(7, options.ttl ?? 64);
  packet.set(source, 8);
  packet.set(destination, 24);
  let at = 40;
  for (const content of extensions) {
    packet.set(content, at);
    at += content.length;
  }
  packet.set(payload, at);
  return packet;
}

function transportChecksum(source: Uint8Array, destination: Uint8Array, protocol: number, segment: Uint8Array): number {
  return internetChecksum(segment, 0, segment.length, pseudoHeaderSum(source, destination, protocol, segment.length));
}

function endpoints(options: IpOptions) {
  return { source: endpoint(options.from), destination: endpoint(options.to) };
}

/** `10.0.0.1:53` or `[fd00::1]:53`. */
function endpoint(text: string): { address: Uint8Array; port: number } {
  const match = /^(?:\[([^\]]+)\]|([^:]+)):([0-9]{1,5})$/.exec(text);
  if (match === null || Number(match[3]) > 65535)
    throw new TypeError(`${text} is no address with a port, as in 10.0.0.1:53 or [fd00::1]:53`);
  return { address: ipAddress(match[1] ?? match[2] ?? ""), port: Number(match[3]) };
}

function ipAddress(text: string): Uint8Array {
  const address = parseIpAddress(text);
  if (address === undefined) throw new TypeError(`${text} is no IP address`);
  return address;
}

function macAddress(text: string): Uint8Array {
  const address = parseMac(text);
  if (address === undefined) throw new TypeError(`${text} is no MAC address`);
  return address;
}

function tcpFlagBits(letters: string): number {
  let bits = 0;
  for (const letter of letters) {
    const bit = TCP_FLAG_LETTERS.indexOf(letter);
    if (bit < 0) throw new TypeError(`${letter} is none of the TCP flags ${TCP_FLAG_LETTERS}`);
    bits |= 1 << bit;
  }
  return bits;
}

function payloadBytes(payload: Payload | undefined): Uint8Array {
  if (payload === undefined) return new Uint8Array(0);
  if (typeof payload === "string") return new TextEncoder().encode(payload);
  if (typeof payload === "number") return Uint8Array.from({ length: payload }, (_, index) => index & 255);
  return payload;
}

function padded(bytes: Uint8Array, multiple: number): Uint8Array {
  const result = new Uint8Array(Math.ceil(bytes.length / multiple) * multiple);
  result.set(bytes);
  return result;
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
