/**
 * Time stamps of pcapng: a 64-bit count of ticks in a resolution that each interface declares (if_tsresol: 10^-n or 2^-n seconds, n up to 127), plus
 * whole seconds (if_tsoffset), to signed nanoseconds since 1970. Exact, rounded down; what does not fit is clamped and flagged.
 */
import {
  CAPTURE_TIME_BINARY,
  CAPTURE_TIME_MULTIPLY,
  CaptureLink_offset_ns,
  CaptureLink_offset_seconds,
  CaptureLink_time_factor,
  CaptureLink_time_kind,
  CaptureLink_time_limit,
} from "../layout/layout.generated.as";

const SECOND: u64 = 1000000000;
/** Whole seconds, and nanoseconds above them, of the largest and smallest signed 64-bit count of nanoseconds. */
const MAX_SECONDS: i64 = 9223372036;
const MAX_REST: u64 = 854775807;
const MIN_SECONDS: i64 = -9223372037;
const MIN_REST: u64 = 145224192;

/** Whether the last `nanoseconds` had to clamp. */
export let timeClamped: bool = false;

/** Nanoseconds of `ticks` on this interface, its offset included. Sets `timeClamped`. */
export function nanoseconds(link: u32, ticks: u64): i64 {
  if (ticks >= load<u64>(link, CaptureLink_time_limit)) return slowNanoseconds(link, ticks);
  timeClamped = false;
  const kind = load<u32>(link, CaptureLink_time_kind);
  const factor = load<u64>(link, CaptureLink_time_factor);
  let time: u64;
  if (kind == CAPTURE_TIME_MULTIPLY) time = ticks * factor;
  else if (kind == CAPTURE_TIME_BINARY) time = wholeBinary(ticks, factor) * SECOND + restOfBinary(ticks, factor);
  else time = divided(ticks, factor);
  return i64(time) + load<i64>(link, CaptureLink_offset_ns);
}

/** For counts and offsets that could overflow: by way of seconds. */
function slowNanoseconds(link: u32, ticks: u64): i64 {
  const kind = load<u32>(link, CaptureLink_time_kind);
  const factor = load<u64>(link, CaptureLink_time_factor);
  let seconds: u64;
  let rest: u64;
  if (kind == CAPTURE_TIME_MULTIPLY) {
    const perSecond = SECOND / factor;
    seconds = ticks / perSecond;
    rest = (ticks % perSecond) * factor;
  } else if (kind == CAPTURE_TIME_BINARY) {
    seconds = wholeBinary(ticks, factor);
    rest = restOfBinary(ticks, factor);
  } else {
    const time = divided(ticks, factor);
    seconds = time / SECOND;
    rest = time % SECOND;
  }
  return joined(seconds, rest, load<i64>(link, CaptureLink_offset_seconds));
}

/** (seconds + offset) * 10^9 + rest, clamped to 64 bits. rest < 10^9. */
function joined(seconds: u64, rest: u64, offset: i64): i64 {
  timeClamped = true;
  const half: u64 = 1 << 63;
  let sum: i64;
  if (offset >= 0) {
    if (seconds >= half || i64(seconds) > i64.MAX_VALUE - offset) return i64.MAX_VALUE;
    sum = i64(seconds) + offset;
  } else if (seconds < half) {
    sum = i64(seconds) + offset;
  } else {
    // Both taken to the other side of 2^63: two numbers below 2^63, whose sum fits when taken as unsigned.
    const above = seconds - half + (u64(offset) + half);
    if (above >= half) return i64.MAX_VALUE;
    sum = i64(above);
  }
  if (sum > MAX_SECONDS || (sum == MAX_SECONDS && rest > MAX_REST)) return i64.MAX_VALUE;
  if (sum < MIN_SECONDS || (sum == MIN_SECONDS && rest < MIN_REST)) return i64.MIN_VALUE;
  timeClamped = false;
  if (sum >= 0) return sum * i64(SECOND) + i64(rest);
  return (sum + 1) * i64(SECOND) + (i64(rest) - i64(SECOND));
}

/** Ticks of less than a nanosecond. `factor` 0 stands for one beyond 64 bits. */
function divided(ticks: u64, factor: u64): u64 {
  return factor == 0 ? 0 : ticks / factor;
}

function wholeBinary(ticks: u64, n: u64): u64 {
  return n >= 64 ? 0 : ticks >> n;
}

/**
 * Nanoseconds in what is left of `ticks` below a second of 2^n: rest * 10^9 >> n. The product may need 94 bits, so it is made from two halves of 32 bits;
 * dropping the low word before the shift is exact, since n is then above 32.
 */
function restOfBinary(ticks: u64, n: u64): u64 {
  const rest = n >= 64 ? ticks : ticks & ((u64(1) << n) - 1);
  if (n <= 32) return (rest * SECOND) >> n;
  if (n >= 96) return 0;
  const upper = (rest >> 32) * SECOND + (((rest & 0xffffffff) * SECOND) >> 32);
  return upper >> (n - 32);
}
