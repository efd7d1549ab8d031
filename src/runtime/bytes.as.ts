/** Copies `size` bytes. Short copies stay in the code; from 128 bytes on the engine's own copy is faster. The ranges may not overlap. */
export function copyBytes(to: u32, from: u32, size: u32): void {
  if (size >= 128) {
    memory.copy(to, from, size);
    return;
  }
  let at: u32 = 0;
  for (; at + 8 <= size; at += 8) store<u64>(to + at, load<u64>(from + at));
  if (size & 4) {
    store<u32>(to + at, load<u32>(from + at));
    at += 4;
  }
  if (size & 2) {
    store<u16>(to + at, load<u16>(from + at));
    at += 2;
  }
  if (size & 1) store<u8>(to + at, load<u8>(from + at));
}

/** True when `size` bytes are equal. Reads 32-bit words: a key was mostly stored so, and a wider load would wait for both stores. */
export function equalBytes(a: u32, b: u32, size: u32): bool {
  let at: u32 = 0;
  for (; at + 4 <= size; at += 4) if (load<u32>(a + at) != load<u32>(b + at)) return false;
  for (; at < size; at++) if (load<u8>(a + at) != load<u8>(b + at)) return false;
  return true;
}
