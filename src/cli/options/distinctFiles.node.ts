import { statSync } from "node:fs";
import { resolve } from "node:path";
import { ProblemError } from "../../problem/index.ts";
import { problems } from "./problems.ts";

/**
 * Refuses an output that is another named file too, under whatever name: it would be emptied while it is read, or hold two outputs in turn. `files`: what
 * names the file, and the file; `-` and what is no regular file (a terminal, /dev/null) may be named twice.
 */
export function checkDistinctFiles(files: readonly (readonly [option: string, file: string | undefined])[]): void {
  const seen = new Map<string, string>();
  for (const [option, file] of files) {
    if (file === undefined || file === "-") continue;
    const identity = identityOf(file);
    if (identity === undefined) continue;
    const first = seen.get(identity);
    if (first !== undefined) throw new ProblemError(problems.option_same_file({ first, second: option }, { file }));
    seen.set(identity, option);
  }
}

/** Device and inode of a regular file, the whole path of one that is not there yet; undefined for what is no regular file. */
function identityOf(file: string): string | undefined {
  try {
    const found = statSync(file, { bigint: true, throwIfNoEntry: false });
    if (found === undefined) return resolve(file);
    return found.isFile() ? `${found.dev}:${found.ino}` : undefined;
  } catch {
    // Whoever opens it says why it cannot be reached.
    return undefined;
  }
}
