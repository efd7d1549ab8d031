import { RSS_KEY_SIZE } from "../layout/index.ts";

/** The key of Microsoft's "Verifying the RSS Hash Calculation", which most drivers and tools take as their default. */
export const DEFAULT_RSS_KEY = Uint8Array.of(
  ...[0x6d, 0x5a, 0x56, 0xda, 0x25, 0x5b, 0x0e, 0xc2, 0x41, 0x67, 0x25, 0x3d, 0x43, 0xa3, 0x8f, 0xb0, 0xd0, 0xca, 0x2b, 0xcb],
  ...[0xae, 0x7b, 0x30, 0xb4, 0x77, 0xcb, 0x2d, 0xa3, 0x80, 0x30, 0xf2, 0x0c, 0x6a, 0x42, 0xb7, 0x3b, 0xbe, 0xac, 0x01, 0xfa],
);

/** Bytes of the longest tuple: two IPv6 addresses and two ports. */
const TUPLE_SIZE = 36;
/** Bytes of a key's tables: 256 results for each byte of a tuple, 32 bits each. */
export const TOEPLITZ_TABLE_SIZE = TUPLE_SIZE * 256 * 4;

/** The 32 bits of the key that begin at bit `position`, counted from the most significant. */
function keyWindow(key: Uint8Array, position: number): number {
  let window = 0;
  for (let bit = position; bit < position + 32; bit++) {
    const byte = key[bit >> 3] ?? 0;
    window = (window << 1) | ((byte >> (7 - (bit & 7))) & 1);
  }
  return window >>> 0;
}

/**
 * Toeplitz hash, unsigned 32 bits, bit by bit as it is defined. `tuple`: addresses then ports, network order; 8 or 12 bytes (IPv4), 32 or 36 (IPv6).
 * nic/rss.as.ts computes the same from tables.
 */
export function toeplitzHash(key: Uint8Array, tuple: Uint8Array): number {
  let hash = 0;
  for (let bit = 0; bit < tuple.length * 8; bit++) {
    if (((tuple[bit >> 3] ?? 0) >> (7 - (bit & 7))) & 1) hash ^= keyWindow(key, bit);
  }
  return hash >>> 0;
}

/** What each value of each byte of a tuple adds (by XOR) to the hash: `TUPLE_SIZE` tables of 256 words, one behind the other. */
export function toeplitzTables(key: Uint8Array): Uint32Array {
  if (key.length !== RSS_KEY_SIZE) throw new RangeError(`an RSS key has ${RSS_KEY_SIZE} bytes, not ${key.length}`);
  const tables = new Uint32Array(TUPLE_SIZE * 256);
  for (let byte = 0; byte < TUPLE_SIZE; byte++) {
    const windows = Array.from({ length: 8 }, (_, bit) => keyWindow(key, byte * 8 + bit));
    for (let value = 0; value < 256; value++) {
      let hash = 0;
      for (let bit = 0; bit < 8; bit++) if ((value >> (7 - bit)) & 1) hash ^= windows[bit]!;
      tables[byte * 256 + value] = hash >>> 0;
    }
  }
  return tables;
}
