/** ICMP: answers to echo requests, and errors. net/ipv4/icmp.c. */
import { csumFold, csumPartial } from "../packet/csum.as";
import { headerLength } from "./ipv4.as";

export const ICMP_ECHOREPLY: u32 = 0;
export const ICMP_DEST_UNREACH: u32 = 3;
export const ICMP_ECHO: u32 = 8;
export const ICMP_TIME_EXCEEDED: u32 = 11;
export const ICMP_PROT_UNREACH: u32 = 2;
export const ICMP_PORT_UNREACH: u32 = 3;
export const ICMP_FRAG_NEEDED: u32 = 4;
export const ICMP_HEADER: u32 = 8;
/** Longest datagram of an error (RFC 1122: 576), and the precedence that it has. */
const LONGEST_ERROR: u32 = 576;
export const ERROR_PRECEDENCE: u32 = 0xc0;
/** IPTOS_TOS_MASK */
export const TOS_MASK: u32 = 0x1e;

/** Whether `length` bytes at `icmp` are a message whose checksum is right. */
export function isIcmp(icmp: u32, length: u32): bool {
  return length >= ICMP_HEADER && (csumFold(csumPartial(icmp, length, 0)) & 0xffff) == 0;
}

/** Whether an ICMP message of this type is an error, which no error answers (icmp_pointers[].error). */
function isError(type: u32): bool {
  return type == ICMP_DEST_UNREACH || type == 4 || type == 5 || type == ICMP_TIME_EXCEEDED || type == 12;
}

/** Whether the packet at `ip` may be answered with an error: not a later fragment, not an ICMP error, nor one of an unknown type. */
export function mayAnswer(ip: u32, length: u32): bool {
  if ((load<u16>(ip, 6) & 0xff1f) != 0) return false;
  if (u32(load<u8>(ip, 9)) != 1) return true;
  const header = headerLength(ip);
  if (header >= length) return false;
  const type = u32(load<u8>(ip + header));
  return type <= LAST_TYPE && !isError(type);
}
/** NR_ICMP_TYPES */
const LAST_TYPE: u32 = 18;

/** Bytes of the packet that an error about it quotes, behind the header of the error. */
export function quoted(length: u32, mtu: u32): u32 {
  return min(length, min(mtu, LONGEST_ERROR) - 20 - ICMP_HEADER);
}

/** Writes type, code and the word behind the checksum, and the checksum over `length` bytes. */
export function writeIcmp(icmp: u32, type: u32, code: u32, word: u32, length: u32): void {
  store<u8>(icmp, u8(type));
  store<u8>(icmp, u8(code), 1);
  store<u16>(icmp, 0, 2);
  store<u32>(icmp, word, 4);
  store<u16>(icmp, u16(csumFold(csumPartial(icmp, length, 0))), 2);
}
