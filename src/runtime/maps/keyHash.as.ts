/**
 * Hash of a key, 32 bits: a multiply-mix over 64-bit pieces (constants: the golden ratio, and one of David Stafford's mixers). Keys are read as
 * 32-bit words. The functions for 4, 8 and 16 bytes give what `hashKey` gives, without its loop.
 */
const MIX: u64 = 0x9e3779b97f4a7c15;
const FINAL: u64 = 0xbf58476d1ce4e5b9;

function mix(hash: u64, piece: u64): u64 {
  const product = (hash ^ piece) * MIX;
  return product ^ (product >> 32);
}

function finish(hash: u64): u32 {
  return u32((hash * FINAL) >> 32);
}

function pair(at: u32): u64 {
  return u64(load<u32>(at)) | (u64(load<u32>(at, 4)) << 32);
}

export function hashKey4(key: u32): u32 {
  return finish(mix(0, load<u32>(key)));
}

export function hashKey8(key: u32): u32 {
  return finish(mix(0, pair(key)));
}

export function hashKey16(key: u32): u32 {
  return finish(mix(mix(0, pair(key)), pair(key + 8)));
}

export function hashKey(key: u32, size: u32): u32 {
  let hash: u64 = 0;
  let at: u32 = 0;
  for (; at + 8 <= size; at += 8) hash = mix(hash, pair(key + at));
  if (at < size) {
    let piece: u64 = 0;
    let shift: u64 = 0;
    if (at + 4 <= size) {
      piece = load<u32>(key + at);
      at += 4;
      shift = 32;
    }
    for (; at < size; at++) {
      piece |= u64(load<u8>(key + at)) << shift;
      shift += 8;
    }
    hash = mix(hash, piece);
  }
  return finish(hash);
}
