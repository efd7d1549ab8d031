import type { HelperSpec } from "../spec.ts";
import type { Block, FunctionGraph } from "./blocks.ts";
import { liveBehindBlocks } from "./liveness.ts";
import { CONTINUATION, type Operation, type Operations, operationAt } from "./operation.ts";
import { readsOf, writtenBy } from "./registerUse.ts";

/**
 * Where one byte of a value came from: byte `at` of memory relative to the value `of` (an address), read in `epoch`; or byte `at` of the value `of` itself,
 * epoch -1. Undefined: the byte is 0.
 */
interface ByteOrigin {
  readonly of: Definition;
  readonly at: number;
  readonly epoch: number;
}

/** What an instruction of the block (or whoever came before it: instruction -1) put into a register. */
interface Definition {
  readonly instruction: number;
  /** Definitions that it was made from. */
  readonly uses: readonly Definition[];
  /** It is `root` + `delta`. */
  readonly root: Definition | undefined;
  readonly delta: number;
  /** Its 8 bytes, lowest first; undefined when they are nobody else's. */
  readonly bytes: readonly (ByteOrigin | undefined)[] | undefined;
  /** What else would give the same value. */
  merged?: { readonly operation: Operation; readonly uses: readonly Definition[] };
  users: number;
  /** `bytesOf` it, once somebody asked, where `bytes` is undefined. */
  own?: readonly ByteOrigin[];
}

type Store = Extract<Operation, { kind: "store" }>;

/** A store that may be put together with its neighbours. */
interface PendingStore {
  readonly instruction: number;
  readonly operation: Store;
  readonly root: Definition;
  readonly at: number;
  readonly value: readonly (ByteOrigin | undefined)[];
}

const SIZES = [8, 4, 2] as const;
const PLACES = [0, 1, 2, 3, 4, 5, 6, 7] as const;

/** Stores that wait for their neighbours: each new one is compared with all of them. */
const MOST_PENDING = 64;

/**
 * Puts accesses together that compilers split because they could not know the alignment: bytes that are loaded from neighbouring addresses, shifted and
 * or-ed become one load; neighbouring bytes of one value that are stored one by one become one store. Works within basic blocks, between which memory is
 * not touched otherwise; what only the parts needed is dropped. Changes `operations` in place.
 */
export function mergeAccesses(operations: Operations, graph: FunctionGraph, helpers: ReadonlyMap<number, HelperSpec>): void {
  if (!hasNarrowAccesses(operations, operations)) return;
  const live = liveBehindBlocks(operations, graph, helpers);
  for (const [index, block] of graph.blocks.entries()) {
    if (hasNarrowAccesses(operations, block)) new BlockMerger(operations, block, live[index]!, helpers).run();
  }
}

/** Two accesses of less than 4 bytes: else there is nothing to merge. */
function hasNarrowAccesses(operations: Operations, { start, end }: Block): boolean {
  let narrow = 0;
  for (let at = start; at < end && narrow < 2; at++) {
    const operation = operationAt(operations, at);
    if ((operation.kind === "load" || operation.kind === "store") && operation.bytes < 4) narrow++;
  }
  return narrow >= 2;
}

const sameOrigin = (a: ByteOrigin | undefined, b: ByteOrigin | undefined): boolean =>
  a === b || (a !== undefined && b !== undefined && a.of === b.of && a.at === b.at && a.epoch === b.epoch);

class BlockMerger {
  readonly #operations: Operations;
  readonly #block: Block;
  readonly #live: number;
  readonly #helpers: ReadonlyMap<number, HelperSpec>;
  readonly #current: Definition[];
  /** By place in the block: what an instruction made, and the definitions that it used. */
  readonly #made: (Definition | undefined)[] = [];
  readonly #usedBy: Definition[][] = [];
  #mergedLoads = false;
  /** Grows with everything that may change memory. */
  #epoch = 0;
  #pending: PendingStore[] = [];
  readonly #replaced = new Map<number, Operation>();
  readonly #dropped = new Set<number>();

  constructor(operations: Operations, block: Block, live: number, helpers: ReadonlyMap<number, HelperSpec>) {
    this.#operations = operations;
    this.#block = block;
    this.#live = live;
    this.#helpers = helpers;
    this.#current = Array.from({ length: 11 }, () => ({
      instruction: -1,
      uses: [],
      root: undefined,
      delta: 0,
      bytes: undefined,
      users: 0,
    }));
  }

  run(): void {
    const { start, end } = this.#block;
    for (let at = start; at < end; at++) this.#forward(operationAt(this.#operations, at), at);
    this.#flush();
    if (this.#replaced.size > 0 || this.#mergedLoads) this.#backward();
  }

  #forward(operation: Operation, at: number): void {
    const reads = readsOf(operation, this.#helpers);
    const uses: Definition[] = [];
    for (let register = 0; register <= 10; register++) if ((reads & (1 << register)) !== 0) uses.push(this.#current[register]!);
    for (const used of uses) used.users++;
    this.#usedBy.push(uses);
    if (operation.kind === "store") this.#addStore(operation, at);
    else if (operation.kind !== "alu" && operation.kind !== "constant" && operation.kind !== "continuation") this.#flush();
    const target = writtenBy(operation);
    const definition = target === undefined ? undefined : this.#define(operation, at, uses);
    this.#made.push(definition);
    if (target !== undefined && definition !== undefined) this.#current[target] = definition;
    if (changesMemory(operation)) this.#epoch++;
  }

  #define(operation: Operation, instruction: number, uses: readonly Definition[]): Definition {
    const plain = { instruction, uses, root: undefined, delta: 0, bytes: undefined, users: 0 };
    if (operation.kind === "load" && !operation.signed) {
      const [root, delta] = addressOf(this.#current[operation.base]!);
      const bytes: (ByteOrigin | undefined)[] = [];
      for (let index = 0; index < 8; index++)
        bytes.push(index < operation.bytes ? { of: root, at: delta + operation.offset + index, epoch: this.#epoch } : undefined);
      return { ...plain, bytes };
    }
    if (operation.kind !== "alu") return plain;
    const { name, width, source } = operation;
    const before = this.#current[operation.dst]!;
    if (width === 64 && name === "mov" && "register" in source) {
      const copied = this.#current[source.register]!;
      const [root, delta] = addressOf(copied);
      return { ...plain, root, delta, bytes: bytesOf(copied) };
    }
    if (width === 64 && name === "add" && "immediate" in source) {
      const [root, delta] = addressOf(before);
      return { ...plain, root, delta: delta + source.immediate };
    }
    const bytes = this.#aluBytes(operation);
    const definition: Definition = { ...plain, bytes };
    if (name === "or" && bytes !== undefined) this.#offerLoad(operation, definition);
    // The upper half of a 32-bit result is zero whatever the lower half is.
    if (bytes === undefined && width === 32) return { ...plain, bytes: ownLowHalf(definition) };
    return definition;
  }

  /** The bytes of moves, shifts by whole bytes, masks of whole bytes, and unions of values that share no byte. */
  #aluBytes({ name, width, dst, source }: Extract<Operation, { kind: "alu" }>): Definition["bytes"] {
    const size = width / 8;
    const low = (bytes: readonly (ByteOrigin | undefined)[]) => bytes.map((origin, index) => (index < size ? origin : undefined));
    if (name === "mov" && "register" in source) return low(bytesOf(this.#current[source.register]!));
    const before = bytesOf(this.#current[dst]!);
    if ("immediate" in source) {
      const { immediate } = source;
      if (name === "and" && (immediate === 0xff || immediate === 0xffff)) {
        return before.map((origin, index) => (index < (immediate === 0xff ? 1 : 2) ? origin : undefined));
      }
      if (immediate % 8 !== 0 || immediate < 0) return undefined;
      if (name === "lsh") return low(before.map((_, index) => before[index - immediate / 8]));
      if (name === "rsh") return low(before).map((_, index, bytes) => bytes[index + immediate / 8]);
      return undefined;
    }
    if (name !== "or") return undefined;
    const other = bytesOf(this.#current[source.register]!);
    if (before.some((origin, index) => index < size && origin !== undefined && other[index] !== undefined)) return undefined;
    return low(before.map((origin, index) => origin ?? other[index]));
  }

  /** If these bytes stand side by side in memory as it is now, and a register still leads there, they can be loaded at once. */
  #offerLoad(operation: Extract<Operation, { kind: "alu" }>, definition: Definition): void {
    const bytes = definition.bytes!;
    const first = bytes[0];
    const count = bytes.indexOf(undefined);
    const size = count === -1 ? 8 : count;
    if (first === undefined || first.epoch !== this.#epoch || !SIZES.includes(size as 2)) return;
    const inRow = bytes.every((origin, index) => sameOrigin(origin, index < size ? { ...first, at: first.at + index } : undefined));
    const base = this.#current.findIndex((candidate) => addressOf(candidate)[0] === first.of);
    if (!inRow || base === -1) return;
    const pointer = this.#current[base]!;
    const load: Operation = {
      kind: "load",
      dst: operation.dst,
      base,
      offset: first.at - addressOf(pointer)[1],
      bytes: size as 2 | 4 | 8,
      signed: false,
    };
    definition.merged = { operation: load, uses: [pointer] };
    this.#mergedLoads = true;
  }

  #addStore(operation: Store, instruction: number): void {
    if ("immediate" in operation.source || operation.short !== undefined) {
      this.#flush();
      return;
    }
    const [root, delta] = addressOf(this.#current[operation.base]!);
    const value = bytesOf(this.#current[operation.source.register]!);
    const store: PendingStore = { instruction, operation, root, at: delta + operation.offset, value };
    const apart = (other: PendingStore) =>
      other.root === root && (store.at >= other.at + other.operation.bytes || other.at >= store.at + operation.bytes);
    if (this.#pending.length === MOST_PENDING || !this.#pending.every(apart)) this.#flush();
    this.#pending.push(store);
  }

  /** Looks through the stores that nothing came between, which all lead to one object and do not overlap. */
  #flush(): void {
    if (this.#pending.length === 0) return;
    const stores = this.#pending.sort((a, b) => a.at - b.at);
    this.#pending = [];
    for (let first = 0; first < stores.length; ) first += this.#mergeStores(stores, first);
  }

  /** Merges the store at `first` with those behind it, if they store what follows in its value; how many it dealt with. */
  #mergeStores(stores: readonly PendingStore[], first: number): number {
    const { at, operation, value, instruction } = stores[first]!;
    let length = operation.bytes as number;
    let best = 1;
    for (let next = first + 1; next < stores.length && length < 8; next++) {
      const store = stores[next]!;
      const { bytes } = store.operation;
      if (store.at !== at + length || length + bytes > 8) break;
      const follows = Array.from({ length: bytes }, (_, index) => index).every((index) => {
        const origin = store.value[index];
        return origin !== undefined && sameOrigin(origin, value[length + index]);
      });
      if (!follows) break;
      length += bytes;
      if (!SIZES.includes(length as 2)) continue;
      best = next - first + 1;
      this.#replaced.set(instruction, { ...operation, bytes: length as 2 | 4 | 8 });
    }
    for (const dropped of stores.slice(first + 1, first + best)) this.#dropped.add(dropped.instruction);
    return best;
  }

  /** Keeps what is needed; what only served the parts of something merged goes. */
  #backward(): void {
    const { start, end } = this.#block;
    const needed = new Set<Definition>();
    const need = (definitions: readonly Definition[]) => {
      for (const definition of definitions) needed.add(definition);
    };
    for (const [register, definition] of this.#current.entries()) if ((this.#live & (1 << register)) !== 0) needed.add(definition);
    for (let at = end - 1; at >= start; at--) {
      const operation = operationAt(this.#operations, at);
      const definition = this.#made[at - start];
      const pure = operation.kind === "alu" || operation.kind === "load";
      const dispensable = pure && definition !== undefined && definition.users > 0 && !needed.has(definition);
      if (this.#dropped.has(at) || dispensable) {
        this.#operations.list[at - this.#operations.start] = CONTINUATION;
        continue;
      }
      const replacement = this.#replaced.get(at) ?? definition?.merged?.operation;
      if (replacement !== undefined) this.#operations.list[at - this.#operations.start] = replacement;
      need(definition?.merged?.uses ?? this.#usedBy[at - start]!);
    }
  }
}

/** An address as the value it was computed from, and the distance. */
const addressOf = (definition: Definition): readonly [Definition, number] => [definition.root ?? definition, definition.delta];

function bytesOf(definition: Definition): readonly (ByteOrigin | undefined)[] {
  if (definition.bytes !== undefined) return definition.bytes;
  definition.own ??= PLACES.map((at) => ({ of: definition, at, epoch: -1 }));
  return definition.own;
}

const ownLowHalf = (definition: Definition): (ByteOrigin | undefined)[] =>
  PLACES.map((at) => (at < 4 ? { of: definition, at, epoch: -1 } : undefined));

function changesMemory({ kind }: Operation): boolean {
  return (
    kind === "store" ||
    kind === "storeRelease" ||
    kind === "atomic" ||
    kind === "loadAcquire" ||
    kind === "helper" ||
    kind === "kfunc" ||
    kind === "call" ||
    kind === "packetLoad"
  );
}
