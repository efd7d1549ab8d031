import { readFileSync } from "node:fs";
import { type CheckedClassic, checkClassic, compileFilter, type FilterTarget, readClassic } from "../../../src/bpf/classic/index.ts";
import type { Result } from "../../../src/problem/index.ts";

/** The expressions that are compared with tcpdump, one a line. */
export const expressions: readonly string[] = readFileSync(new URL("expressions.txt", import.meta.url), "utf8")
  .split("\n")
  .filter((line) => line !== "" && !line.startsWith("#"));

/** What `tcpdump -ddd` of libpcap 1.10.3 prints for each on Ethernet, lines joined by commas; null where it says that the expression rejects all packets. */
export const recordedFile = new URL("recorded.json", import.meta.url);
export const recorded = (): Readonly<Record<string, string | null>> =>
  JSON.parse(readFileSync(recordedFile, "utf8")) as Record<string, string | null>;

export function taken<T>(result: Result<T>): T {
  if (result.ok) return result.value;
  throw new Error(`${result.problem.message} (${result.problem.hint ?? ""})`);
}

/** tcpdump's code, which may loop. What rejects all packets is `ret #0`. */
export const theirs = (code: string | null): CheckedClassic =>
  taken(checkClassic(taken(readClassic(code ?? "1,6 0 0 0")), { rules: "libpcap" }));

export const ours = (expression: string, target?: FilterTarget): CheckedClassic =>
  taken(checkClassic(taken(compileFilter(expression, target))));
