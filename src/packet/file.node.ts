import { closeSync, fstatSync, openSync, readSync } from "node:fs";
import { fileFault } from "../problem/fileFault.node.ts";
import { ProblemError } from "../problem/index.ts";
import type { ByteSource } from "./byteSource.ts";
import { problems } from "./problems.ts";

/** Opens a file for reading from its start. Reads are synchronous: nothing is gained by waiting for a disk that the page cache stands before. */
export function bytesFromFile(path: string): ByteSource {
  const descriptor = attempt(path, () => openSync(path, "r"));
  const stat = attempt(path, () => fstatSync(descriptor));
  let open = true;
  return {
    // A pipe or device has no size that means anything.
    ...(stat.isFile() ? { size: stat.size } : {}),
    read: (into) => attempt(path, () => readSync(descriptor, into, 0, into.length, null)),
    close() {
      if (open) closeSync(descriptor);
      open = false;
    },
  };
}

function attempt<T>(path: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw new ProblemError(problems.capture_unreadable({ reason: fileFault(error) }, { file: path }));
  }
}
