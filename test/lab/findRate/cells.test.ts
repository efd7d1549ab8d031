import { readFileSync, writeFileSync } from "node:fs";
import { expect, test } from "vitest";
import { RateMachine } from "../../../src/lab/findRate/findRate.ts";
import { builtInProgram } from "../../../src/lab/findRate/programs.ts";
import { drops, type MeasuredCell, passes, redirects, transmits } from "./paper.ts";

const PAGE = "docs/timing.md";
const [BEGIN, END] = ["<!-- cells: written by test/lab/findRate/cells.test.ts -->\n", "<!-- end of cells -->\n"];

interface Predicted extends MeasuredCell {
  readonly model: number;
  /** Model to measured, less 1. */
  readonly error: number;
}

async function predict(cell: MeasuredCell): Promise<Predicted> {
  const machine = await RateMachine.open({ ...cell, program: builtInProgram(cell.action) });
  const model = (await machine.carried()) / 1e6;
  return { ...cell, model, error: model / cell.measured - 1 };
}

async function predictAll(cells: readonly MeasuredCell[]): Promise<Predicted[]> {
  const predicted: Predicted[] = [];
  for (const cell of cells) predicted.push(await predict(cell));
  return predicted;
}

const sign = (share: number): string => `${share < 0 ? "−" : "+"}${Math.abs(share * 100).toFixed(1)} %`;

function tableOf(cells: readonly Predicted[]): string {
  const lines = cells.map(
    ({ action, ring, queues, measured, model, error, fits }) =>
      `| ${action} | ${ring} | ${queues} | ${measured.toFixed(2)} | ${model.toFixed(2)} | ${sign(error)} | ${fits ?? ""} |`,
  );
  return ["", "| action | ring | queues | measured | model | error | sets |", "|---|--:|--:|--:|--:|--:|---|", ...lines, "", ""].join("\n");
}

test("the model meets the XDP paper's figures, and docs/timing.md shows all of them (UPDATE_DOCS=1 writes the table anew)", async () => {
  const cells = await predictAll([...drops, ...redirects, ...transmits, ...passes]);
  const beyond = (action: string, most: number) => cells.filter((cell) => cell.action === action && Math.abs(cell.error) > most);
  expect(beyond("drop", 0.1)).toEqual([]);
  expect(beyond("redirect", 0.1)).toEqual([]);
  expect(beyond("pass", 0.1)).toEqual([]);
  // XDP_TX at its limit, which nothing was fitted to; the cells on the way there are not as good.
  expect(cells.filter(({ action, measured, error }) => action === "tx" && measured > 68 && Math.abs(error) > 0.1)).toEqual([]);
  expect(beyond("tx", 0.12)).toEqual([]);
  const page = readFileSync(PAGE, "utf8");
  const [before, rest] = page.split(BEGIN);
  const after = rest?.split(END)[1];
  const wanted = `${before}${BEGIN}${tableOf(cells)}${END}${after}`;
  if (process.env.UPDATE_DOCS) writeFileSync(PAGE, wanted);
  else expect(page).toBe(wanted);
}, 120_000);
