import { closeSync, openSync, writeSync } from "node:fs";
import type { ExpandedOutcome } from "../../dataplane/index.ts";
import { fileFault } from "../../problem/fileFault.node.ts";
import { ProblemError } from "../../problem/index.ts";
import { OutcomeCapture } from "../../report/index.ts";
import { problems } from "../options/problems.ts";

/** Text is handed to the file in pieces of about this many characters. */
const PIECE = 1 << 16;

/** Where outcomes go one by one: a JSONL file, a capture. What was written stays when the run ends early. */
export class OutcomeOutputs {
  readonly #files: OutputFile[] = [];
  #jsonl: OutputFile | undefined;
  #capture: OutcomeCapture | undefined;
  #text = "";

  /** `jsonl` may be - for standard output. */
  constructor({ jsonl, capture, application }: { jsonl?: string; capture?: string; application: string }) {
    if (jsonl !== undefined) this.#jsonl = jsonl === "-" ? { path: "standard output", descriptor: process.stdout.fd } : this.#create(jsonl);
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

  /** Writes what is left and closes the files. Throws a Problem where a file takes no more; the files are closed then too. */
  close(): void {
    try {
      this.#flushText();
      this.#capture?.finish();
    } finally {
      for (const { descriptor } of this.#files.splice(0)) closeSync(descriptor);
    }
  }

  #flushText(): void {
    const text = this.#text;
    this.#text = "";
    if (this.#jsonl !== undefined && text !== "") writeAll(this.#jsonl, Buffer.from(text));
  }

  #create(path: string): OutputFile {
    try {
      const file = { path, descriptor: openSync(path, "w") };
      this.#files.push(file);
      return file;
    } catch (error) {
      throw unwritable(path, error);
    }
  }
}

interface OutputFile {
  readonly path: string;
  readonly descriptor: number;
}

function unwritable(path: string, error: unknown): ProblemError {
  return new ProblemError(problems.output_unwritable({ reason: fileFault(error) }, { file: path }));
}

function writeAll({ path, descriptor }: OutputFile, bytes: Uint8Array): void {
  for (let at = 0; at < bytes.length; ) {
    try {
      at += writeSync(descriptor, bytes, at);
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      // A reader that went away is no fault of the output.
      if (code === "EPIPE") throw error;
      // A pipe that is full for the moment.
      if (code !== "EAGAIN") throw unwritable(path, error);
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 5);
    }
  }
}
