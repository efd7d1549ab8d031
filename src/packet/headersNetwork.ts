/** Views of network-layer headers. Every reader gives undefined where the bytes end too early or are none of its protocol. */
import { formatIpAddress, formatMac } from "./address.ts";
import { internetChecksum } from "./checksum.ts";
import { doubleWord, word } from "./headersLink.ts";
import { ETHERTYPE, IP_PROTOCOL } from "./numbers.ts";

/** An IPv4 or IPv6 header, and where its payload lies. */
export interface IpHeader {
  readonly version: 4 | 6;
  readonly source: string;
  readonly destination: string;
  /** Protocol of the payload: behind all extension headers. */
  readonly protocol: number;
  readonly ttl: number;
  /** TOS byte or traffic class. */
  readonly tos: number;
  /** Offset of the payload. */
  readonly end: number;
  /** Offset just past the packet by its own length field; may lie beyond the captured bytes. */
  readonly packetEnd: number;
  /** Offset of this fragment in its datagram, bytes; 0 for whole packets and first fragments. */
  readonly fragmentOffset: number;
  readonly moreFragments: boolean;
  /** IPv6: extension headers in order. */
  readonly extensions: readonly number[];
  /** IPv4: whether the header's checksum is right; undefined in IPv6, and where the header is cut off. */
  readonly checksumRight?: boolean;
}

export interface ArpHeader {
  readonly operation: number;
  readonly senderMac: string;
  readonly senderIp: string;
  readonly targetMac: string;
  readonly targetIp: string;
}

/** The IP header at `at`; undefined when its fixed part is cut off or its version or length are wrong. */
export function readIp(bytes: Uint8Array, at: number, etherType: number): IpHeader | undefined {
  return etherType === ETHERTYPE.ipv4 ? readIpv4(bytes, at) : etherType === ETHERTYPE.ipv6 ? readIpv6(bytes, at) : undefined;
}

export function readIpv4(bytes: Uint8Array, at: number): IpHeader | undefined {
  if (bytes.length < at + 20 || (bytes[at] ?? 0) >> 4 !== 4) return undefined;
  const headerLength = ((bytes[at] ?? 0) & 15) * 4;
  const totalLength = word(bytes, at + 2);
  // A length of 0 is what segmentation offload leaves in captures of the sender: the packet then goes on to the end.
  if (headerLength < 20 || (totalLength !== 0 && totalLength < headerLength)) return undefined;
  const fragment = word(bytes, at + 6);
  const whole = bytes.length >= at + headerLength;
  return {
    version: 4,
    source: formatIpAddress(bytes, at + 12, 4),
    destination: formatIpAddress(bytes, at + 16, 4),
    protocol: bytes[at + 9] ?? 0,
    ttl: bytes[at + 8] ?? 0,
    tos: bytes[at + 1] ?? 0,
    end: at + headerLength,
    packetEnd: totalLength === 0 ? bytes.length : at + totalLength,
    fragmentOffset: (fragment & 0x1fff) * 8,
    moreFragments: (fragment & 0x2000) !== 0,
    extensions: [],
    ...(whole ? { checksumRight: internetChecksum(bytes, at, at + headerLength) === 0 } : {}),
  };
}

/** Extension headers whose length is their second byte, in units of 8 bytes past the first 8. RFC 8200, section 4. */
const EXTENSIONS: readonly number[] = [
  IP_PROTOCOL.hopByHop,
  IP_PROTOCOL.routing,
  IP_PROTOCOL.destinationOptions,
  IP_PROTOCOL.mobility,
  IP_PROTOCOL.fragment,
  IP_PROTOCOL.authentication,
];

export function readIpv6(bytes: Uint8Array, at: number): IpHeader | undefined {
  if (bytes.length < at + 40 || (bytes[at] ?? 0) >> 4 !== 6) return undefined;
  const payloadLength = word(bytes, at + 4);
  const chain = walkExtensions(bytes, at + 40, bytes[at + 6] ?? 0);
  return {
    version: 6,
    source: formatIpAddress(bytes, at + 8, 16),
    destination: formatIpAddress(bytes, at + 24, 16),
    ttl: bytes[at + 7] ?? 0,
    tos: (word(bytes, at) >> 4) & 0xff,
    // A length of 0 stands for a jumbogram, or offload.
    packetEnd: payloadLength === 0 ? bytes.length : at + 40 + payloadLength,
    ...chain,
  };
}

/** Follows the chain until a protocol that is no extension header, or the end of the bytes. */
function walkExtensions(bytes: Uint8Array, at: number, protocol: number) {
  const extensions: number[] = [];
  let fragmentOffset = 0;
  let moreFragments = false;
  while (EXTENSIONS.includes(protocol) && bytes.length >= at + 8 && fragmentOffset === 0) {
    extensions.push(protocol);
    const lengthByte = bytes[at + 1] ?? 0;
    let length = 8 + 8 * lengthByte;
    if (protocol === IP_PROTOCOL.authentication) length = 8 + 4 * lengthByte;
    if (protocol === IP_PROTOCOL.fragment) {
      length = 8;
      fragmentOffset = word(bytes, at + 2) & 0xfff8;
      moreFragments = ((bytes[at + 3] ?? 0) & 1) !== 0;
    }
    protocol = bytes[at] ?? 0;
    at += length;
  }
  return { protocol, end: at, extensions, fragmentOffset, moreFragments };
}

/** ARP for IPv4 over Ethernet; undefined for other kinds. */
export function readArp(bytes: Uint8Array, at: number): ArpHeader | undefined {
  const ipv4OverEthernet = doubleWord(bytes, at) === 0x00010800 && word(bytes, at + 4) === 0x0604;
  if (bytes.length < at + 28 || !ipv4OverEthernet) return undefined;
  return {
    operation: word(bytes, at + 6),
    senderMac: formatMac(bytes, at + 8),
    senderIp: formatIpAddress(bytes, at + 14, 4),
    targetMac: formatMac(bytes, at + 18),
    targetIp: formatIpAddress(bytes, at + 24, 4),
  };
}
