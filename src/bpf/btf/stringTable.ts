import { ProblemError } from "../../problem/index.ts";
import type { FileRange } from "./fileRange.ts";
import { btfProblems } from "./problems.ts";

const decoder = new TextDecoder();

/**
 * A table of zero-terminated strings, addressed by byte offset, as ELF and BTF keep their names. Offset 0 is the empty string.
 * A damaged file may point at every byte of one long string: all strings together may be at most 16 times as long as the table.
 */
export class StringTable {
  readonly #range: FileRange;
  readonly #what: string;
  readonly #known = new Map<number, string>();
  #budget: number;

  constructor(range: FileRange, what: string) {
    this.#range = range;
    this.#what = what;
    this.#budget = range.length * 16 + 4096;
  }

  /** The string at `offset`, without its zero. Throws a ProblemError when there is none. */
  at(offset: number): string {
    if (offset === 0) return "";
    const known = this.#known.get(offset);
    if (known !== undefined) return known;
    const { bytes } = this.#range;
    if (offset >= bytes.length)
      throw new ProblemError(
        btfProblems.object_cut({ what: `a name of ${this.#what} at offset ${offset}`, need: 1, have: 0 }, this.#range.place(bytes.length)),
      );
    const end = bytes.indexOf(0, offset);
    if (end === -1) throw new ProblemError(btfProblems.object_string_unterminated({ at: offset }, this.#range.place(offset)));
    this.#budget -= end - offset;
    if (this.#budget < 0) throw new ProblemError(btfProblems.object_strings_too_long({ what: this.#what }, this.#range.place(offset)));
    const text = decoder.decode(bytes.subarray(offset, end));
    this.#known.set(offset, text);
    return text;
  }
}
