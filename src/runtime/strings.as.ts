import { EINVAL, ERANGE } from "../layout/layout.generated.as";

/** bpf_strncmp: -1, 0 or 1, comparing up to `size` bytes as unsigned, or to the end of both strings. */
export function strncmp(a: u32, size: u32, b: u32): i32 {
  for (let at: u32 = 0; at < size; at++) {
    const left = load<u8>(a + at);
    const right = load<u8>(b + at);
    if (left != right) return left < right ? -1 : 1;
    if (left == 0) return 0;
  }
  return 0;
}

/** Longest text that the number helpers look at after blanks and sign. kernel/bpf/helpers.c: char str[64]. */
const LONGEST_NUMBER: u32 = 63;

function isSpace(letter: u32): bool {
  return letter == 32 || (letter >= 9 && letter <= 13) || letter == 0xa0;
}

/** Value of a digit, or 255. */
function digitOf(letter: u32): u32 {
  if (letter >= 48 && letter <= 57) return letter - 48;
  const lower = letter | 32;
  return lower >= 97 && lower <= 102 ? lower - 87 : 255;
}

function byteAt(at: u32, end: u32): u32 {
  return at < end ? u32(load<u8>(at)) : 0;
}

/**
 * Reads blanks, a minus sign, and digits; stores the value's size without its sign, and 1 for the sign in `negative`. Gives the bytes read, -EINVAL (no digits, a
 * base other than 0, 8, 10 and 16, unknown flags) or -ERANGE (more than 64 bits).
 */
function parse(buffer: u32, size: u32, flags: u64, result: u32, signed: bool): i32 {
  store<u64>(result, 0);
  let base = u32(flags & 31);
  if ((flags & ~u64(31)) != 0 || (base != 0 && base != 8 && base != 10 && base != 16)) return -i32(EINVAL);
  const limit = buffer + size;
  let at = buffer;
  while (at < limit && isSpace(load<u8>(at))) at++;
  const negative = at < limit && load<u8>(at) == 45;
  if (negative) at++;
  if (at == limit) return -i32(EINVAL);
  const end = limit - at > LONGEST_NUMBER ? at + LONGEST_NUMBER : limit;
  const prefixed = byteAt(at, end) == 48 && (byteAt(at + 1, end) | 32) == 120;
  if (base == 0) {
    if (byteAt(at, end) != 48) base = 10;
    else base = prefixed && digitOf(byteAt(at + 2, end)) < 16 ? 16 : 8;
  }
  if (base == 16 && prefixed) at += 2;
  const first = at;
  let value: u64 = 0;
  let overflow = false;
  for (; at < end; at++) {
    const digit = digitOf(load<u8>(at));
    if (digit >= base) break;
    if (value > (u64(0xffffffffffffffff) - digit) / base) overflow = true;
    value = value * base + digit;
  }
  if (overflow) return -i32(ERANGE);
  if (at == first) return -i32(EINVAL);
  if (negative && !signed) return -i32(EINVAL);
  if (signed) {
    const limitOfSign: u64 = negative ? u64(1) << 63 : (u64(1) << 63) - 1;
    if (value > limitOfSign) return -i32(ERANGE);
    if (negative) value = u64(0) - value;
  }
  store<u64>(result, value);
  return i32(at - buffer);
}

/** bpf_strtol: the signed 64-bit number at the start of the text; the bytes it took, or an errno and 0 in `result`. */
export function strtol(buffer: u32, size: u32, flags: u64, result: u32): i32 {
  return parse(buffer, size, flags, result, true);
}

/** bpf_strtoul */
export function strtoul(buffer: u32, size: u32, flags: u64, result: u32): i32 {
  return parse(buffer, size, flags, result, false);
}
