import {
  BPF_MAP_TYPE_ARRAY,
  BPF_MAP_TYPE_HASH,
  BPF_MAP_TYPE_LRU_HASH,
  BPF_MAP_TYPE_LRU_PERCPU_HASH,
  BPF_MAP_TYPE_PERCPU_ARRAY,
  BPF_MAP_TYPE_PERCPU_HASH,
} from "../../layout/index.ts";
import { FRAME_TOP, type FunctionContext, pushCpuId, pushNarrow, setRegister } from "./context.ts";
import type { CompiledMap } from "./environment.ts";
import { factOf, type State, type Stored, type Value } from "./facts.ts";

/** Lookup in these maps is an index into an array of values. */
export const isArrayLookup = ({ type, keySize }: CompiledMap): boolean =>
  keySize === 4 && (type === BPF_MAP_TYPE_ARRAY || type === BPF_MAP_TYPE_PERCPU_ARRAY);

/** The map in r1, where it is known and its lookup is written inline. */
export function arrayInR1(state: State, maps: readonly CompiledMap[]): CompiledMap | undefined {
  const value = factOf(state, 1);
  const map = value?.kind === "map" ? maps[value.map] : undefined;
  return map !== undefined && isArrayLookup(map) ? map : undefined;
}

/** Maps whose values stand at multiples of 8 wherever a lookup finds them (runtime: createMap). */
const alignedMaps: ReadonlySet<number> = new Set([
  BPF_MAP_TYPE_ARRAY,
  BPF_MAP_TYPE_PERCPU_ARRAY,
  BPF_MAP_TYPE_HASH,
  BPF_MAP_TYPE_PERCPU_HASH,
  BPF_MAP_TYPE_LRU_HASH,
  BPF_MAP_TYPE_LRU_PERCPU_HASH,
]);

/** What r0 is known to be after a lookup with these registers. */
export function lookupFact(state: State, maps: readonly CompiledMap[]): Value | undefined {
  const array = arrayInR1(state, maps);
  if (array !== undefined) return lookupValue(state, array);
  const value = factOf(state, 1);
  const map = value?.kind === "map" ? maps[value.map] : undefined;
  return map !== undefined && alignedMaps.has(map.type) ? { kind: "mapValue", offset: 0, present: false } : undefined;
}

/** What the program stored to the frame as the key that r2 points to. */
export function keyStore(state: State): Stored | undefined {
  const key = factOf(state, 2);
  const stored = key?.kind === "frame" ? state.frame.get(key.offset) : undefined;
  return stored?.bytes === 4 ? stored : undefined;
}

/** The key of an array lookup, where it is known; unsigned. */
export function constantKey(state: State): number | undefined {
  const value = keyStore(state)?.value;
  return value?.kind === "constant" ? value.value >>> 0 : undefined;
}

function lookupValue(state: State, map: CompiledMap): Value {
  const key = constantKey(state);
  if (key === undefined) return { kind: "mapValue", offset: 0, present: false };
  if (key >= map.maxEntries) return { kind: "constant", value: 0 };
  if (map.type === BPF_MAP_TYPE_ARRAY) return { kind: "address", address: map.elements + key * map.stride };
  return { kind: "mapValue", offset: 0, present: true };
}

/** Pushes the u32 key that r2 points to. */
function pushKey(context: FunctionContext): void {
  const { code, state } = context;
  const stored = keyStore(state);
  const kept = stored && context.kept.get(stored.instruction);
  const key = constantKey(state);
  if (key !== undefined) code.i32(key | 0);
  else if (kept !== undefined) code.get(kept);
  else {
    const value = factOf(state, 2);
    if (value?.kind === "frame" && value.offset >= -FRAME_TOP) {
      code.get(context.frame);
      code.memory("i32.load", FRAME_TOP + value.offset, 0);
    } else {
      pushNarrow(context, 2);
      code.memory("i32.load", 0, 0);
    }
  }
}

/** Pushes the i32 address of the value at the index that is on the stack. */
function indexToAddress(context: FunctionContext, map: CompiledMap): void {
  const { code } = context;
  const shift = Math.log2(map.stride);
  code.i32(Number.isInteger(shift) ? shift : map.stride);
  code.op(Number.isInteger(shift) ? "i32.shl" : "i32.mul");
  code.i32(map.elements | 0);
  code.op("i32.add");
  addCpuOffset(context, map);
}

/** Adds this CPU's share of a per-CPU array to the address on the stack. */
function addCpuOffset(context: FunctionContext, map: CompiledMap): void {
  const { code } = context;
  if (map.type !== BPF_MAP_TYPE_PERCPU_ARRAY) return;
  pushCpuId(context);
  code.i32(map.cpuStride);
  code.op("i32.mul");
  code.op("i32.add");
}

/** r0 = address of the value that the key at r2 selects, or NULL: `elements + key * stride`, and this CPU's part. kernel/bpf/arraymap.c. */
export function emitArrayLookup(context: FunctionContext, map: CompiledMap): void {
  const { code } = context;
  const key = constantKey(context.state);
  if (key === undefined) {
    pushIndex(context);
    pushInside(context, map, false);
    code.if("i64");
    pushFound(context, map);
    code.else();
    code.i64(0);
    code.end();
  } else if (key < map.maxEntries) {
    code.i32((map.elements + key * map.stride) | 0);
    addCpuOffset(context, map);
    code.op("i64.extend_i32_u");
  } else code.i64(0);
  setRegister(context, 0);
}

/** Leaves the key in the scratch local, where the three functions below look for it. */
function pushIndex(context: FunctionContext): void {
  pushKey(context);
  context.code.set(context.scratch("i32"));
}

/** Pushes an i32: is the key inside the map? `negated`: is it outside? */
function pushInside(context: FunctionContext, map: CompiledMap, negated: boolean): void {
  const { code } = context;
  code.get(context.scratch("i32"));
  code.i32(map.maxEntries | 0);
  code.op(negated ? "i32.ge_u" : "i32.lt_u");
}

function pushFound(context: FunctionContext, map: CompiledMap): void {
  context.code.get(context.scratch("i32"));
  indexToAddress(context, map);
  context.code.op("i64.extend_i32_u");
}

/**
 * A lookup right before `if r0 == 0` or `if r0 != 0`: one comparison does for both. First r0 is NULL, then the branch compares the key, and the
 * address is computed where it went well: at the start of the block that only this branch leads to.
 */
export class CheckedLookup {
  readonly #context: FunctionContext;
  readonly #map: CompiledMap;

  constructor(context: FunctionContext, map: CompiledMap) {
    this.#context = context;
    this.#map = map;
  }

  /** In place of the call. */
  emitKey(): void {
    pushIndex(this.#context);
    this.#context.code.i64(0);
    setRegister(this.#context, 0);
  }

  /** In place of the comparison: found, or `missed`. */
  pushCondition(missed: boolean): void {
    pushInside(this.#context, this.#map, missed);
  }

  /** At the start of the block behind a lookup that found something. */
  emitAddress(): void {
    pushFound(this.#context, this.#map);
    setRegister(this.#context, 0);
  }
}
