/** Views of TCP, UDP and ICMP headers. Every reader gives undefined where the fixed part of the header is cut off. */
import { doubleWord, word } from "./headersLink.ts";

export interface UdpHeader {
  readonly sourcePort: number;
  readonly destinationPort: number;
  /** Header and payload, by the length field. */
  readonly length: number;
  readonly checksum: number;
  readonly end: number;
}

export interface TcpHeader {
  readonly sourcePort: number;
  readonly destinationPort: number;
  readonly sequence: number;
  readonly acknowledgement: number;
  /** As tcpdump writes them: letters of SFRP.UEW, "none" when no bit is set. */
  readonly flags: string;
  readonly window: number;
  readonly checksum: number;
  readonly urgent: number;
  /** Offset of the payload. */
  readonly end: number;
}

export interface IcmpHeader {
  readonly type: number;
  readonly code: number;
  readonly checksum: number;
  /** Identifier and sequence number, of echo requests and replies. */
  readonly identifier: number;
  readonly sequence: number;
  readonly end: number;
}

const FLAG_BITS: readonly (readonly [letter: string, bit: number])[] = [
  ["S", 2],
  ["F", 1],
  ["R", 4],
  ["P", 8],
  [".", 16],
  ["U", 32],
  ["E", 64],
  ["W", 128],
];

export function readUdp(bytes: Uint8Array, at: number): UdpHeader | undefined {
  if (bytes.length < at + 8) return undefined;
  return {
    sourcePort: word(bytes, at),
    destinationPort: word(bytes, at + 2),
    length: word(bytes, at + 4),
    checksum: word(bytes, at + 6),
    end: at + 8,
  };
}

export function readTcp(bytes: Uint8Array, at: number): TcpHeader | undefined {
  if (bytes.length < at + 20) return undefined;
  const headerLength = ((bytes[at + 12] ?? 0) >> 4) * 4;
  if (headerLength < 20) return undefined;
  const bits = bytes[at + 13] ?? 0;
  const flags = FLAG_BITS.filter(([, bit]) => (bits & bit) !== 0).map(([letter]) => letter);
  return {
    sourcePort: word(bytes, at),
    destinationPort: word(bytes, at + 2),
    sequence: doubleWord(bytes, at + 4),
    acknowledgement: doubleWord(bytes, at + 8),
    flags: flags.length === 0 ? "none" : flags.join(""),
    window: word(bytes, at + 14),
    checksum: word(bytes, at + 16),
    urgent: word(bytes, at + 18),
    end: at + headerLength,
  };
}

/** ICMP and ICMPv6. */
export function readIcmp(bytes: Uint8Array, at: number): IcmpHeader | undefined {
  if (bytes.length < at + 8) return undefined;
  return {
    type: bytes[at] ?? 0,
    code: bytes[at + 1] ?? 0,
    checksum: word(bytes, at + 2),
    identifier: word(bytes, at + 4),
    sequence: word(bytes, at + 6),
    end: at + 8,
  };
}
