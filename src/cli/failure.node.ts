import pc from "picocolors";
import { type Place, type Problem, ProblemError } from "../problem/index.ts";

/** Where a problem stands, as one line: `file:12:5`, `file, offset 0x18`, `program drop, instruction 12 (drop.c:18)`. */
export function describePlace(at: Place): string {
  const parts: string[] = [];
  if (at.file !== undefined)
    parts.push(at.line === undefined ? at.file : `${at.file}:${at.line}${at.column === undefined ? "" : `:${at.column}`}`);
  if (at.offset !== undefined) parts.push(`offset ${at.offset} (0x${at.offset.toString(16)})`);
  if (at.program !== undefined) parts.push(`program ${at.program}`);
  if (at.instruction !== undefined) parts.push(`instruction ${at.instruction}`);
  if (at.source !== undefined) parts.push(at.source);
  return parts.join(", ");
}

/** A problem as the command line shows it: what, where, and what to do. Ends with a newline. */
export function formatProblem(problem: Problem): string {
  const place = describePlace(problem.at);
  const lines = [`${pc.red("error")}: ${problem.message}`];
  if (place !== "") lines.push(`   in: ${place}`);
  if (problem.hint !== undefined) lines.push(`  try: ${problem.hint}`);
  return `${lines.join("\n")}\n`;
}

/** Shows what went wrong on standard error and gives the exit code. Only a Problem is expected; anything else is a fault of xdplane. */
export function reportFailure(error: unknown): number {
  if (error instanceof ProblemError) {
    process.stderr.write(formatProblem(error.problem));
    return error.problem.exit;
  }
  const detail = error instanceof Error ? (error.stack ?? error.message) : String(error);
  process.stderr.write(`${pc.red("error")}: xdplane itself failed; please report this with the command and its input\n${detail}\n`);
  return 70;
}
