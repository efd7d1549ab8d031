/**
 * Formatted text as bpf_snprintf and bpf_trace_printk make it. kernel/bpf/helpers.c: bpf_bprintf_prepare; lib/vsprintf.c. Conversions: %d %i %u %x %X with l and ll,
 * %c, %s, %p and its forms px, pK, ps, pS, pB (the address in hex), pks, pus, pi4, pI4, pi6, pI6; flags 0 + - and space, and a width.
 *
 * Output goes to `buffer`, of which `size` bytes may be written; functions take and give the position, which runs on past the end.
 */
import { EINVAL } from "../layout/layout.generated.as";

const LEFT: u32 = 1;
const PLUS: u32 = 2;
const SPACE: u32 = 4;
const ZERO: u32 = 8;

/** Longest string that %s copies. kernel/bpf/helpers.c: MAX_BPRINTF_BIN_ARGS. */
const STRING_MAX: u32 = 512;
/** Widths above this are cut: lib/vsprintf.c, FIELD_WIDTH_MAX. */
const WIDTH_MAX: u32 = (1 << 23) - 1;

const PERCENT: u32 = 0x25;

function put(buffer: u32, size: u32, at: u32, letter: u32): u32 {
  if (at < size) store<u8>(buffer + at, letter);
  return at + 1;
}

/** `count` times the same letter; no more are written than have room. */
function fill(buffer: u32, size: u32, at: u32, letter: u32, count: i32): u32 {
  if (count <= 0) return at;
  const room = at < size ? min<u32>(u32(count), size - at) : 0;
  memory.fill(buffer + at, u8(letter), room);
  return at + u32(count);
}

function isDigit(letter: u32): bool {
  return letter >= 0x30 && letter <= 0x39;
}

function isSpace(letter: u32): bool {
  return letter == 0x20 || (letter >= 9 && letter <= 13);
}

function isAlphanumeric(letter: u32): bool {
  const lower = letter | 0x20;
  return isDigit(letter) || (lower >= 0x61 && lower <= 0x7a);
}

function isPunctuation(letter: u32): bool {
  return letter > 0x20 && letter < 0x7f && !isAlphanumeric(letter);
}

/** A letter that may follow %s and a plain %p. */
function endsConversion(letter: u32): bool {
  return letter == 0 || isSpace(letter) || isPunctuation(letter);
}

function digitsOf(value: u64, base: u64): u32 {
  let digits: u32 = 1;
  while (value >= base) {
    value /= base;
    digits++;
  }
  return digits;
}

function putDigits(buffer: u32, size: u32, at: u32, value: u64, base: u64, digits: u32, upper: bool): u32 {
  for (let left = digits; left > 0; left--) {
    const digit = u32(value % base);
    value /= base;
    put(buffer, size, at + left - 1, digit < 10 ? 0x30 + digit : (upper ? 0x37 : 0x57) + digit);
  }
  return at + digits;
}

function putNumber(buffer: u32, size: u32, at: u32, bits: u64, signed: bool, base: u64, upper: bool, flags: u32, width: u32): u32 {
  let sign: u32 = 0;
  let value = bits;
  if (signed) {
    if (i64(bits) < 0) {
      sign = 0x2d;
      value = 0 - bits;
    } else if (flags & PLUS) sign = 0x2b;
    else if (flags & SPACE) sign = 0x20;
  }
  const digits = digitsOf(value, base);
  const padding = i32(width) - i32(digits) - (sign != 0 ? 1 : 0);
  const zeros = (flags & ZERO) != 0 && (flags & LEFT) == 0;
  if ((flags & LEFT) == 0 && !zeros) at = fill(buffer, size, at, 0x20, padding);
  if (sign != 0) at = put(buffer, size, at, sign);
  if (zeros) at = fill(buffer, size, at, 0x30, padding);
  at = putDigits(buffer, size, at, value, base, digits, upper);
  return flags & LEFT ? fill(buffer, size, at, 0x20, padding) : at;
}

/** Length of the string at `address`, cut at STRING_MAX - 1; 0 for one that lies outside the memory. */
function stringLength(address: u64): u32 {
  const limit = u64(memory.size()) << 16;
  let length: u32 = 0;
  while (address != 0 && address + length < limit && length < STRING_MAX - 1 && load<u8>(u32(address) + length) != 0) length++;
  return length;
}

function putString(buffer: u32, size: u32, at: u32, address: u64, flags: u32, width: u32): u32 {
  const length = stringLength(address);
  const padding = i32(width) - i32(length);
  if ((flags & LEFT) == 0) at = fill(buffer, size, at, 0x20, padding);
  for (let index: u32 = 0; index < length; index++) at = put(buffer, size, at, load<u8>(u32(address) + index));
  return flags & LEFT ? fill(buffer, size, at, 0x20, padding) : at;
}

/** %pi4, %pI4, %pi6, %pI6: an address in network order; capital I with separators. One outside the memory counts as zeros. */
function putAddress(buffer: u32, size: u32, at: u32, address: u64, separated: bool, ipv6: bool): u32 {
  const bytes: u32 = ipv6 ? 16 : 4;
  const readable = address != 0 && address + bytes <= u64(memory.size()) << 16;
  for (let index: u32 = 0; index < bytes; index++) {
    const byte: u32 = readable ? load<u8>(u32(address) + index) : 0;
    if (ipv6) {
      if (separated && index != 0 && (index & 1) == 0) at = put(buffer, size, at, 0x3a);
      at = putDigits(buffer, size, at, byte, 16, 2, false);
    } else {
      if (index != 0) at = put(buffer, size, at, 0x2e);
      at = putDigits(buffer, size, at, byte, 10, separated ? digitsOf(byte, 10) : 3, false);
    }
  }
  return at;
}

/**
 * Formats up to the terminating zero of `format`, at most `formatSize` bytes, with `count` 64-bit arguments at `values`. Gives the length without the terminating zero that
 * the text has or would have, or -EINVAL for a format that the kernel does not know.
 */
export function formatText(buffer: u32, size: u32, format: u32, formatSize: u32, values: u32, count: u32): i32 {
  let at: u32 = 0;
  let used: u32 = 0;
  const end = format + formatSize;
  const room = size > 0 ? size - 1 : 0;
  let letter: u32 = 0;
  for (let from = format; from < end; from++) {
    letter = load<u8>(from);
    if (letter == 0) break;
    if (letter != PERCENT) {
      at = put(buffer, room, at, letter);
      continue;
    }
    letter = load<u8>(++from);
    if (letter == PERCENT) {
      at = put(buffer, room, at, letter);
      continue;
    }
    if (used >= count) return -i32(EINVAL);
    let flags: u32 = 0;
    for (; ; letter = load<u8>(++from)) {
      if (letter == 0x30) flags |= ZERO;
      else if (letter == 0x2b) flags |= PLUS;
      else if (letter == 0x2d) flags |= LEFT;
      else if (letter == 0x20) flags |= SPACE;
      else break;
    }
    let width: u32 = 0;
    for (; isDigit(letter); letter = load<u8>(++from)) width = min<u32>(width * 10 + letter - 0x30, WIDTH_MAX);
    const value = load<u64>(values + used * 8);
    used++;
    if (letter == 0x70) {
      const kind: u32 = load<u8>(from, 1);
      const which: u32 = endsConversion(kind) ? 0 : load<u8>(from, 2);
      if (endsConversion(kind)) {
        at = putNumber(buffer, room, at, value, false, 16, false, flags | ZERO, max<u32>(width, 16));
      } else if ((kind | 0x20) == 0x69 && (which == 0x34 || which == 0x36)) {
        at = putAddress(buffer, room, at, value, kind == 0x49, which == 0x36);
        from += 2;
      } else if ((kind == 0x6b || kind == 0x75) && which == 0x73) {
        at = putString(buffer, room, at, value, flags, width);
        from += 2;
      } else if (kind == 0x78 || kind == 0x4b || kind == 0x73 || kind == 0x53 || kind == 0x42) {
        at = putNumber(buffer, room, at, value, false, 16, false, flags | ZERO, max<u32>(width, 16));
        from++;
      } else return -i32(EINVAL);
      continue;
    }
    if (letter == 0x73) {
      if (!endsConversion(load<u8>(from, 1))) return -i32(EINVAL);
      at = putString(buffer, room, at, value, flags, width);
      continue;
    }
    if (letter == 0x63) {
      if ((flags & LEFT) == 0) at = fill(buffer, room, at, 0x20, i32(width) - 1);
      at = put(buffer, room, at, u32(value) & 0xff);
      if (flags & LEFT) at = fill(buffer, room, at, 0x20, i32(width) - 1);
      continue;
    }
    let wide = false;
    for (let longs = 0; longs < 2 && letter == 0x6c; longs++) {
      wide = true;
      letter = load<u8>(++from);
    }
    const signed = letter == 0x64 || letter == 0x69;
    const hex = (letter | 0x20) == 0x78;
    if (!signed && !hex && letter != 0x75) return -i32(EINVAL);
    const bits: u64 = wide ? value : signed ? u64(i64(i32(value))) : u64(u32(value));
    at = putNumber(buffer, room, at, bits, signed, hex ? 16 : 10, letter == 0x58, flags, width);
  }
  if (size > 0) store<u8>(buffer + min<u32>(at, room), 0);
  return i32(at);
}

/** Arguments that a format may have. include/linux/bpf.h: MAX_BPRINTF_VARARGS. */
const ARGUMENTS_MAX: u32 = 12;

/** bpf_snprintf: the length with the terminating zero that the text has or would have. */
export function snprintf(buffer: u32, size: u32, format: u32, values: u32, valuesSize: u32): i32 {
  if ((valuesSize & 7) != 0 || valuesSize > ARGUMENTS_MAX * 8 || (valuesSize != 0 && values == 0)) return -i32(EINVAL);
  const length = formatText(buffer, size, format, 0xffffffff - format, values, valuesSize >> 3);
  return length < 0 ? length : length + 1;
}
