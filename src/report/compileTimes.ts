import type { BenchMachine, CompileTimes } from "../lab/index.ts";
import { machineLine, markdownTable } from "./bench.ts";
import { byteCount, count } from "./quantity.ts";
import { type Column, plainTable } from "./table.ts";

const columns: readonly Column[] = [
  { heading: "shape" },
  { heading: "instructions", right: true },
  { heading: "check", right: true },
  { heading: "translate", right: true },
  { heading: "V8", right: true },
  { heading: "ms", right: true },
  { heading: "ms/1,000", right: true },
  { heading: "spread", right: true },
  { heading: "wasm", right: true },
];

const cells = ({ shape, lengths }: CompileTimes): string[][] =>
  lengths.map(({ instructions, check, translate, engine, total, wasmBytes }) => [
    shape,
    count(instructions),
    ...[check, translate, engine, total].map(({ median }) => median.toFixed(1)),
    ((total.median / instructions) * 1000).toFixed(2),
    `${(total.spread * 100).toFixed(0)} %`,
    byteCount(wasmBytes),
  ]);

/** The straight lines through the medians of each shape. */
const fitLines = (times: readonly CompileTimes[]): string[] =>
  times.map(
    ({ shape, fit: { constant, slope, determination } }) =>
      `${shape}: ${(slope * 1000).toFixed(2)} ms per 1,000 instructions and ${constant.toFixed(1)} ms, R² ${determination.toFixed(4)}`,
  );

/** Compile times for a terminal. */
export const compileText = (times: readonly CompileTimes[]): string =>
  `${plainTable(columns, times.flatMap(cells))}\n${fitLines(times)
    .map((line) => ` ${line}`)
    .join("\n")}\n`;

const method = `Programs of 1,000 to 1,000,000 instructions are made of units of one kind, one after the other ("mixed": of all kinds in disorder), and taken from their bytes to the end of
their first run: the structural checks, the translation to a WebAssembly module, and V8's part, which validates and instantiates the module and compiles each of its
functions when it is first called; a run goes through all of them. Times are milliseconds, medians of the rounds; spread is the greatest less the smallest total in
parts of the median. The process is warm: each shape was compiled once before, at 100,000 instructions. The lines are least squares through the medians.`;

/** Compile times for a file. */
export function compileMarkdown(times: readonly CompileTimes[], machine: BenchMachine): string {
  return [
    "# Compile times",
    "",
    method,
    "",
    machineLine(machine),
    "Repeat with `npm run bench`.",
    "",
    ...markdownTable(columns, times.flatMap(cells)),
    "",
    ...fitLines(times).map((line) => `- ${line}`),
    "",
  ].join("\n");
}
