/** Internet checksums (RFC 1071) over bytes, for builders, views and tests. The runtime's own are in csum.as.ts. */

/** Ones' complement sum of the 16-bit big-endian words from `start` to `end`, folded to 16 bits and not complemented; an odd last byte is a high one. */
export function onesComplementSum(bytes: Uint8Array, start = 0, end = bytes.length, seed = 0): number {
  let sum = seed;
  let at = start;
  for (; at + 1 < end; at += 2) {
    sum += ((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0);
    // Far from 2^53, and seldom: keeps the sum small on inputs of any length.
    if (sum > 0xffff_ffff) sum = (sum % 0x10000) + Math.floor(sum / 0x10000);
  }
  if (at < end) sum += (bytes[at] ?? 0) << 8;
  while (sum > 0xffff) sum = (sum % 0x10000) + Math.floor(sum / 0x10000);
  return sum;
}

/** What a checksum field holds: the complement of the sum. Over bytes that hold a right checksum it is 0. */
export function internetChecksum(bytes: Uint8Array, start = 0, end = bytes.length, seed = 0): number {
  return ~onesComplementSum(bytes, start, end, seed) & 0xffff;
}

/** Sum of the pseudo-header that TCP, UDP and ICMPv6 checksums begin with (RFC 9293, RFC 8200). Addresses of 4 or 16 bytes each. */
export function pseudoHeaderSum(source: Uint8Array, destination: Uint8Array, protocol: number, length: number): number {
  const seed = protocol + (length >>> 16) + (length & 0xffff);
  return onesComplementSum(destination, 0, destination.length, onesComplementSum(source, 0, source.length, seed));
}
