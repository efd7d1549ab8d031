import { readFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";
import { fileFault } from "../../problem/fileFault.node.ts";
import { ProblemError } from "../../problem/index.ts";
import { problems } from "./problems.ts";

const GZIP = [0x1f, 0x8b];

/** The text of a file of recorded cases, gzip or plain. Throws a Problem where it cannot be read. */
export function readCaseFile(path: string): string {
  try {
    const bytes = readFileSync(path);
    const compressed = bytes[0] === GZIP[0] && bytes[1] === GZIP[1];
    return (compressed ? gunzipSync(bytes) : bytes).toString("utf8");
  } catch (error) {
    throw new ProblemError(problems.case_file_unreadable({ why: fileFault(error) }, { file: path }));
  }
}
