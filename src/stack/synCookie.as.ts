/**
 * SYN cookies. net/ipv4/syncookies.c, net/ipv6/syncookies.c; the helpers: net/core/filter.c. A cookie is the initial sequence number of a SYN-ACK:
 *
 *   hash(addresses, ports, 0; key 0) + client's sequence number + (minute << 24) + ((hash(addresses, ports, minute; key 1) + index in the MSS table) mod 2^24)
 *
 * The hash is the low half of SipHash, keyed by what the namespace declares (Linux draws its keys at boot). Minutes are those of jiffies.
 */
import {
  CpuBlock_network,
  CpuBlock_scratch,
  EACCES,
  EINVAL,
  NetNamespace_syncookie_keys,
} from "../layout/layout.generated.as";
import { jiffies64 } from "../runtime/clock.as";
import { cpu } from "../runtime/cpu.as";
import { sipHash } from "./sipHash.as";

/** Ticks that a cookie's counter stands still: 60 s of CONFIG_HZ = 250. include/net/tcp.h: TCP_SYNCOOKIE_PERIOD. */
export const PERIOD: u64 = 60 * 250;
/** Periods that a cookie is taken for: this and the last. include/net/tcp.h: MAX_SYNCOOKIE_AGE. */
const MAX_AGE: u32 = 2;
const DATA_MASK: u32 = 0xffffff;
/** MSS values that a cookie can bear, 16 bits each, the least in the lowest: 536, 1300, 1440, 1460, and 1220, 1420, 1440, 8940. */
const MSS_TABLE4: u64 = 0x05b405a005140218;
const MSS_TABLE6: u64 = 0x22ec05a0058c04c4;
/** Bytes of the two keys of a protocol. */
const KEYS_SIZE: u32 = 32;

/** Offsets in struct tcphdr, iphdr and ipv6hdr. */
const TCP_SEQ: u32 = 4;
const TCP_ACK_SEQ: u32 = 8;
const TCP_OFFSET: u32 = 12;
const IPV4_ADDRESSES: u32 = 12;
const IPV6_ADDRESSES: u32 = 8;
/** Bytes of struct tcphdr. */
export const TCP_HEADER_SIZE: u32 = 20;

const TCPOPT_EOL: u32 = 0;
const TCPOPT_NOP: u32 = 1;
const TCPOPT_MSS: u32 = 2;
const TCPOLEN_MSS: u32 = 4;

/** MSS of a peer that names none: RFC 9293, and what fits the least MTU of IPv6. */
const DEFAULT_MSS4: u32 = 536;
const DEFAULT_MSS6: u32 = 1220;

/** Nth value of a table of four, of 16 bits each. */
function tableValue(table: u64, index: u32): u32 {
  return u32(table >> (u64(index) << 4)) & 0xffff;
}

function network32(at: u32): u32 {
  return bswap<u32>(load<u32>(at));
}

/** Length of a TCP header by its own word. */
export function tcpHeaderLength(th: u32): u32 {
  return (u32(load<u8>(th, TCP_OFFSET)) >> 4) << 2;
}

function now(): u32 {
  return u32(jiffies64() / PERIOD);
}

/** Hash of a connection and a count with the protocol's first or second key. The sums that are hashed differ in form between the protocols. */
function hash(ip: u32, th: u32, ipv6: bool, count: u32, key: u32): u32 {
  const keys = load<u32>(cpu, CpuBlock_network) + NetNamespace_syncookie_keys + key * 16;
  const at = load<u32>(cpu, CpuBlock_scratch);
  const source = load<u16>(th);
  const destination = load<u16>(th, 2);
  if (!ipv6) {
    store<u64>(at, load<u64>(ip, IPV4_ADDRESSES));
    store<u32>(at, (u32(source) << 16) | u32(destination), 8);
    store<u32>(at, count, 12);
    return u32(sipHash(keys, at, 2));
  }
  memory.copy(at, ip + IPV6_ADDRESSES, 32);
  store<u32>(at, count, 32);
  store<u16>(at, source, 36);
  store<u16>(at, destination, 38);
  return u32(sipHash(keys + KEYS_SIZE, at, 5));
}

/** The cookie for the SYN at `ip`, `th`, in the low half; in the high half its MSS: the largest of the table that is not above `mss`, or the least. */
export function makeCookie(ip: u32, th: u32, ipv6: bool, mss: u32): u64 {
  const table: u64 = ipv6 ? MSS_TABLE6 : MSS_TABLE4;
  let index: u32 = 3;
  while (index > 0 && mss < tableValue(table, index)) index--;
  const count = now();
  const data = (hash(ip, th, ipv6, count, 1) + index) & DATA_MASK;
  const cookie = hash(ip, th, ipv6, 0, 0) + network32(th + TCP_SEQ) + (count << 24) + data;
  return (u64(tableValue(table, index)) << 32) | u64(cookie);
}

/** MSS in the cookie that the ACK at `ip`, `th` acknowledges; 0 when it is none of this period or the last. */
export function cookieMss(ip: u32, th: u32, ipv6: bool): u32 {
  const count = now();
  const cookie = network32(th + TCP_ACK_SEQ) - 1 - (hash(ip, th, ipv6, 0, 0) + network32(th + TCP_SEQ) - 1);
  const age = (count - (cookie >> 24)) & 0xff;
  if (age >= MAX_AGE) return 0;
  const index = (cookie - hash(ip, th, ipv6, count - age, 1)) & DATA_MASK;
  return index < 4 ? tableValue(ipv6 ? MSS_TABLE6 : MSS_TABLE4, index) : 0;
}

/** The last MSS option in a TCP header that is not 0, or the protocol's least. Options end where their lengths make no sense (tcp_parse_mss_option). */
export function statedMss(th: u32, ipv6: bool): u32 {
  const end = th + tcpHeaderLength(th);
  let at = th + TCP_HEADER_SIZE;
  let mss: u32 = 0;
  while (at < end) {
    const kind = u32(load<u8>(at));
    if (kind == TCPOPT_EOL) break;
    if (kind == TCPOPT_NOP) {
      at++;
      continue;
    }
    if (end - at < 2) break;
    const size = u32(load<u8>(at, 1));
    if (size < 2 || size > end - at) break;
    if (kind == TCPOPT_MSS && size == TCPOLEN_MSS) {
      const stated = u32(bswap<u16>(load<u16>(at, 2)));
      if (stated != 0) mss = stated;
    }
    at += size;
  }
  if (mss != 0) return mss;
  return ipv6 ? DEFAULT_MSS6 : DEFAULT_MSS4;
}

function rawGenerate(ip: u32, th: u32, length: u32, ipv6: bool): i64 {
  if (length < TCP_HEADER_SIZE || length != tcpHeaderLength(th)) return -i64(EINVAL);
  return i64(makeCookie(ip, th, ipv6, statedMss(th, ipv6)));
}

/** bpf_tcp_raw_gen_syncookie_ipv4: MSS << 32 | cookie, or -EINVAL. */
export function tcpRawGenSyncookieIpv4(iph: u32, th: u32, length: u32): i64 {
  return rawGenerate(iph, th, length, false);
}

/** bpf_tcp_raw_gen_syncookie_ipv6 */
export function tcpRawGenSyncookieIpv6(iph: u32, th: u32, length: u32): i64 {
  return rawGenerate(iph, th, length, true);
}

/** bpf_tcp_raw_check_syncookie_ipv4: 0, or -EACCES. */
export function tcpRawCheckSyncookieIpv4(iph: u32, th: u32): i32 {
  return cookieMss(iph, th, false) != 0 ? 0 : -i32(EACCES);
}

/** bpf_tcp_raw_check_syncookie_ipv6 */
export function tcpRawCheckSyncookieIpv6(iph: u32, th: u32): i32 {
  return cookieMss(iph, th, true) != 0 ? 0 : -i32(EACCES);
}
