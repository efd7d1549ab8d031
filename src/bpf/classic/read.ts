import { failure, type Result, success } from "../../problem/index.ts";
import type { ClassicInstruction, ClassicProgram } from "./instruction.ts";
import { problems } from "./problems.ts";

const whole = /^\s*(\d+)\s*$/;
const four = /^\s*(\d+)\s+(\d+)\s+(\d+)\s+(\d+)\s*$/;
const braces = /^\s*\{\s*(0x[0-9a-f]+|\d+)\s*,\s*(0x[0-9a-f]+|\d+)\s*,\s*(0x[0-9a-f]+|\d+)\s*,\s*(0x[0-9a-f]+|\d+)\s*\}\s*$/i;

/** Whether a text begins like a program rather than like an expression: a count and lines of numbers, or rows in braces. */
export const looksLikeClassic = (text: string): boolean => /^\s*(\d+\s*[,\n]\s*\d+[ \t]+\d+[ \t]+\d+[ \t]+\d+|\{)/.test(text);

/**
 * Reads a program as `tcpdump -ddd` prints it (a count, then `code jt jf k` in decimal, a line or a comma after each, as iptables and ip have it too), or as
 * `tcpdump -dd` does (C initialisers).
 */
export function readClassic(text: string): Result<ClassicProgram> {
  return text.trimStart().startsWith("{") ? readInitialisers(text) : readNumbers(text);
}

function readNumbers(text: string): Result<ClassicProgram> {
  // A comma ends a row as a line does; empty ones at the end are left out.
  const rows = text.trimEnd().replace(/,$/, "").split(/[\n,]/);
  const count = Number(whole.exec(rows[0] ?? "")?.[1] ?? Number.NaN);
  if (Number.isNaN(count)) return fault("it begins with no count of instructions", 1);
  const program: ClassicInstruction[] = [];
  for (const [index, row] of rows.slice(1).entries()) {
    const instruction = instructionOf(four.exec(row));
    if (instruction === undefined) return fault(`"${row.trim()}" is not \`code jt jf k\` in range`, index + 2);
    program.push(instruction);
  }
  if (program.length !== count) return fault(`the count is ${count}, and ${program.length} instructions follow`, 1);
  return success(program);
}

function readInitialisers(text: string): Result<ClassicProgram> {
  const program: ClassicInstruction[] = [];
  for (const [index, line] of text.split("\n").entries()) {
    for (const row of line.match(/\{[^}]*\}?|[^\s,{}][^,{]*/g) ?? []) {
      const instruction = instructionOf(braces.exec(row));
      if (instruction === undefined) return fault(`"${row.trim()}" is not \`{ code, jt, jf, k }\` in range`, index + 1);
      program.push(instruction);
    }
  }
  return success(program);
}

/** An instruction from its four numbers; undefined when they are none, or too large for their fields. */
function instructionOf(match: RegExpExecArray | null): ClassicInstruction | undefined {
  if (match === null) return undefined;
  const [code, jt, jf, k] = match.slice(1).map(Number) as [number, number, number, number];
  return code <= 0xffff && jt <= 0xff && jf <= 0xff && k <= 0xffffffff ? { code, jt, jf, k } : undefined;
}

const fault = (reason: string, line: number) => failure(problems.classic_text({ reason }, { line }));
