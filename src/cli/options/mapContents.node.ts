import { readFileSync } from "node:fs";
import { LineCounter, parseDocument } from "yaml";
import { ProblemError } from "../../problem/index.ts";
import { problems } from "./problems.ts";

/** Contents for one map as the user wrote them, not yet held against the map's types. */
export interface MapContentsRequest {
  readonly map: string;
  /** A list of `{ key, value }`, or an object from keys to values. */
  readonly contents: unknown;
  /** The file they stand in, or the option itself. */
  readonly file: string;
}

/**
 * Reads a `--map`: `NAME=FILE`, `NAME={…}` or `NAME=[…]` for one map, or `FILE` for several (an object from map names to contents). JSON or YAML.
 */
export function readMapOption(text: string): MapContentsRequest[] {
  const [, name, rest] = /^([^=/\\{[]+)=([\s\S]+)$/.exec(text) ?? [];
  if (name === undefined || rest === undefined) {
    const several = parse(readText(text, text), text);
    if (typeof several !== "object" || several === null || Array.isArray(several))
      throw new ProblemError(problems.map_file_form({ file: text }, { file: text }));
    return Object.entries(several).map(([map, contents]) => ({ map, contents, file: text }));
  }
  if (/^[[{]/.test(rest)) return [{ map: name, contents: parse(rest, `--map ${name}`), file: `--map ${name}` }];
  return [{ map: name, contents: parse(readText(rest, text), rest), file: rest }];
}

function readText(path: string, option: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    const reason = error instanceof Error && "code" in error ? String(error.code) : String(error);
    throw new ProblemError(problems.map_file_unreadable({ option, path, reason }, { file: path }));
  }
}

function parse(text: string, file: string): unknown {
  const lineCounter = new LineCounter();
  // Numbers beyond 2^53 must not be rounded, so they stay bigints; aliases may not blow a small file up.
  const document = parseDocument(text, { lineCounter, intAsBigInt: true, prettyErrors: false });
  const [fault] = document.errors;
  if (fault !== undefined) {
    const { line, col } = lineCounter.linePos(fault.pos[0]);
    throw new ProblemError(problems.map_file_syntax({ reason: fault.message }, { file, line, column: col }));
  }
  try {
    return document.toJS({ maxAliasCount: 100, reviver: (_key, value) => (typeof value === "bigint" ? smallest(value) : value) });
  } catch (error) {
    throw new ProblemError(problems.map_file_syntax({ reason: error instanceof Error ? error.message : String(error) }, { file }));
  }
}

const smallest = (value: bigint): number | bigint =>
  value >= Number.MIN_SAFE_INTEGER && value <= Number.MAX_SAFE_INTEGER ? Number(value) : value;
