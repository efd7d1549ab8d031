/**
 * SipHash-2-4 (Aumasson and Bernstein, 2012) of `words` 64-bit words at `at`, keyed by the 16 bytes at `key`; all little endian. Words, key and result are as in the
 * kernel's siphash_aligned (lib/siphash.c).
 */
export function sipHash(key: u32, at: u32, words: u32): u64 {
  const k0 = load<u64>(key);
  const k1 = load<u64>(key, 8);
  // "somepseudorandomlygeneratedbytes".
  let v0 = k0 ^ 0x736f6d6570736575;
  let v1 = k1 ^ 0x646f72616e646f6d;
  let v2 = k0 ^ 0x6c7967656e657261;
  let v3 = k1 ^ 0x7465646279746573;
  // The message, the block that holds its length in bytes, then two empty blocks: the four rounds of the end.
  for (let block: u32 = 0; block < words + 3; block++) {
    let word: u64 = 0;
    if (block < words) word = load<u64>(at + (block << 3));
    else if (block == words) word = u64(words) << 59;
    else if (block == words + 1) v2 ^= 0xff;
    v3 ^= word;
    for (let round = 0; round < 2; round++) {
      v0 += v1;
      v2 += v3;
      v1 = rotl<u64>(v1, 13) ^ v0;
      v3 = rotl<u64>(v3, 16) ^ v2;
      v0 = rotl<u64>(v0, 32);
      v2 += v1;
      v0 += v3;
      v1 = rotl<u64>(v1, 17) ^ v2;
      v3 = rotl<u64>(v3, 21) ^ v0;
      v2 = rotl<u64>(v2, 32);
    }
    v0 ^= word;
  }
  return v0 ^ v1 ^ v2 ^ v3;
}
