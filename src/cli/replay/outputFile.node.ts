import { closeSync, openSync, writeSync } from "node:fs";
import { fileFault } from "../../problem/fileFault.node.ts";
import { ProblemError } from "../../problem/index.ts";
import { problems } from "../options/problems.ts";

/** Text is handed to the file in pieces of about this many characters. */
const PIECE = 1 << 16;

/** A file that a replay writes while it runs; - is standard output. What was written stays when the run ends early. */
export class OutputFile {
  readonly #path: string;
  readonly #descriptor: number;
  readonly #own: boolean;
  #text = "";
  #open = true;

  /** Throws a Problem for a file that cannot be written. */
  constructor(path: string) {
    this.#own = path !== "-";
    this.#path = this.#own ? path : "standard output";
    try {
      this.#descriptor = this.#own ? openSync(path, "w") : process.stdout.fd;
    } catch (error) {
      throw this.#unwritable(error);
    }
  }

  /** Adds a line of JSON. */
  writeJson(value: unknown): void {
    this.#text += `${JSON.stringify(value)}\n`;
    if (this.#text.length > PIECE) this.#flush();
  }

  /** Writes bytes; not to be mixed with lines. */
  write(bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length; ) {
      try {
        at += writeSync(this.#descriptor, bytes, at);
      } catch (error) {
        const { code } = error as NodeJS.ErrnoException;
        // A reader that went away is no fault of the output.
        if (code === "EPIPE") throw error;
        // A pipe that is full for the moment.
        if (code !== "EAGAIN") throw this.#unwritable(error);
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 5);
      }
    }
  }

  /** Writes what is left and closes the file. Throws a Problem where it takes no more; it is closed then too. */
  close(): void {
    if (!this.#open) return;
    this.#open = false;
    try {
      this.#flush();
    } finally {
      if (this.#own) closeSync(this.#descriptor);
    }
  }

  #flush(): void {
    const text = this.#text;
    this.#text = "";
    if (text !== "") this.write(Buffer.from(text));
  }

  #unwritable(error: unknown): ProblemError {
    return new ProblemError(problems.output_unwritable({ reason: fileFault(error) }, { file: this.#path }));
  }
}
