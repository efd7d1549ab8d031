import type { ExpandedOutcome } from "../../dataplane/index.ts";
import { OutcomeCapture } from "../../report/index.ts";
import { OutputFile } from "./outputFile.node.ts";

/** Where outcomes go one by one: a JSONL file, a capture. What was written stays when the run ends early. */
export class OutcomeOutputs {
  readonly #files: OutputFile[] = [];
  readonly #jsonl: OutputFile | undefined;
  readonly #capture: OutcomeCapture | undefined;

  /** `jsonl` may be - for standard output. */
  constructor({ jsonl, capture, application }: { jsonl?: string; capture?: string; application: string }) {
    if (jsonl !== undefined) this.#jsonl = this.#create(jsonl);
    if (capture !== undefined) {
      const file = this.#create(capture);
      this.#capture = new OutcomeCapture((chunk) => file.write(chunk), application);
    }
  }

  get wanted(): boolean {
    return this.#jsonl !== undefined || this.#capture !== undefined;
  }

  get wantsBytes(): boolean {
    return this.#capture !== undefined;
  }

  write(expanded: ExpandedOutcome): void {
    this.#capture?.write(expanded);
    this.#jsonl?.writeJson(expanded.outcome);
  }

  /** Writes what is left and closes the files. Throws a Problem where a file takes no more; the files are closed then too. */
  close(): void {
    const files = this.#files.splice(0);
    try {
      this.#capture?.finish();
    } finally {
      closeAll(files);
    }
  }

  #create(path: string): OutputFile {
    const file = new OutputFile(path);
    this.#files.push(file);
    return file;
  }
}

/** Closes all, whatever the first of them fails with. */
function closeAll([first, ...others]: readonly OutputFile[]): void {
  try {
    first?.close();
  } finally {
    if (others.length > 0) closeAll(others);
  }
}
