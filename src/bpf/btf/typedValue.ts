import { failure, type Place, type Problem, ProblemError, type Result, success } from "../../problem/index.ts";
import { stripped } from "./layout.ts";
import { btfProblems } from "./problems.ts";
import type { Btf, BtfComposite, BtfMember } from "./types.ts";

/**
 * A value as JSON can hold it, by its type: integers as numbers (as decimal strings beyond 2^53), bool as true and false, enumerators by
 * name, pointers as "0x…", arrays as lists, arrays of char as strings where they are printable text, structs and unions as objects (members of
 * anonymous members stand among their own, as in C), floats as numbers. What has no such form is a string of hexadecimal bytes.
 */
export type TypedValue = number | string | boolean | readonly TypedValue[] | { readonly [member: string]: TypedValue };

/**
 * A value as a program handles it, by its type alone: integers of up to 4 bytes are numbers, those of 8 and 16 and pointers are bigints, bool is true unless it
 * holds 0, enumerators are their names (a value without a name is a number), floats are numbers, arrays of char are strings with one letter a
 * byte and without the zeros at the end, arrays of other unsigned bytes are Uint8Arrays, other arrays are lists, structs and unions are objects (members of anonymous
 * members stand among their own).
 */
export type PlainValue =
  | number
  | bigint
  | boolean
  | string
  | Uint8Array
  | readonly PlainValue[]
  | { readonly [member: string]: PlainValue };

/** Members and elements that one value may expand to: a union of unions of … grows without bound. */
const NODE_LIMIT = 1_000_000;
const DEPTH_LIMIT = 64;

/** Keeps where in a value a walk over it stands, for its problems, and how much it has met. */
export class ValueWalk {
  readonly btf: Btf;
  readonly #path: string[];
  #nodes = 0;

  constructor(btf: Btf, root: string) {
    this.btf = btf;
    this.#path = [root];
  }

  /** Goes into a member (`.name`) or element (`[3]`). */
  inside<T>(step: string, visit: () => T): T {
    this.#path.push(step);
    if (this.#path.length > DEPTH_LIMIT) this.fail("value_too_complex", { limit: NODE_LIMIT });
    this.count();
    const result = visit();
    this.#path.pop();
    return result;
  }

  /** Counts a member that was met. */
  count(): void {
    this.#nodes++;
    if (this.#nodes > NODE_LIMIT) this.fail("value_too_complex", { limit: NODE_LIMIT });
  }

  fail(code: keyof typeof btfProblems, details: Readonly<Record<string, string | number | bigint>> = {}): never {
    throw new ProblemError(btfProblems[code]({ path: this.#path.join(""), ...details }));
  }
}

/** A value that somebody gave, for a problem's text: as JSON (bigints as digits), cut to 60 letters. Whatever it is, this does not throw. */
export function shown(value: unknown): string {
  let text: string;
  try {
    text = JSON.stringify(value, (_key, one: unknown) => (typeof one === "bigint" ? `${one}n` : one)) ?? "nothing";
  } catch {
    text = "something that refers to itself";
  }
  return text.length > 60 ? `${text.slice(0, 59)}…` : text.replace(/^"(-?\d+)n"$/, "$1");
}

/** A member of a composite under the name by which values know it; what is unnamed and has no members of its own (padding) is left out. */
export interface NamedMember {
  readonly name: string;
  readonly member: BtfMember;
  /** Bits from the start of the composite that was asked about. */
  readonly bitOffset: number;
}

/** The members of a struct or union by name, those of anonymous members among them. */
export function namedMembers(walk: ValueWalk, type: BtfComposite, base = 0, found: NamedMember[] = [], depth = 0): NamedMember[] {
  if (depth > DEPTH_LIMIT) walk.fail("value_too_complex", { limit: NODE_LIMIT });
  for (const member of type.members) {
    walk.count();
    if (member.name !== "") {
      found.push({ name: member.name, member, bitOffset: base + member.bitOffset });
      continue;
    }
    const inner = stripped(walk.btf, member.type);
    if (inner.kind === "struct" || inner.kind === "union") namedMembers(walk, inner, base + member.bitOffset, found, depth + 1);
  }
  return found;
}

/** Runs what may throw a ProblemError at a border that gives a Result. */
export function asResult<T>(make: () => T, at: Place = {}): Result<T> {
  try {
    return success(make());
  } catch (error) {
    if (!(error instanceof ProblemError)) throw error;
    const problem: Problem = { ...error.problem, at: { ...at, ...error.problem.at } };
    return failure(problem);
  }
}

/** Bits of a number in memory, `size` bytes from `at`, as an unsigned bigint. */
export function readInteger(bytes: Uint8Array, at: number, size: number, littleEndian: boolean): bigint {
  let value = 0n;
  for (let index = 0; index < size; index++) value = (value << 8n) | BigInt(bytes[littleEndian ? at + size - 1 - index : at + index]!);
  return value;
}

export function writeInteger(bytes: Uint8Array, at: number, size: number, littleEndian: boolean, value: bigint): void {
  let rest = BigInt.asUintN(size * 8, value);
  for (let index = 0; index < size; index++) {
    bytes[littleEndian ? at + index : at + size - 1 - index] = Number(rest & 0xffn);
    rest >>= 8n;
  }
}

/**
 * The bytes that hold a bitfield, and its place in the integer they form: bits count from the least significant in little-endian objects and from
 * the most significant in big-endian ones.
 */
export function bitfieldWindow(
  bitOffset: number,
  bits: number,
  littleEndian: boolean,
): { readonly at: number; readonly size: number; readonly shift: bigint } {
  const at = Math.floor(bitOffset / 8);
  const size = Math.ceil((bitOffset + bits) / 8) - at;
  const low = bitOffset - at * 8;
  return { at, size, shift: BigInt(littleEndian ? low : size * 8 - low - bits) };
}
