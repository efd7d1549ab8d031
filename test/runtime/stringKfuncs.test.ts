import { expect, test } from "vitest";
import { agreedResults, keep, withKernel } from "../kernel/everyEngine.ts";

/** Writes a string with its NUL to the results, `offset` bytes in, word by word. */
function put(text: string, offset: number): string {
  const bytes = Buffer.from(`${text}\0`.padEnd(Math.ceil((text.length + 1) / 8) * 8, "\0"), "latin1");
  const lines: string[] = [];
  for (let at = 0; at < bytes.length; at += 8) {
    lines.push(`r1 = ${bytes.readBigUInt64LE(at)} ll`, `*(u64 *)(r6 +${offset + at}) = r1`);
  }
  return lines.join("\n");
}

type Argument = string | number;
type Call = readonly [name: string, ...given: readonly Argument[]];

/** Results of these calls, as signed 32-bit numbers. Strings are put into the map; numbers are passed as they are. */
function answers(calls: readonly Call[]): number[] {
  const texts = [...new Set(calls.flatMap(([, ...given]) => given.filter((one) => typeof one === "string")))];
  let free = 1023;
  const places = new Map<string, number>();
  for (const text of texts) {
    free -= Math.ceil((text.length + 1) / 8) * 8;
    places.set(text, free & ~7);
  }
  const lines = texts.map((text) => put(text, places.get(text)!));
  for (const [index, [name, ...given]] of calls.entries()) {
    for (const [at, one] of given.entries()) {
      if (typeof one === "string") lines.push(`r${at + 1} = r6`, `r${at + 1} += ${places.get(one)!}`);
      else lines.push(`r${at + 1} = ${one}`);
    }
    lines.push(`call kfunc bpf_${name}`, keep(index));
  }
  const results = agreedResults({ results: calls.length, text: `${lines.join("\n")}\nr0 = 0\nexit` });
  return results.map((word) => Number(BigInt.asIntN(32, word)));
}

const [ENOENT, ERANGE] = [-2, -34];

test(`comparing strings${withKernel}`, () => {
  expect(
    answers([
      ["strcmp", "hello", "hello"],
      ["strcmp", "hello", "help"],
      ["strcmp", "hello", "hell"],
      ["strcmp", "\xff", "a"],
      ["strcmp", "", ""],
      ["strcasecmp", "HeLLo", "hello"],
      ["strcasecmp", "a", "B"],
      ["strcasecmp", "\xc4", "\xe4"],
      ["strcmp", 0, "a"],
      ["strcmp", "a", 77],
      ["strcasecmp", "[", "{"],
    ]),
  ).toEqual([0, -1, 1, 1, 0, 0, -1, 0, ERANGE, ERANGE, -1]);
});

test(`looking for a letter, and lengths${withKernel}`, () => {
  const l = "l".charCodeAt(0);
  expect(
    answers([
      ["strchr", "hello", l],
      ["strchr", "hello", 0],
      ["strchr", "hello", 120],
      ["strchrnul", "hello", 120],
      ["strchrnul", "hello", l],
      ["strnchr", "hello", 2, l],
      ["strnchr", "hello", 3, l],
      ["strnchr", "hello", 6, 0],
      ["strrchr", "hello", l],
      ["strrchr", "hello", 0],
      ["strrchr", "hello", 120],
      ["strlen", "hello"],
      ["strlen", ""],
      ["strnlen", "hello", 3],
      ["strnlen", "hello", 5],
      ["strnlen", "hello", 9],
      ["strnlen", "hello", 0],
      ["strlen", 0],
      ["strchr", "hello", 256 + l],
      ["strrchr", "hello", 256 + l],
    ]),
  ).toEqual([2, 5, ENOENT, 5, 2, ENOENT, 2, 5, 3, 5, ENOENT, 5, 0, 3, 5, 5, 0, ERANGE, 2, ENOENT]);
});

test(`stretches and substrings${withKernel}`, () => {
  expect(
    answers([
      ["strspn", "hello", "leh"],
      ["strspn", "hello", ""],
      ["strspn", "", "abc"],
      ["strcspn", "hello", "lo"],
      ["strcspn", "hello", "xyz"],
      ["strcspn", "hello", ""],
      ["strstr", "hello", "ll"],
      ["strstr", "hello", "llo"],
      ["strstr", "hello", "lol"],
      ["strstr", "hello", ""],
      ["strstr", "", "a"],
      ["strstr", "", ""],
      ["strnstr", "hello", "ll", 4],
      ["strnstr", "hello", "ll", 3],
      ["strnstr", "hello", "lo", 5],
      ["strnstr", "hello", "lo", 9],
      ["strnstr", "hello", "", 0],
      ["strnstr", "hello", "h", 0],
      ["strnstr", "hello", "hello", 5],
    ]),
  ).toEqual([4, 0, 0, 2, 5, 5, 2, 2, ENOENT, 0, ENOENT, 0, 2, ENOENT, 3, 3, 0, ENOENT, 0]);
});
