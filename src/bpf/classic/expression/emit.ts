import { type ClassicInstruction, type ClassicRow, classicRows, SCRATCH_WORDS } from "../instruction.ts";
import { ACCEPT, type Block, type End, inOrder, REJECT, successors, type Target } from "./graph.ts";
import type { Value } from "./value.ts";

/** What the registers hold where a block begins; undefined: nothing that is known. */
interface Registers {
  readonly a: Value | undefined;
  readonly x: Value | undefined;
}

type RowLike = { readonly [Key in keyof ClassicRow]?: unknown } & Readonly<Record<string, unknown>>;

const codes = new Map<string, number>();

/** The code of the row with these properties. */
function codeOf(wanted: RowLike): number {
  const key = JSON.stringify(wanted);
  let code = codes.get(key);
  if (code === undefined) {
    const row = classicRows.find((candidate) =>
      Object.entries(wanted).every(([name, value]) => (candidate as unknown as RowLike)[name] === value),
    );
    if (row === undefined) throw new TypeError(`no row ${key}`);
    code = row.code;
    codes.set(key, code);
  }
  return code;
}

/** The program needs more scratch words than there are. */
export class OutOfScratch extends Error {}

/**
 * The instructions of a graph: blocks in order, each computing only what its registers do not hold on all ways to it. `stored`: scratch words that the graph's
 * own stores use, from 0 on; those behind them hold what is being computed. Throws OutOfScratch.
 */
export function emit(start: Target, returned: number, stored: number): ClassicInstruction[] {
  const order = inOrder(start);
  const entries = new Map<Block, Registers>();
  const pieces: Piece[] = [];
  for (const block of order) {
    const writer = new BlockWriter(entries.get(block) ?? { a: undefined, x: undefined }, stored);
    if (block.kind === "test") writer.test(block.left, block.right);
    else writer.store(block.slot, block.value);
    pieces.push({ block, code: writer.code });
    for (const target of block.kind === "test" ? [block.onTrue, block.onFalse] : [block.next]) {
      if (typeof target === "number") continue;
      const before = entries.get(target);
      const { a, x } = writer;
      entries.set(target, before === undefined ? { a, x } : { a: before.a === a ? a : undefined, x: before.x === x ? x : undefined });
    }
  }
  const merged = withTailsMerged(start, pieces);
  return placed(merged.start, merged.pieces, returned);
}

interface Piece {
  readonly block: Block;
  readonly code: readonly ClassicInstruction[];
}

/**
 * Blocks whose instructions are the same and lead to the same places become one, whatever the registers held before them meant: a test for TCP's ports is the same
 * behind IPv4 and IPv6.
 */
function withTailsMerged(start: Target, pieces: readonly Piece[]): { readonly start: Target; readonly pieces: readonly Piece[] } {
  const made = new Map<Block, Block>();
  const known = new Map<string, Block>();
  const codes = new Map<Block, readonly ClassicInstruction[]>();
  const ids = new Map<Block, number>();
  const renewed = (target: Target): Target => (typeof target === "number" ? target : made.get(target)!);
  const name = (target: Target): string => (typeof target === "number" ? `e${target}` : `${ids.get(target)}`);
  for (const { block, code } of pieces.toReversed()) {
    const next: Block =
      block.kind === "test"
        ? { ...block, onTrue: renewed(block.onTrue), onFalse: renewed(block.onFalse) }
        : { ...block, next: renewed(block.next) };
    const { relation, right } = block.kind === "test" ? block : { relation: "store", right: undefined };
    const key = [
      relation,
      right?.kind === "constant" ? right.k : "x",
      ...successors(next).map(name),
      ...code.map(({ code: one, k }) => `${one}:${k}`),
    ].join(" ");
    const same = known.get(key) ?? next;
    if (same === next) {
      known.set(key, next);
      ids.set(next, ids.size);
      codes.set(next, code);
    }
    made.set(block, same);
  }
  const first = renewed(start);
  return { start: first, pieces: inOrder(first).map((block) => ({ block, code: codes.get(block)! })) };
}

class BlockWriter {
  readonly code: ClassicInstruction[] = [];
  a: Value | undefined;
  x: Value | undefined;
  #scratch: number;

  constructor({ a, x }: Registers, stored: number) {
    this.a = a;
    this.x = x;
    this.#scratch = stored;
  }

  #emit(row: RowLike, k = 0): void {
    this.code.push({ code: codeOf(row), jt: 0, jf: 0, k: k >>> 0 });
  }

  /** The operands of a test: the left one in A, and the right one in X unless it is a constant. */
  test(left: Value, right: Value): void {
    this.#operands(left, right);
  }

  store(slot: number, value: Value): void {
    this.#toA(value);
    this.#emit({ kind: "store", register: "a" }, slot);
  }

  #operands(left: Value, right: Value): void {
    if (right.kind === "constant" || (this.x === right && keepsX(left, right))) {
      this.#toA(left);
      return;
    }
    if (isDirect(right) || right === left) {
      this.#toA(left);
      this.#toX(right);
      return;
    }
    if (keepsX(left, right)) {
      this.#toX(right);
      this.#toA(left);
      return;
    }
    const slot = this.#scratch++;
    if (slot >= SCRATCH_WORDS) throw new OutOfScratch();
    this.#toA(right);
    this.#emit({ kind: "store", register: "a" }, slot);
    this.#toA(left);
    this.#emit({ kind: "load_scratch", register: "x" }, slot);
    this.x = right;
    this.#scratch--;
  }

  #toA(value: Value): void {
    if (this.a === value) return;
    switch (value.kind) {
      case "constant":
        this.#emit({ kind: "load_immediate", register: "a" }, value.k);
        break;
      case "length":
        this.#emit({ kind: "load_length", register: "a" });
        break;
      case "scratch":
        this.#emit({ kind: "load_scratch", register: "a" }, value.slot);
        break;
      case "ancillary":
        this.#emit({ kind: "packet_load", mode: "abs", size: 4 }, value.k);
        break;
      case "load":
        if (value.base === undefined) this.#emit({ kind: "packet_load", mode: "abs", size: value.size }, value.k);
        else {
          this.#toX(value.base);
          this.#emit({ kind: "packet_load", mode: "ind", size: value.size }, value.k);
        }
        break;
      case "header_length":
        this.#toX(value);
        this.#emit({ kind: "move", to: "a" });
        break;
      case "negate":
        this.#toA(value.of);
        this.#emit({ kind: "negate" });
        break;
      case "operation":
        // What is in X already, or gets there without A, need not be the right operand.
        if (value.operation === "add" && isDirect(value.left) && value.right.kind !== "constant" && keepsX(value.right, value.left)) {
          this.#toX(value.left);
          this.#toA(value.right);
          this.#emit({ kind: "operation", operation: "add", operand: "x" });
          break;
        }
        this.#operands(value.left, value.right);
        if (value.right.kind === "constant") this.#emit({ kind: "operation", operation: value.operation, operand: "k" }, value.right.k);
        else this.#emit({ kind: "operation", operation: value.operation, operand: "x" });
        break;
    }
    this.a = value;
  }

  #toX(value: Value): void {
    if (this.x === value) return;
    if (value.kind === "header_length") this.#emit({ kind: "header_length" }, value.k);
    else if (value.kind === "scratch") this.#emit({ kind: "load_scratch", register: "x" }, value.slot);
    else {
      this.#toA(value);
      this.#emit({ kind: "move", to: "x" });
    }
    this.x = value;
  }
}

/** Can be loaded into X without A. (So can the length, but tcpdump has no name for that instruction.) */
const isDirect = ({ kind }: Value): boolean => kind === "header_length" || kind === "scratch";

/** Whether computing a value leaves X as it is, where X holds `x`. */
function keepsX(value: Value, x: Value): boolean {
  switch (value.kind) {
    case "load":
      return value.base === undefined || value.base === x;
    case "negate":
      return keepsX(value.of, x);
    case "operation":
      return keepsX(value.left, x) && (value.right.kind === "constant" || value.right === x);
    case "header_length":
      return value === x;
    default:
      return true;
  }
}

/** Puts pieces and ends in their places and fills in the distances; where one is too far for 8 bits, a jump takes it on. */
function placed(start: Target, pieces: readonly Piece[], returned: number): ClassicInstruction[] {
  const far = new Map<Block, { onTrue: boolean; onFalse: boolean }>(pieces.map(({ block }) => [block, { onTrue: false, onFalse: false }]));
  for (;;) {
    const positions = positionsOf(start, pieces, far);
    let stretched = false;
    for (const { block, code } of pieces) {
      if (block.kind !== "test") continue;
      const jumps = far.get(block)!;
      const at = positions.of(block) + code.length;
      for (const way of ["onTrue", "onFalse"] as const) {
        if (jumps[way] || positions.of(block[way]) - at - 1 <= 0xff) continue;
        jumps[way] = true;
        stretched = true;
      }
    }
    if (!stretched) return written(pieces, far, positions, returned);
  }
}

interface Positions {
  readonly of: (target: Target) => number;
  /** Those that are reached, in the order in which they stand behind the blocks. */
  readonly ends: readonly End[];
}

type Far = ReadonlyMap<Block, { readonly onTrue: boolean; readonly onFalse: boolean }>;

function positionsOf(start: Target, pieces: readonly Piece[], far: Far): Positions {
  const starts = new Map<Block, number>();
  const ends = new Set<Target>([start]);
  // As tcpdump lists them: last the end that follows when every test fails.
  let last = start;
  while (typeof last !== "number") last = last.kind === "test" ? last.onFalse : last.next;
  let at = 0;
  for (const [index, { block, code }] of pieces.entries()) {
    starts.set(block, at);
    at += code.length;
    if (block.kind === "test") {
      const { onTrue, onFalse } = far.get(block)!;
      at += 1 + Number(onTrue) + Number(onFalse);
      ends.add(block.onTrue).add(block.onFalse);
    } else {
      if (pieces[index + 1]?.block !== block.next) at++;
      ends.add(block.next);
    }
  }
  const both: readonly End[] = last === REJECT ? [ACCEPT, REJECT] : [REJECT, ACCEPT];
  const order = both.filter((end) => ends.has(end));
  return { ends: order, of: (target) => (typeof target === "number" ? at + order.indexOf(target as End) : starts.get(target)!) };
}

function written(pieces: readonly Piece[], far: Far, positions: Positions, returned: number): ClassicInstruction[] {
  const jump = codeOf({ kind: "jump" });
  const program: ClassicInstruction[] = [];
  for (const [index, { block, code }] of pieces.entries()) {
    program.push(...code);
    if (block.kind === "store") {
      if (pieces[index + 1]?.block !== block.next) {
        program.push({ code: jump, jt: 0, jf: 0, k: positions.of(block.next) - program.length - 1 });
      }
      continue;
    }
    const { onTrue, onFalse } = far.get(block)!;
    const behind = program.length + 1;
    const { relation, right } = block;
    const branch = codeOf({ kind: "branch", relation, operand: right.kind === "constant" ? "k" : "x" });
    program.push({
      code: branch,
      jt: onTrue ? 0 : positions.of(block.onTrue) - behind,
      jf: onFalse ? Number(onTrue) : positions.of(block.onFalse) - behind,
      k: right.kind === "constant" ? right.k : 0,
    });
    for (const way of [onTrue ? block.onTrue : undefined, onFalse ? block.onFalse : undefined]) {
      if (way !== undefined) program.push({ code: jump, jt: 0, jf: 0, k: positions.of(way) - program.length - 1 });
    }
  }
  const finish = codeOf({ kind: "return", value: "k" });
  for (const end of positions.ends) program.push({ code: finish, jt: 0, jf: 0, k: end === ACCEPT ? returned : 0 });
  return program;
}
