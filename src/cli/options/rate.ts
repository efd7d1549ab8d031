import { ProblemError } from "../../problem/index.ts";
import { problems } from "./problems.ts";

const UNITS: Readonly<Record<string, number>> = { "": 1, pps: 1, kpps: 1e3, mpps: 1e6, gpps: 1e9 };
/** One packet an hour, and one a nanosecond, which is as fine as timestamps are. */
const LEAST = 1 / 3600;
const MOST = 1e9;

/** A commander parser for a packet rate: packets a second, or a number with pps, kpps or Mpps. */
export function packetRateOption(option: string): (text: string) => number {
  return (text) => {
    const [, digits = "", unit = ""] = /^(\d+(?:\.\d+)?)\s*([a-z]*)$/i.exec(text) ?? [];
    const rate = Number.parseFloat(digits) * (UNITS[unit.toLowerCase()] ?? Number.NaN);
    if (Number.isFinite(rate) && rate >= LEAST && rate <= MOST) return rate;
    const expected = "packets a second up to 1 Gpps, as in 14.88Mpps, 250kpps or 1000";
    throw new ProblemError(problems.option_value({ option, value: text, reason: "not a packet rate", expected }));
  };
}
