/** Where in the input a problem stands. Any part may be missing; what is there is printed. */
export interface Place {
  readonly file?: string;
  /** Byte offset in the file (after decompression, if `decompressed`). */
  readonly offset?: number | bigint;
  /** Instruction index in a program, and the program's name. */
  readonly program?: string;
  readonly instruction?: number;
  /** "file.c:18" from line information. */
  readonly source?: string;
  /** Line and column in a text file, from 1. */
  readonly line?: number;
  readonly column?: number;
  /** The element of a structured text, from the top: `ports[1].key.address`. Not printed: messages that have one begin with it. */
  readonly path?: string;
}

/** A fault in the input, ready to be shown: what, where, and what to do. Callers match `code`, never text. */
export interface Problem {
  readonly code: string;
  readonly message: string;
  readonly hint?: string;
  readonly at: Place;
  /** 1 expectation failed, 2 usage, 3 bad input, 4 rejected by the verifier. */
  readonly exit: 1 | 2 | 3 | 4;
}

export type Result<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly problem: Problem };

export const success = <T>(value: T): Result<T> => ({ ok: true, value });
export const failure = (problem: Problem): { readonly ok: false; readonly problem: Problem } => ({ ok: false, problem });

/** Thrown across layers that have no better way out; caught once, in the command line and at the library's border. */
export class ProblemError extends Error {
  readonly problem: Problem;
  constructor(problem: Problem) {
    super(problem.message);
    this.name = "ProblemError";
    this.problem = problem;
  }
}

export interface ProblemRow {
  /** Text with {placeholders}. */
  readonly message: string;
  readonly hint?: string;
  /** Exit code; 3 unless said. */
  readonly exit?: 1 | 2 | 3 | 4;
}

type Details = Readonly<Record<string, string | number | bigint>>;
type Maker = (details?: Details, at?: Place) => Problem;

const fill = (template: string, details: Details): string =>
  template.replace(/\{(\w+)\}/g, (whole, key: string) => (key in details ? String(details[key]) : whole));

const declared = new Map<string, ProblemRow>();

/** All rows of the program, by code: docs/errors.md and its test are made from them. */
export const allProblems: ReadonlyMap<string, ProblemRow> = declared;

/**
 * Declares a subject's problems: one row each, giving a function from details and place to a Problem. A detail `path` is the place's too.
 * Codes are unique over the whole program; a second declaration throws at import.
 */
export function defineProblems<const Rows extends Record<string, ProblemRow>>(rows: Rows): Readonly<Record<keyof Rows & string, Maker>> {
  const makers: Record<string, Maker> = {};
  for (const [code, row] of Object.entries(rows)) {
    if (declared.has(code)) throw new Error(`problem ${code} is declared twice`);
    declared.set(code, row);
    makers[code] = (details = {}, at = {}) => ({
      code,
      message: fill(row.message, details),
      ...(row.hint === undefined ? {} : { hint: fill(row.hint, details) }),
      at: typeof details.path === "string" ? { path: details.path, ...at } : at,
      exit: row.exit ?? 3,
    });
  }
  return makers as Readonly<Record<keyof Rows & string, Maker>>;
}
