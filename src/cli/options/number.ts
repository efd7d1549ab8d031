import { ProblemError } from "../../problem/index.ts";
import { problems } from "./problems.ts";

/** A commander parser for a whole number from `least` to `most`; anything else is a usage error that says the range. */
export function wholeNumber(option: string, least: number, most: number): (text: string) => number {
  return (text) => {
    const value = /^(0x[0-9a-f]+|[0-9]+)$/i.test(text) ? Number(text) : Number.NaN;
    if (Number.isNaN(value)) throw rejected(option, text, "not a whole number", least, most);
    if (value < least || value > most) throw rejected(option, text, "out of range", least, most);
    return value;
  };
}

function rejected(option: string, value: string, reason: string, least: number, most: number): ProblemError {
  const expected = `a whole number from ${least.toLocaleString("en")} to ${most.toLocaleString("en")}`;
  return new ProblemError(problems.option_value({ option, value, reason, expected }));
}
