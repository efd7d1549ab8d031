import { CAPTURE_TIME_BINARY, CAPTURE_TIME_DIVIDE, CAPTURE_TIME_MULTIPLY } from "../layout/index.ts";

/** How the walker turns ticks into nanoseconds: the time fields of CaptureLink (layout/capture.ts). */
export interface TickConversion {
  readonly time_kind: number;
  readonly time_factor: bigint;
  readonly time_limit: bigint;
  readonly offset_ns: bigint;
  readonly offset_seconds: bigint;
}

const SECOND = 1_000_000_000n;
const U64_MAX = 2n ** 64n - 1n;
const I64_MAX = 2n ** 63n - 1n;
const I64_MIN = -(2n ** 63n);
/** Half of the signed range: ticks and offset may each use so much without their sum overflowing. */
const ORDINARY = 2n ** 62n;

/**
 * `resolution`: the byte of if_tsresol. Its lower seven bits are n of 10^-n seconds, or of 2^-n when the highest bit is set. 6 (microseconds) where the option
 * is absent. `offsetSeconds`: if_tsoffset. draft-ietf-opsawg-pcapng, section 4.2.
 */
export function tickConversion(resolution: number, offsetSeconds: bigint): TickConversion {
  const n = resolution & 0x7f;
  const { time_kind, time_factor, limit } = (resolution & 0x80) !== 0 ? binary(n) : decimal(n);
  const offset = offsetSeconds * SECOND;
  const ordinary = offset < ORDINARY && offset > -ORDINARY;
  return {
    time_kind,
    time_factor,
    time_limit: ordinary ? smaller(limit, U64_MAX) : 0n,
    offset_ns: ordinary ? offset : 0n,
    offset_seconds: offsetSeconds,
  };
}

function decimal(n: number) {
  if (n <= 9) {
    const factor = 10n ** BigInt(9 - n);
    return { time_kind: CAPTURE_TIME_MULTIPLY, time_factor: factor, limit: ORDINARY / factor };
  }
  const divisor = 10n ** BigInt(n - 9);
  // A divisor beyond 64 bits is written 0, and every count is then less than a nanosecond.
  return { time_kind: CAPTURE_TIME_DIVIDE, time_factor: divisor > U64_MAX ? 0n : divisor, limit: ORDINARY * divisor };
}

function binary(n: number) {
  return { time_kind: CAPTURE_TIME_BINARY, time_factor: BigInt(n), limit: (ORDINARY / SECOND) << BigInt(n) };
}

const smaller = (a: bigint, b: bigint) => (a < b ? a : b);

/** The same in exact arithmetic, for the cold paths and as the walker's judge in tests; clamped to 64 signed bits. */
export function ticksToNanoseconds(ticks: bigint, resolution: number, offsetSeconds: bigint): bigint {
  const n = BigInt(resolution & 0x7f);
  const scaled = ticks * SECOND;
  const time = ((resolution & 0x80) !== 0 ? scaled >> n : scaled / 10n ** n) + offsetSeconds * SECOND;
  return time > I64_MAX ? I64_MAX : time < I64_MIN ? I64_MIN : time;
}

/** `10^-9 s`, `2^-8 s`. */
export function resolutionText(resolution: number): string {
  return `${(resolution & 0x80) !== 0 ? 2 : 10}^-${resolution & 0x7f} s`;
}
