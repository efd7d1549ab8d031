import type { AccessSize } from "../../../src/bpf/isa/index.ts";
import type { MapSpec, ProgramTypeName } from "../../../src/bpf/spec.ts";
import { programTypes } from "../../../src/dataplane/programTypes.ts";
import { Code, type Label } from "./code.ts";
import {
  BUFFER_OFFSET,
  MAX_RESULTS,
  type MapName,
  type MapShape,
  mapCatalog,
  RESULT_SIZE,
  SEED_OFFSET,
  WORK_OFFSET,
  ZERO_OFFSET,
} from "./mapCatalog.ts";
import type { Operand } from "./statement.ts";

/** Offsets of struct xdp_md and struct __sk_buff. include/uapi/linux/bpf.h. */
const packetFields = {
  xdp: { data: 0, data_end: 4, data_meta: 8 },
  sched_cls: { data: 76, data_end: 80, data_meta: 140 },
  socket_filter: { data: 76, data_end: 80, data_meta: 140 },
} as const;

/** Bytes of stack of the program itself, and of each function or callback: three frames make the kernel's 512. */
const MAIN_STACK = 256;
const FUNCTION_STACK = 128;
/** The context is kept in every frame's highest word, for callbacks. */
const CONTEXT_AT = -8;

/** A statement in the program, and what it covers. */
export interface Site {
  readonly kind: string;
  readonly covers: readonly string[];
}

/** What several programs of one set share: maps, and places for results. */
export class ProgramSet {
  readonly type: ProgramTypeName;
  readonly shape: MapShape;
  readonly sites: Site[] = [];
  readonly kfuncs = new Map<string, number>();
  readonly #catalog: ReturnType<typeof mapCatalog>;
  readonly #maps = new Map<MapName, number>();

  constructor(type: ProgramTypeName, shape: MapShape) {
    this.type = type;
    this.shape = shape;
    this.#catalog = mapCatalog(shape);
    this.mapIndex("results");
  }

  mapIndex(name: MapName): number {
    const index = this.#maps.get(name) ?? this.#maps.size;
    this.#maps.set(name, index);
    return index;
  }

  usesMap(name: MapName): boolean {
    return this.#maps.has(name);
  }

  spec(name: MapName): MapSpec {
    return { ...this.#catalog[name], name };
  }

  /** Those that statements named, by index. */
  get maps(): MapSpec[] {
    return [...this.#maps.keys()].map((name) => this.spec(name));
  }

  kfuncNumber(name: string): number {
    const number = this.kfuncs.get(name) ?? this.kfuncs.size + 1;
    this.kfuncs.set(name, number);
    return number;
  }
}

const helperNumbers = (type: ProgramTypeName): ReadonlyMap<string, number> =>
  new Map([...programTypes[type].helpers].map(([id, { name }]) => [name, id]));
const numbers = { xdp: helperNumbers("xdp"), sched_cls: helperNumbers("sched_cls"), socket_filter: new Map<string, number>() };

type Where = "main" | "function" | "callback";

/** Writes one program of a set: code, stack and results of statements. */
export class Writer {
  readonly code = new Code();
  readonly set: ProgramSet;
  /** Functions that calls have asked for, to be written behind the program. */
  readonly pending: (() => void)[] = [];
  /** The label of a function of the set by its index; whoever asks makes it part of the program. */
  callee: (index: number) => Label = () => {
    throw new RangeError("no function can be called here");
  };
  where: Where = "main";
  /** It holds a call of bpf_throw. */
  throws = false;
  #stackTop = -CONTEXT_AT;
  #site = -1;

  constructor(set: ProgramSet) {
    this.set = set;
  }

  get type(): ProgramTypeName {
    return this.set.type;
  }

  /** Begins a program: `r1` is the context. */
  beginProgram(): void {
    this.where = "main";
    this.#stackTop = -CONTEXT_AT;
    this.code.copy(6, 1);
    this.code.store(8, 10, CONTEXT_AT, 1);
    this.loadSeed();
  }

  /** Begins a function that gets the context in r1 and a number in r2. */
  beginFunction(): void {
    this.where = "function";
    this.#stackTop = -CONTEXT_AT;
    this.code.copy(6, 1);
    this.code.copy(7, 2);
    this.code.store(8, 10, CONTEXT_AT, 1);
  }

  /** Begins a callback: `pointer` is the register with the address of the caller's word that holds the context; `number` holds a number. */
  beginCallback(pointer: number, number: number): void {
    this.where = "callback";
    this.#stackTop = -CONTEXT_AT;
    this.code.copy(7, number);
    this.code.load(8, 6, pointer, 0);
    this.code.store(8, 10, CONTEXT_AT, 6);
  }

  /** Offsets of the packet's ends in the context. */
  get fields(): (typeof packetFields)["xdp"] | (typeof packetFields)["sched_cls"] {
    return packetFields[this.type];
  }

  /** Has a callback written behind the program, under this label, as part of the statement that is being written. */
  callback(label: Label, write: () => void): void {
    const site = this.#site;
    this.pending.push(() => {
      this.code.place(label);
      this.#site = site;
      write();
    });
  }

  /** r10 + CONTEXT_AT into a register: what callbacks get. */
  contextPointer(dst: number): void {
    this.code.frame(dst, CONTEXT_AT);
  }

  /** r7 = a number that the verifier does not know. */
  loadSeed(): void {
    this.code.valueAddress(1, this.set.mapIndex("results"), SEED_OFFSET);
    this.code.load(8, 7, 1, 0);
  }

  /** Whether a statement that takes so much stack can stand here. */
  hasRoom(stack: number): boolean {
    return this.set.sites.length < MAX_RESULTS && this.#stackTop + stack <= (this.where === "main" ? MAIN_STACK : FUNCTION_STACK);
  }

  /** Writes a statement between its entry in the table of results and the release of its stack. */
  statement(site: Site, write: () => void): void {
    const [outer, stack] = [this.#site, this.#stackTop];
    this.#site = this.set.sites.length;
    this.set.sites.push(site);
    const { code } = this;
    code.valueAddress(1, 0, this.#site * RESULT_SIZE);
    code.load(8, 2, 1, 0);
    code.change(2, "+=", 1);
    code.store(8, 1, 0, 2);
    write();
    this.#site = outer;
    this.#stackTop = stack;
  }

  /** Folds a register (not r1 or r2) into the statement's result. */
  keep(register = 0): void {
    const { code } = this;
    code.valueAddress(1, 0, this.#site * RESULT_SIZE + 8);
    code.load(8, 2, 1, 0);
    code.change(2, "*=", 31);
    code.combine(2, "+=", register);
    code.store(8, 1, 0, 2);
  }

  /** Folds bytes of the stack into it, a multiple of 8. Uses r0. */
  keepStack(at: number, size: number): void {
    for (let offset = 0; offset < size; offset += 8) {
      this.code.load(8, 0, 10, at + offset);
      this.keep(0);
    }
  }

  /** r7 becomes another number, made of it and r0. */
  fold(): void {
    this.code.combine(7, "^=", 0);
  }

  /** Offset from r10 of so many bytes of stack, a multiple of 8. They hold nothing yet. */
  stack(size: number): number {
    this.#stackTop += (size + 7) & ~7;
    return -this.#stackTop;
  }

  /** Offset from r10 of a buffer whose bytes follow from `seed`. */
  buffer(size: number, seed: number): number {
    const at = this.stack(size);
    const bytes = bytesFrom(seed, (size + 7) & ~7);
    this.bytes(at, bytes);
    return at;
  }

  /** Writes bytes, a multiple of 8, at r10 + at. */
  bytes(at: number, bytes: Uint8Array): void {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    for (let offset = 0; offset < bytes.length; offset += 4) this.code.put(4, 10, at + offset, view.getInt32(offset, true));
  }

  /** dst = an operand */
  operand(dst: number, operand: Operand): void {
    if ("constant" in operand) {
      this.code.set(dst, operand.constant);
      return;
    }
    this.code.copy(dst, 7);
    if (operand.mask !== -1) this.code.change(dst, "&=", operand.mask);
  }

  /** dst = an operand that the verifier does not know. Uses r0. */
  unknown(dst: number, operand: Operand): void {
    this.code.valueAddress(0, 0, ZERO_OFFSET);
    this.code.load(8, 0, 0, 0);
    this.operand(dst, operand);
    this.code.combine(dst, "+=", 0);
  }

  /** An operand into the stack. */
  storeOperand(size: AccessSize, at: number, operand: Operand): void {
    if ("constant" in operand) {
      this.code.put(size, 10, at, operand.constant);
      return;
    }
    this.operand(0, operand);
    this.code.store(size, 10, at, 0);
  }

  /** dst = the address of a map */
  map(dst: number, name: MapName): void {
    this.code.mapAddress(dst, this.set.mapIndex(name));
  }

  /** dst = the address of a byte of the map value that strings and buffers stand in. */
  sharedBuffer(dst: number, offset = 0): void {
    this.code.valueAddress(dst, 0, BUFFER_OFFSET + offset);
  }

  /** dst = the address of a byte of the map value that dynptrs write to. */
  workBuffer(dst: number, offset: number): void {
    this.code.valueAddress(dst, 0, WORK_OFFSET + offset);
  }

  /** dst = the address of a byte of the texts that programs cannot write. */
  readOnly(dst: number, offset: number): void {
    this.code.valueAddress(dst, this.set.mapIndex("texts"), offset);
  }

  call(helper: string): void {
    const id = numbers[this.type].get(helper);
    if (id === undefined) throw new RangeError(`${this.type} has no ${helper}`);
    this.code.callHelper(id);
  }

  kfunc(name: string): void {
    this.throws ||= name === "bpf_throw";
    this.code.callKfunc(this.set.kfuncNumber(name));
  }

  /** r8 = data + offset, of which `size` bytes may be read and written; else on to `otherwise`. Uses r0 to r3. */
  packet(offset: number, size: number, otherwise: Label, start: "data" | "data_meta" = "data"): void {
    const { code } = this;
    const fields = packetFields[this.type];
    code.load(4, 8, 6, fields[start]);
    code.load(4, 3, 6, start === "data" ? fields.data_end : fields.data);
    code.copy(2, 8);
    code.change(2, "+=", offset + size);
    code.whenRegister(2, ">", 3, otherwise);
    if (offset !== 0) code.change(8, "+=", offset);
  }
}

/** Bytes that follow from a number; 0 gives zeros. */
export function bytesFrom(seed: number, size: number): Uint8Array {
  const bytes = new Uint8Array(size);
  let state = seed >>> 0;
  for (let at = 0; at < size; at++) {
    state = (Math.imul(state, 1664525) + (seed === 0 ? 0 : 1013904223)) >>> 0;
    bytes[at] = state >>> 24;
  }
  return bytes;
}
