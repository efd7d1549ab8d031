import type { CompiledMap } from "./environment.ts";
import type { Operation, Source } from "./operation.ts";

/** What is known of a 64-bit value at compile time. `undefined`: nothing. */
export type Value =
  /** A number that a double holds exactly, read as a 64-bit integer. */
  | { readonly kind: "constant"; readonly value: number }
  /** r10 + offset. */
  | { readonly kind: "frame"; readonly offset: number }
  /** The address of a map's header. */
  | { readonly kind: "map"; readonly map: number }
  /** A fixed address in a map's values. */
  | { readonly kind: "address"; readonly address: number }
  /** Address of a map value, 8-byte aligned, plus offset; NULL plus offset unless `present`. */
  | { readonly kind: "mapValue"; readonly offset: number; readonly present: boolean };

/** What was stored to a place of the frame (by its offset from r10), and by which instruction. */
export interface Stored {
  readonly bytes: number;
  readonly instruction: number;
  readonly value: Value | undefined;
}

/** Facts at one point of a function. Only r0..r9; r10 is the frame itself. */
export interface State {
  readonly registers: (Value | undefined)[];
  /** In the order of the stores. Copies of a state share it: only `ownFrame` may be changed, most blocks store nothing. */
  frame: ReadonlyMap<number, Stored>;
  /** `frame`, once this state has one that no other has. */
  ownFrame: Map<number, Stored> | undefined;
}

/** Places of the frame that are followed at once: each block that stores copies them. The one that was stored to first is forgotten first. */
const MOST_STORED = 32;

const NOTHING_STORED: ReadonlyMap<number, Stored> = new Map();

export const emptyState = (): State => ({ registers: new Array<undefined>(10), frame: NOTHING_STORED, ownFrame: undefined });

/** A copy with facts of its own; neither may change the frame's in place from here on. */
export function copyState(state: State): State {
  const { registers, frame } = state;
  state.ownFrame = undefined;
  return { registers: registers.slice(), frame, ownFrame: undefined };
}

/** What the frame holds is not known any more. */
export function forgetFrame(state: State): void {
  state.frame = NOTHING_STORED;
  state.ownFrame = undefined;
}

function changeFrame(state: State): Map<number, Stored> {
  if (state.ownFrame === undefined) {
    state.ownFrame = new Map(state.frame);
    state.frame = state.ownFrame;
  }
  return state.ownFrame;
}

function noteStore(state: State, at: number, stored: Stored): void {
  const frame = changeFrame(state);
  frame.delete(at);
  frame.set(at, stored);
  if (frame.size <= MOST_STORED) return;
  for (const oldest of frame.keys()) {
    frame.delete(oldest);
    return;
  }
}

const FRAME: Value = { kind: "frame", offset: 0 };

export const factOf = (state: State, register: number): Value | undefined => (register === 10 ? FRAME : state.registers[register]);

export function sourceValue(state: State, source: Source): Value | undefined {
  return "register" in source ? factOf(state, source.register) : { kind: "constant", value: source.immediate };
}

function sameValue(a: Value | undefined, b: Value | undefined): boolean {
  if (a === b) return true;
  if (a === undefined || b === undefined || a.kind !== b.kind) return false;
  switch (a.kind) {
    case "constant":
      return a.value === (b as typeof a).value;
    case "frame":
      return a.offset === (b as typeof a).offset;
    case "map":
      return a.map === (b as typeof a).map;
    case "address":
      return a.address === (b as typeof a).address;
    case "mapValue":
      return a.offset === (b as typeof a).offset && a.present === (b as typeof a).present;
  }
}

/** Keeps in `into` what also holds in `other`; true when that was less. What the frame holds is not carried over joins. */
export function joinState(into: State, other: State): boolean {
  let changed = into.frame.size > 0;
  forgetFrame(into);
  for (let register = 0; register < 10; register++) {
    const value = into.registers[register];
    if (value === undefined || sameValue(value, other.registers[register])) continue;
    into.registers[register] = undefined;
    changed = true;
  }
  return changed;
}

export function sameState(a: State, b: State): boolean {
  if (a.frame === b.frame) return a.registers.every((value, register) => sameValue(value, b.registers[register]));
  if (a.frame.size !== b.frame.size || a.registers.some((value, register) => !sameValue(value, b.registers[register]))) return false;
  for (const [at, stored] of a.frame) {
    const other = b.frame.get(at);
    if (other?.instruction !== stored.instruction || other.bytes !== stored.bytes || !sameValue(other.value, stored.value)) return false;
  }
  return true;
}

/** `value` + `delta`, where that is known. */
function moved(value: Value | undefined, delta: number): Value | undefined {
  switch (value?.kind) {
    case "constant": {
      const sum = value.value + delta;
      return Math.abs(sum) <= 0x7fffffff ? { kind: "constant", value: sum } : undefined;
    }
    case "frame":
      return Math.abs(value.offset + delta) <= 0x8000 ? { kind: "frame", offset: value.offset + delta } : undefined;
    case "address": {
      const address = value.address + delta;
      return address >= 0 && address <= 0xffffffff ? { kind: "address", address } : undefined;
    }
    case "mapValue":
      return { kind: "mapValue", offset: value.offset + delta, present: value.present };
    default:
      return undefined;
  }
}

function sum(a: Value | undefined, b: Value | undefined): Value | undefined {
  if (b?.kind === "constant") return moved(a, b.value);
  return a?.kind === "constant" ? moved(b, a.value) : undefined;
}

function aluValue(state: State, operation: Extract<Operation, { kind: "alu" }>): Value | undefined {
  const source = sourceValue(state, operation.source);
  if (operation.name === "mov") {
    if (operation.width === 64) return source;
    return source?.kind === "constant" ? { kind: "constant", value: source.value >>> 0 } : undefined;
  }
  if (operation.width === 32) return undefined;
  const value = factOf(state, operation.dst);
  if (operation.name === "add") return sum(value, source);
  if (operation.name === "sub" && source?.kind === "constant") return moved(value, -source.value);
  return undefined;
}

/** Forgets what a store of `bytes` at `base + offset` may have overwritten in the frame. */
function overwrite(state: State, base: Value | undefined, offset: number, bytes: number): void {
  if (base === undefined || base.kind === "constant" || base.kind === "map") {
    forgetFrame(state);
    return;
  }
  if (base.kind !== "frame") return;
  const from = base.offset + offset;
  for (const [at, stored] of state.frame) if (at < from + bytes && from < at + stored.bytes) changeFrame(state).delete(at);
}

/** What facts follow from calls. */
export interface CallFacts {
  /** What r0 is after a map lookup with these registers. */
  lookup(state: State): Value | undefined;
  /** A helper call with these registers writes nothing to the frame: its code is written inline. */
  leavesFrame(state: State, helper: number): boolean;
  readonly maps: readonly CompiledMap[];
}

/** bpf_map_lookup_elem */
export const MAP_LOOKUP_ELEM = 1;

/** Brings the facts from before an instruction to behind it. */
export function transfer(state: State, operation: Operation, instruction: number, facts: CallFacts): void {
  const { registers } = state;
  switch (operation.kind) {
    case "alu":
      registers[operation.dst] = aluValue(state, operation);
      return;
    case "callback":
    case "cast":
    case "loadAcquire":
      registers[operation.dst] = undefined;
      return;
    case "constant": {
      const small = BigInt.asIntN(32, operation.value) === BigInt.asIntN(64, operation.value);
      registers[operation.dst] = small ? { kind: "constant", value: Number(BigInt.asIntN(64, operation.value)) } : undefined;
      return;
    }
    case "map":
      registers[operation.dst] = facts.maps[operation.map] && { kind: "map", map: operation.map };
      return;
    case "mapValue": {
      const map = facts.maps[operation.map];
      registers[operation.dst] =
        map?.arena === undefined ? map && { kind: "address", address: map.elements + operation.offset } : undefined;
      return;
    }
    case "load": {
      const base = factOf(state, operation.base);
      const stored = base?.kind === "frame" ? state.frame.get(base.offset + operation.offset) : undefined;
      registers[operation.dst] = stored?.bytes === 8 && operation.bytes === 8 ? stored.value : undefined;
      return;
    }
    case "store": {
      const base = factOf(state, operation.base);
      overwrite(state, base, operation.offset, operation.bytes);
      if (base?.kind === "frame")
        noteStore(state, base.offset + operation.offset, {
          bytes: operation.bytes,
          instruction,
          value: sourceValue(state, operation.source),
        });
      return;
    }
    case "storeRelease":
      overwrite(state, factOf(state, operation.base), operation.offset, operation.bytes);
      return;
    case "atomic":
      overwrite(state, factOf(state, operation.base), operation.offset, operation.bytes);
      if (operation.name === "cmpxchg") registers[0] = undefined;
      else if (operation.fetch) registers[operation.src] = undefined;
      return;
    case "helper": {
      if (!facts.leavesFrame(state, operation.id)) forgetFrame(state);
      registers[0] = operation.id === MAP_LOOKUP_ELEM ? facts.lookup(state) : undefined;
      return;
    }
    case "kfunc":
    case "call":
    case "packetLoad":
      forgetFrame(state);
      registers[0] = undefined;
      return;
    default:
      return;
  }
}
