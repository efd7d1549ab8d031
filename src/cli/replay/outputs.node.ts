import { closeSync, openSync, writeSync } from "node:fs";
import type { ExpandedOutcome } from "../../dataplane/index.ts";
import { ProblemError } from "../../problem/index.ts";
import { OutcomeCapture } from "../../report/index.ts";
import { problems } from "../options/problems.ts";

/** Text is handed to the file in pieces of about this many characters. */
const PIECE = 1 << 16;

/** Where outcomes go one by one: a JSONL file, a capture. What was written stays when the run ends early. */
export class OutcomeOutputs {
  readonly #files: number[] = [];
  #jsonl: number | undefined;
  #capture: OutcomeCapture | undefined;
  #text = "";

  /** `jsonl` may be - for standard output. */
  constructor({ jsonl, capture, application }: { jsonl?: string; capture?: string; application: string }) {
    if (jsonl !== undefined) this.#jsonl = jsonl === "-" ? process.stdout.fd : this.#create(jsonl);
    if (capture !== undefined) {
      const file = this.#create(capture);
      this.#capture = new OutcomeCapture((chunk) => writeAll(file, chunk), application);
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
    if (this.#jsonl === undefined) return;
    this.#text += `${JSON.stringify(expanded.outcome)}\n`;
    if (this.#text.length > PIECE) this.#flushText();
  }

  close(): void {
    this.#flushText();
    this.#capture?.finish();
    for (const file of this.#files) closeSync(file);
  }

  #flushText(): void {
    if (this.#jsonl !== undefined && this.#text !== "") writeAll(this.#jsonl, Buffer.from(this.#text));
    this.#text = "";
  }

  #create(path: string): number {
    try {
      const file = openSync(path, "w");
      this.#files.push(file);
      return file;
    } catch (error) {
      const reason = error instanceof Error && "code" in error ? String(error.code) : String(error);
      throw new ProblemError(problems.output_unwritable({ reason }, { file: path }));
    }
  }
}

function writeAll(file: number, bytes: Uint8Array): void {
  for (let at = 0; at < bytes.length; ) {
    try {
      at += writeSync(file, bytes, at);
    } catch (error) {
      // A pipe that is full for the moment.
      if ((error as NodeJS.ErrnoException).code !== "EAGAIN") throw error;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 5);
    }
  }
}
