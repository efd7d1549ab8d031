import type { TestRunOutput } from "../testRun/index.ts";
import { type RowContext, type RowDump, type RowRun, toHex } from "./row.ts";

/** One thing that came out otherwise than in the kernel. */
export interface Difference {
  /** "run 2: retval", "run 1: map 3 (HASH)" */
  readonly what: string;
  readonly expected: string;
  readonly got: string;
}

/** Fields of the context as one text, in order of their names, without those that are 0. */
function contextText(context: RowContext | Readonly<Record<string, number | bigint>>): string {
  return Object.entries(context)
    .map(([name, value]) => [name, BigInt(value)] as const)
    .filter(([, value]) => value !== 0n)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, value]) => `${name}=${value}`)
    .join(" ");
}

/** Compares what a run gave with what was recorded, byte for byte. `maps`: dumps of the maps after the run, and their types. */
export function compareRun(
  label: string,
  recorded: RowRun,
  output: TestRunOutput,
  maps: readonly { readonly type: string; readonly dump: RowDump }[],
): Difference[] {
  const differences: Difference[] = [];
  const check = (what: string, expected: string, got: string): void => {
    if (expected !== got) differences.push({ what: `${label}: ${what}`, expected, got });
  };
  if (recorded.errno !== undefined || "errno" in output) {
    const got = "errno" in output ? `errno ${output.errno}` : `retval ${output.retval}`;
    check("test run", recorded.errno === undefined ? `retval ${recorded.retval}` : `errno ${recorded.errno}`, got);
  } else {
    check("retval", String(recorded.retval), String(output.retval));
    check("data", recorded.out ?? "", toHex(output.out));
    check("context", contextText(recorded.ctx_out ?? {}), contextText(output.context));
  }
  for (const [index, expected] of (recorded.maps ?? []).entries()) {
    const map = maps[index];
    check(`map ${index} (${map?.type})`, JSON.stringify(expected), JSON.stringify(map?.dump ?? null));
  }
  return differences;
}
