import type { HelperSpec } from "../spec.ts";
import type { Block, FunctionGraph } from "./blocks.ts";
import { ALL_REGISTERS, liveBehindBlocks } from "./liveness.ts";
import { CONTINUATION, type Operation, type Operations, operationAt } from "./operation.ts";
import { MOST_READ, readsOf, writtenBy } from "./registerUse.ts";
import { ValueOrigins } from "./valueOrigins.ts";

const SIZES: readonly number[] = [2, 4, 8];
const REGISTERS = 11;

/** Stores that wait for their neighbours: each new one is compared with all of them. */
const MOST_PENDING = 64;

/** Instructions that are looked at together; longer blocks are looked at piece by piece. */
const LONGEST_PIECE = 1024;

/**
 * Puts accesses together that compilers split because they could not know the alignment: bytes that are loaded from neighbouring addresses, shifted and
 * or-ed become one load; neighbouring bytes of one value that are stored one by one become one store. Works within basic blocks, between which memory is
 * not touched otherwise; what only the parts needed is dropped. Changes `operations` in place.
 */
export function mergeAccesses(operations: Operations, graph: FunctionGraph, helpers: ReadonlyMap<number, HelperSpec>): void {
  if (!hasNarrowAccesses(operations, operations)) return;
  const live = liveBehindBlocks(operations, graph, helpers);
  const merger = new PieceMerger(operations, helpers);
  for (const [index, { start, end }] of graph.blocks.entries()) {
    for (let first = start; first < end; first += LONGEST_PIECE) {
      const last = Math.min(first + LONGEST_PIECE, end);
      if (hasNarrowAccesses(operations, { start: first, end: last })) merger.run(first, last, last === end ? live[index]! : ALL_REGISTERS);
    }
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

type Alu = Extract<Operation, { kind: "alu" }>;
type Store = Extract<Operation, { kind: "store" }>;

/** A store that may be put together with its neighbours. */
interface PendingStore {
  readonly place: number;
  readonly operation: Store;
  /** It stores `value` at `root` + `at`. */
  readonly root: number;
  readonly at: number;
  readonly value: number;
}

/**
 * Looks through pieces of straight code, one after the other. Values have numbers: 0 to 10 are what registers hold where the piece begins, 11 and on what its
 * instructions make. Places count from the piece's first instruction.
 */
class PieceMerger {
  readonly #operations: Operations;
  readonly #helpers: ReadonlyMap<number, HelperSpec>;
  readonly #origins = new ValueOrigins(REGISTERS + LONGEST_PIECE);
  /** By register: the value that it holds now. */
  readonly #current = new Int32Array(REGISTERS);
  /** By place: the values that the instruction there uses, and how many. */
  readonly #uses = new Int32Array(MOST_READ * LONGEST_PIECE);
  readonly #useCount = new Uint8Array(LONGEST_PIECE);
  /** By value: somebody uses it; what remains needs it. */
  readonly #isUsed = new Uint8Array(REGISTERS + LONGEST_PIECE);
  readonly #isNeeded = new Uint8Array(REGISTERS + LONGEST_PIECE);
  /** By place: what loads the same value at once, and the value that its address is computed from. */
  readonly #loads = new Map<number, { readonly operation: Operation; readonly pointer: number }>();
  readonly #stores = new Map<number, Operation>();
  readonly #dropped = new Set<number>();
  #pending: PendingStore[] = [];
  /** Grows with everything that may change memory. */
  #epoch = 0;
  #start = 0;

  constructor(operations: Operations, helpers: ReadonlyMap<number, HelperSpec>) {
    this.#operations = operations;
    this.#helpers = helpers;
  }

  /** `live`: the registers, as a bit mask, that somebody reads behind the piece. */
  run(start: number, end: number, live: number): void {
    this.#start = start;
    this.#epoch = 0;
    this.#isUsed.fill(0, 0, REGISTERS + end - start);
    for (let register = 0; register < REGISTERS; register++) {
      this.#current[register] = register;
      this.#origins.setUnknown(register);
    }
    for (let place = 0; place < end - start; place++) this.#forward(operationAt(this.#operations, start + place), place);
    this.#flush();
    if (this.#stores.size === 0 && this.#loads.size === 0) return;
    this.#backward(end - start, live);
    this.#stores.clear();
    this.#loads.clear();
    this.#dropped.clear();
  }

  #forward(operation: Operation, place: number): void {
    this.#noteUses(operation, place);
    if (operation.kind === "store") this.#addStore(operation, place);
    else if (operation.kind !== "alu" && operation.kind !== "constant" && operation.kind !== "continuation") this.#flush();
    const target = writtenBy(operation);
    if (target !== undefined) {
      const value = REGISTERS + place;
      if (operation.kind === "alu") this.#define(operation, value);
      else if (operation.kind === "load" && !operation.signed)
        this.#origins.setLoaded(value, this.#current[operation.base]!, operation.offset, operation.bytes, this.#epoch);
      else this.#origins.setUnknown(value);
      this.#current[target] = value;
    }
    if (changesMemory(operation)) this.#epoch++;
  }

  #noteUses(operation: Operation, place: number): void {
    let count = 0;
    let register = 0;
    for (let reads = readsOf(operation, this.#helpers); reads !== 0; reads >>>= 1) {
      if ((reads & 1) !== 0) {
        const value = this.#current[register]!;
        this.#isUsed[value] = 1;
        this.#uses[MOST_READ * place + count++] = value;
      }
      register++;
    }
    this.#useCount[place] = count;
  }

  #define(operation: Alu, value: number): void {
    const { name, width, dst, source } = operation;
    if (width === 64 && name === "mov" && "register" in source) this.#origins.setCopy(value, this.#current[source.register]!);
    else if (width === 64 && name === "add" && "immediate" in source) this.#origins.setMoved(value, this.#current[dst]!, source.immediate);
    else if (!this.#defineBytes(operation, value)) this.#origins.setUnknown(value, width / 8);
    else if (name === "or") this.#offerLoad(operation, value);
  }

  /** The bytes of moves, shifts by whole bytes, masks of whole bytes, and unions of values that share no byte; false for all else. */
  #defineBytes({ name, width, dst, source }: Alu, value: number): boolean {
    const size = width / 8;
    const before = this.#current[dst]!;
    if ("register" in source) {
      const other = this.#current[source.register]!;
      if (name === "or") return this.#origins.setUnion(value, before, other, size);
      if (name !== "mov") return false;
      this.#origins.setLowBytes(value, other, size);
      return true;
    }
    const { immediate } = source;
    if (name === "and" && (immediate === 0xff || immediate === 0xffff))
      this.#origins.setLowBytes(value, before, immediate === 0xff ? 1 : 2);
    else if ((name === "lsh" || name === "rsh") && immediate % 8 === 0 && immediate >= 0)
      this.#origins.setShifted(value, before, name === "lsh" ? immediate / 8 : -immediate / 8, size);
    else return false;
    return true;
  }

  /** If these bytes stand side by side in memory as it is now, and a register still leads there, they can be loaded at once. */
  #offerLoad({ dst }: Alu, value: number): void {
    const row = this.#origins.inRow(value);
    if (row === undefined || row.epoch !== this.#epoch || !SIZES.includes(row.size)) return;
    const base = this.#current.findIndex((candidate) => this.#origins.rootOf(candidate) === row.of);
    if (base === -1) return;
    const pointer = this.#current[base]!;
    const offset = row.at - this.#origins.deltaOf(pointer);
    const operation: Operation = { kind: "load", dst, base, offset, bytes: row.size as 2 | 4 | 8, signed: false };
    this.#loads.set(value - REGISTERS, { operation, pointer });
  }

  #addStore(operation: Store, place: number): void {
    if ("immediate" in operation.source || operation.short !== undefined) {
      this.#flush();
      return;
    }
    const address = this.#current[operation.base]!;
    const root = this.#origins.rootOf(address);
    const at = this.#origins.deltaOf(address) + operation.offset;
    const apart = (other: PendingStore) =>
      other.root === root && (at >= other.at + other.operation.bytes || other.at >= at + operation.bytes);
    if (this.#pending.length === MOST_PENDING || !this.#pending.every(apart)) this.#flush();
    this.#pending.push({ place, operation, root, at, value: this.#current[operation.source.register]! });
  }

  /** Looks through the stores that nothing came between, which all lead to one object and do not overlap. */
  #flush(): void {
    if (this.#pending.length > 1) {
      const stores = this.#pending.sort((a, b) => a.at - b.at);
      for (let first = 0; first < stores.length; ) first += this.#mergeStores(stores, first);
    }
    if (this.#pending.length > 0) this.#pending = [];
  }

  /** Merges the store at `first` with those behind it, if they store what follows in its value; how many it dealt with. */
  #mergeStores(stores: readonly PendingStore[], first: number): number {
    const { at, operation, value, place } = stores[first]!;
    let length = operation.bytes as number;
    let best = 1;
    for (let next = first + 1; next < stores.length && length < 8; next++) {
      const store = stores[next]!;
      const { bytes } = store.operation;
      if (store.at !== at + length || length + bytes > 8 || !this.#follows(store, value, length)) break;
      length += bytes;
      if (!SIZES.includes(length)) continue;
      best = next - first + 1;
      this.#stores.set(place, { ...operation, bytes: length as 2 | 4 | 8 });
    }
    for (const dropped of stores.slice(first + 1, first + best)) this.#dropped.add(dropped.place);
    return best;
  }

  /** A store's bytes are those of `value` from `from` on. */
  #follows({ value: stored, operation: { bytes } }: PendingStore, value: number, from: number): boolean {
    for (let index = 0; index < bytes; index++) if (!this.#origins.isSameByte(stored, index, value, from + index)) return false;
    return true;
  }

  /** Keeps what is needed; what only served the parts of something merged goes. */
  #backward(length: number, live: number): void {
    const { list } = this.#operations;
    const first = this.#start - this.#operations.start;
    this.#isNeeded.fill(0, 0, REGISTERS + length);
    for (let register = 0; register < REGISTERS; register++)
      if ((live & (1 << register)) !== 0) this.#isNeeded[this.#current[register]!] = 1;
    for (let place = length - 1; place >= 0; place--) {
      const operation = list[first + place]!;
      const value = REGISTERS + place;
      const pure = operation.kind === "alu" || operation.kind === "load";
      if (this.#dropped.has(place) || (pure && this.#isUsed[value] === 1 && this.#isNeeded[value] === 0)) {
        list[first + place] = CONTINUATION;
        continue;
      }
      const load = this.#loads.get(place);
      const replacement = this.#stores.get(place) ?? load?.operation;
      if (replacement !== undefined) list[first + place] = replacement;
      if (load !== undefined) this.#isNeeded[load.pointer] = 1;
      else {
        for (let use = 0; use < this.#useCount[place]!; use++) this.#isNeeded[this.#uses[MOST_READ * place + use]!] = 1;
      }
    }
  }
}

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
