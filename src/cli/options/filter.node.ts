import { readFileSync } from "node:fs";
import { looksLikeClassic, readClassic } from "../../bpf/classic/index.ts";
import { fileFault } from "../../problem/fileFault.node.ts";
import { ProblemError } from "../../problem/index.ts";
import type { FilterRequest } from "../../report/index.ts";
import { problems } from "./problems.ts";

/**
 * Reads a `--filter`: an expression of pcap-filter(7), a program as `tcpdump -dd` or `-ddd` prints it (rows may end in commas instead of lines, as iptables has them),
 * or `@FILE` with either. A text is never taken for a path without the @: `tcp` may be a file too.
 */
export function readFilterOption(option: string): FilterRequest {
  const file = option.startsWith("@") ? option.slice(1) : undefined;
  const text = file === undefined ? option : readText(file);
  const where = file === undefined ? {} : { file };
  if (!looksLikeClassic(text)) return { kind: "expression", text, ...where };
  const program = readClassic(text);
  if (!program.ok) throw new ProblemError({ ...program.problem, at: { ...where, ...program.problem.at } });
  return { kind: "program", program: program.value, ...where };
}

function readText(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    throw new ProblemError(problems.filter_unreadable({ reason: fileFault(error) }, { file: path }));
  }
}
