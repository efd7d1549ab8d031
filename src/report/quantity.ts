/** 1,234,567. Not by toLocaleString, whose first call loads tables for some 35 ms of a run's start. */
export const count = (value: number): string => String(value).replace(/\B(?=(?:\d{3})+$)/g, ",");

const scaled = (value: number, units: readonly string[], step: number): string => {
  let index = 0;
  let left = value;
  while (left >= step && index < units.length - 1) {
    left /= step;
    index += 1;
  }
  const digits = index === 0 && Number.isInteger(left) ? 0 : left < 100 ? 1 : 0;
  return `${left.toFixed(digits)} ${units[index]}`;
};

/** Bytes with decimal prefixes: 9.2 MB. */
export const byteCount = (bytes: number): string => scaled(bytes, ["B", "kB", "MB", "GB", "TB"], 1000);

/** A span of nanoseconds in the unit that suits it: 19.9 ms. */
export function duration(ns: number): string {
  if (ns < 60e9) return scaled(ns, ["ns", "µs", "ms", "s"], 1000);
  const seconds = Math.round(ns / 1e9);
  const hours = Math.floor(seconds / 3600);
  const minutes = Math.floor((seconds % 3600) / 60);
  return hours > 0 ? `${hours} h ${minutes} min` : `${minutes} min ${seconds % 60} s`;
}

/** Packets a second: 10.4 Mpps. */
export const packetRate = (perSecond: number): string => scaled(perSecond, ["pps", "kpps", "Mpps", "Gpps"], 1000);

/** A share of a whole with one decimal, 91.1; "0.0" of nothing. */
export const percent = (part: number, whole: number): string => (whole === 0 ? "0.0" : ((100 * part) / whole).toFixed(1));
