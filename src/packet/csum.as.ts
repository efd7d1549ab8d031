/**
 * Internet checksums as the kernel keeps them: a `wsum` is a 32-bit ones' complement sum in memory byte order, zero only when every summand is
 * (include/net/checksum.h, arch/x86/lib/csum-partial_64.c). Reduction modulo 2^32 - 1 with that property has one result, so any order of adding
 * gives the kernel's.
 */

/** a + b with end-around carry. */
export function csumAdd(a: u32, b: u32): u32 {
  const sum = a + b;
  return sum + u32(sum < b);
}

export function csumSub(a: u32, b: u32): u32 {
  return csumAdd(a, ~b);
}

/** a + b of 16-bit sums with end-around carry. */
export function csum16Add(a: u32, b: u32): u32 {
  const sum = (a & 0xffff) + (b & 0xffff);
  return (sum & 0xffff) + (sum >> 16);
}

/** Folds a 64-bit sum of 32-bit words to 32 bits. */
function fold64(sum: u64): u32 {
  sum = (sum & 0xffffffff) + (sum >> 32);
  return u32(sum) + u32(sum >> 32);
}

/** Folds to 16 bits without complementing. */
export function csumFrom32To16(sum: u32): u32 {
  sum = (sum & 0xffff) + (sum >> 16);
  return (sum & 0xffff) + (sum >> 16);
}

/** Folds to 16 bits and complements: what a header's checksum field holds. */
export function csumFold(sum: u32): u32 {
  return ~csumFrom32To16(sum) & 0xffff;
}

/** `seed` plus the sum of `length` bytes at `address`; a last odd byte counts as the low half of a word. */
export function csumPartial(address: u32, length: u32, seed: u32): u32 {
  let sum: u64 = seed;
  const end = address + length;
  for (const whole = address + (length & ~15); address < whole; address += 16) {
    sum += u64(load<u32>(address)) + u64(load<u32>(address, 4)) + u64(load<u32>(address, 8)) + u64(load<u32>(address, 12));
  }
  for (; address + 4 <= end; address += 4) sum += load<u32>(address);
  if (length & 2) {
    sum += load<u16>(address);
    address += 2;
  }
  if (length & 1) sum += load<u8>(address);
  return fold64(sum);
}

/** Takes the difference `diff` into the checksum field at `field`. */
export function csumReplaceByDiff(field: u32, diff: u32): void {
  store<u16>(field, csumFold(csumAdd(diff, ~u32(load<u16>(field)))));
}

/** Replaces the 32-bit word `from` by `to` in the checksum field at `field`. */
export function csumReplace4(field: u32, from: u32, to: u32): void {
  const sum = csumSub(~u32(load<u16>(field)), from);
  store<u16>(field, csumFold(csumAdd(sum, to)));
}

/** Replaces the 16-bit word `from` by `to` in the checksum field at `field`. */
export function csumReplace2(field: u32, from: u32, to: u32): void {
  const sum = csum16Add(~u32(load<u16>(field)), ~from);
  store<u16>(field, ~csum16Add(sum, to));
}
