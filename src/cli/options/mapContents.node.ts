import { readFileSync } from "node:fs";
import { type Document, isAlias, isMap, isNode, isScalar, isSeq, LineCounter, type Node, parseDocument, visit } from "yaml";
import { fileFault } from "../../problem/fileFault.node.ts";
import { type Place, ProblemError } from "../../problem/index.ts";
import { problems } from "./problems.ts";

/** Contents for one map as the user wrote them, not yet held against the map's types. */
export interface MapContentsRequest {
  readonly map: string;
  /** A list of `{ key, value }`, or an object from keys to values. */
  readonly contents: unknown;
  /** The file they stand in, or the option itself. */
  readonly file: string;
  /** Where an element stands in that file: `path` as problems have it (`ports[1].key.address`), or as far as it can be followed. */
  readonly place: (path?: string) => Place;
}

/** A text that was read: its value, and where parts of it stand. */
interface ReadText {
  readonly value: unknown;
  readonly file: string;
  readonly place: (steps: readonly string[]) => Place;
}

/**
 * Reads a `--map`: `NAME=FILE`, `NAME={…}` or `NAME=[…]` for one map, or `FILE` for several (an object from map names to contents). JSON or YAML.
 */
export function readMapOption(text: string): MapContentsRequest[] {
  const [, name, rest] = /^([^=/\\{[]+)=([\s\S]+)$/.exec(text) ?? [];
  if (name === undefined || rest === undefined) {
    const several = parse(readText(text, text), text);
    if (typeof several.value !== "object" || several.value === null || Array.isArray(several.value))
      throw new ProblemError(problems.map_file_form({ file: text }, several.place([])));
    return Object.entries(several.value).map(([map, contents]) => request(map, contents, several, [map]));
  }
  const one = /^[[{]/.test(rest) ? parse(rest, `--map ${name}`) : parse(readText(rest, text), rest);
  return [request(name, one.value, one, [])];
}

const request = (map: string, contents: unknown, { file, place }: ReadText, above: readonly string[]): MapContentsRequest => ({
  ...{ map, contents, file },
  place: (path = map) => place([...above, ...stepsOf(path.startsWith(map) ? path.slice(map.length) : "")]),
});

/** The steps of `[1].key.address`. */
const stepsOf = (path: string): string[] =>
  [...path.matchAll(/\[([^\]]*)\]|\.([^.[\]]+)/g)].map(([, index, member]) => index ?? member ?? "");

function readText(path: string, option: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    throw new ProblemError(problems.map_file_unreadable({ option, path, reason: fileFault(error) }, { file: path }));
  }
}

function parse(text: string, file: string): ReadText {
  const lineCounter = new LineCounter();
  const placeAt = (offset: number): Place => {
    const { line, col } = lineCounter.linePos(offset);
    // An empty text has no lines that could be counted.
    return { file, line: Math.max(line, 1), column: Math.max(col, 1) };
  };
  // Numbers beyond 2^53 must not be rounded, so they stay bigints; aliases may not blow a small file up.
  const document = parseDocument(text, { lineCounter, intAsBigInt: true, prettyErrors: false });
  const [fault] = document.errors;
  if (fault !== undefined) throw new ProblemError(problems.map_file_syntax({ reason: fault.message }, placeAt(fault.pos[0])));
  try {
    const value: unknown = document.toJS({
      maxAliasCount: 100,
      reviver: (_key, one) => (typeof one === "bigint" ? smallest(one) : one),
    });
    return { value, file, place: (steps) => placeAt(offsetOf(document, steps)) };
  } catch (error) {
    const reason =
      error instanceof RangeError ? "an alias stands within what it names" : error instanceof Error ? error.message : String(error);
    throw new ProblemError(problems.map_file_syntax({ reason }, placeAt(firstAlias(document))));
  }
}

/** Where the element stands that the steps lead to, or the last one on the way to it. */
function offsetOf(document: Document.Parsed, steps: readonly string[]): number {
  let node: unknown = document.contents;
  let offset = document.contents?.range?.[0] ?? 0;
  for (const step of steps) {
    if (isAlias(node)) node = node.resolve(document);
    if (isMap(node)) {
      const pair = node.items.find(({ key }) => (isScalar(key) ? String(key.value) : String(key)) === step);
      if (pair === undefined) break;
      offset = startOf(pair.key) ?? offset;
      node = pair.value;
    } else if (isSeq(node)) {
      node = node.items[Number(step)];
      if (node === undefined) break;
      offset = startOf(node) ?? offset;
    } else break;
  }
  return offset;
}

const startOf = (node: unknown): number | undefined => (isNode(node) ? node.range?.[0] : undefined);

/** What cannot be made a value although it was read is an alias: one that names nothing, or too much. */
function firstAlias(document: Document.Parsed): number {
  let found: Node | undefined;
  visit(document, {
    Alias(_key, node) {
      found ??= node;
      if (node.resolve(document) !== undefined) return;
      found = node;
      return visit.BREAK;
    },
  });
  return startOf(found) ?? 0;
}

const smallest = (value: bigint): number | bigint =>
  value >= Number.MIN_SAFE_INTEGER && value <= Number.MAX_SAFE_INTEGER ? Number(value) : value;
