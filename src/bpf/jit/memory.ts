import type { MemoryName } from "../../wasm/index.ts";
import type { AccessSize, AtomicOperation } from "../isa/index.ts";
import type { ShortField } from "../spec.ts";
import { type PushAddress, whereItLies } from "./arena.ts";
import { type FunctionContext, pushAddress, pushNarrow, pushRegister, setRegister } from "./context.ts";
import { factOf } from "./facts.ts";
import type { Operation } from "./operation.ts";
import { emitZoneCheck } from "./pointers.ts";

const loads: Record<AccessSize, MemoryName> = { 1: "i64.load8_u", 2: "i64.load16_u", 4: "i64.load32_u", 8: "i64.load" };
const signedLoads: Record<AccessSize, MemoryName> = { 1: "i64.load8_s", 2: "i64.load16_s", 4: "i64.load32_s", 8: "i64.load" };
const stores: Record<AccessSize, MemoryName> = { 1: "i64.store8", 2: "i64.store16", 4: "i64.store32", 8: "i64.store" };
const narrowStores: Record<1 | 2 | 4, MemoryName> = { 1: "i32.store8", 2: "i32.store16", 4: "i32.store" };
const atomicLoads: Record<AccessSize, MemoryName> = {
  1: "i64.atomic.load8_u",
  2: "i64.atomic.load16_u",
  4: "i64.atomic.load32_u",
  8: "i64.atomic.load",
};
const atomicStores: Record<AccessSize, MemoryName> = {
  1: "i64.atomic.store8",
  2: "i64.atomic.store16",
  4: "i64.atomic.store32",
  8: "i64.atomic.store",
};

type Store = Extract<Operation, { kind: "store" }>;

/** Pushes `base + offset`, less what goes into the memarg. */
const plainAddress =
  (context: FunctionContext, base: number, offset: number): PushAddress =>
  () => ({ rest: pushAddress(context, base, offset), checked: false });

/** dst = memory[base + offset], extended to 64 bits; 0 where an arena's page is not there. The memory's guard pages check the bounds. */
export function emitLoad(context: FunctionContext, operation: Extract<Operation, { kind: "load" }>): void {
  const { dst, base, offset, bytes, signed } = operation;
  whereItLies(
    context,
    operation,
    "i64",
    plainAddress(context, base, offset),
    (push) => context.code.memory((signed ? signedLoads : loads)[bytes], push().rest),
    () => context.code.i64(0),
  );
  setRegister(context, dst);
}

/** Nothing is stored where an arena's page is not there. */
export function emitStore(context: FunctionContext, operation: Store, instruction: number): void {
  const plain = plainAddress(context, operation.base, operation.offset);
  const access = (push: PushAddress): void => {
    if (push === plain) emitOtherStore(context, operation, instruction);
    else emitStoreAt(context, operation, instruction, push);
  };
  whereItLies(context, operation, undefined, plain, access, () => {});
}

/** A store to anything but an arena. */
function emitOtherStore(context: FunctionContext, operation: Store, instruction: number): void {
  // What is known of an address tells that it is not the context's.
  if (operation.short === undefined || factOf(context.state, operation.base) !== undefined) emitPlainStore(context, operation, instruction);
  else emitFieldStore(context, operation, operation.short, instruction);
}

/** A store that may be one to a short field of the context: programs reach those by the context's own address only, and the instruction's offset. */
function emitFieldStore(context: FunctionContext, operation: Store, { limit }: ShortField, instruction: number): void {
  const { code, program } = context;
  const { base, offset, source } = operation;
  pushNarrow(context, base);
  code.globalGet(program.context!);
  code.op("i32.eq");
  code.if();
  if ("register" in source) {
    if (limit !== undefined) {
      pushRegister(context, source.register);
      code.i64(limit);
      code.op("i64.lt_u");
      code.if();
    }
    const rest = pushAddress(context, base, offset);
    pushNarrow(context, source.register);
    code.i32(0xffff);
    code.op("i32.and");
    code.memory("i32.store", rest);
    if (limit !== undefined) code.end();
  } else if (limit === undefined || source.immediate < limit) {
    const rest = pushAddress(context, base, offset);
    code.i32(source.immediate & 0xffff);
    code.memory("i32.store", rest);
  }
  code.else();
  emitPlainStore(context, operation, instruction);
  code.end();
}

const emitPlainStore = (context: FunctionContext, operation: Store, instruction: number): void =>
  emitStoreAt(context, operation, instruction, plainAddress(context, operation.base, operation.offset));

function emitStoreAt(context: FunctionContext, { base, offset, bytes, source }: Store, instruction: number, push: PushAddress): void {
  const { code } = context;
  const { rest, checked } = push();
  if (!checked) emitZoneCheck(context, base, offset);
  if ("register" in source) {
    const keep = context.kept.get(instruction);
    if (keep !== undefined && bytes === 4) {
      pushRegister(context, source.register);
      code.op("i32.wrap_i64");
      code.tee(keep);
      code.memory("i32.store", rest);
      return;
    }
    pushRegister(context, source.register);
    code.memory(stores[bytes], rest);
  } else if (bytes === 8) {
    code.i64(source.immediate);
    code.memory("i64.store", rest);
  } else {
    code.i32(source.immediate);
    code.memory(narrowStores[bytes], rest);
  }
}

/** An address on the stack, as base plus an offset for the memarg; `aligned` when it is known to be a multiple of the access's size. */
interface AtomicAddress {
  readonly rest: number;
  readonly aligned: boolean;
}

/** Frames and map values begin at multiples of 8; other addresses are only known when the program runs. */
function pushAtomicAddress(
  context: FunctionContext,
  { base, offset, bytes }: { readonly base: number; readonly offset: number; readonly bytes: AccessSize },
  push: PushAddress,
): AtomicAddress & { readonly checked: boolean } {
  const { rest, checked } = push();
  if (checked) return { rest, checked, aligned: bytes === 1 };
  const value = factOf(context.state, base);
  const isMultiple = (number: number) => number % bytes === 0;
  const aligned =
    bytes === 1 ||
    (value?.kind === "frame" && isMultiple(value.offset + offset)) ||
    (value?.kind === "mapValue" && isMultiple(value.offset + offset)) ||
    (value?.kind === "address" && isMultiple(value.address + offset));
  return { rest, aligned, checked };
}

/**
 * Atomics trap in WebAssembly when the address is not naturally aligned, and work on x86: where the alignment is not known, it is tested, and what is not
 * aligned is done by plain accesses. The address is on the stack; `atomic` and `plain` find it there and leave the same.
 */
function whenAligned(
  context: FunctionContext,
  address: AtomicAddress,
  bytes: AccessSize,
  result: boolean,
  atomic: () => void,
  plain: () => void,
): void {
  const { code } = context;
  if (address.aligned) {
    atomic();
    return;
  }
  const at = context.scratch("i32");
  code.tee(at);
  if (address.rest !== 0) {
    code.i32(address.rest);
    code.op("i32.add");
  }
  code.i32(bytes - 1);
  code.op("i32.and");
  code.op("i32.eqz");
  code.if(result ? "i64" : undefined);
  code.get(at);
  atomic();
  code.else();
  code.get(at);
  plain();
  code.end();
}

const readModifyWrite: Record<AtomicOperation, readonly [MemoryName, MemoryName]> = {
  add: ["i64.atomic.rmw32.add_u", "i64.atomic.rmw.add"],
  or: ["i64.atomic.rmw32.or_u", "i64.atomic.rmw.or"],
  and: ["i64.atomic.rmw32.and_u", "i64.atomic.rmw.and"],
  xor: ["i64.atomic.rmw32.xor_u", "i64.atomic.rmw.xor"],
  xchg: ["i64.atomic.rmw32.xchg_u", "i64.atomic.rmw.xchg"],
  cmpxchg: ["i64.atomic.rmw32.cmpxchg_u", "i64.atomic.rmw.cmpxchg"],
};

/** Atomic operations; fetched values and r0 of a 32-bit cmpxchg are zero-extended. RFC 9669, section 5.3. Where an arena's page is not there, registers stay as they are. */
export function emitAtomic(context: FunctionContext, operation: Extract<Operation, { kind: "atomic" }>): void {
  const { code } = context;
  const { name, base, offset, bytes, src, fetch } = operation;
  const unchanged = (): void => (name === "cmpxchg" ? pushExpected(context, bytes) : pushRegister(context, src));
  const access = (push: PushAddress): void => emitAtomicAt(context, operation, push);
  whereItLies(context, operation, "i64", plainAddress(context, base, offset), access, unchanged);
  if (name === "cmpxchg") setRegister(context, 0);
  else if (fetch) setRegister(context, src);
  else code.op("drop");
}

function emitAtomicAt(context: FunctionContext, operation: Extract<Operation, { kind: "atomic" }>, push: PushAddress): void {
  const { code } = context;
  const { name, base, offset, bytes, src } = operation;
  const address = pushAtomicAddress(context, operation, push);
  if (!address.checked) emitZoneCheck(context, base, offset);
  const atomic = () => {
    if (name === "cmpxchg") pushExpected(context, bytes);
    pushRegister(context, src);
    code.memory(readModifyWrite[name][bytes === 8 ? 1 : 0], address.rest);
  };
  whenAligned(context, address, bytes, true, atomic, () => emitPlainUpdate(context, operation, address.rest));
}

/** What a cmpxchg compares with: r0, of which the 32-bit form takes the low half. */
function pushExpected(context: FunctionContext, bytes: AccessSize): void {
  pushRegister(context, 0);
  if (bytes === 8) return;
  context.code.op("i32.wrap_i64");
  context.code.op("i64.extend_i32_u");
}

/** The same by a plain load and store: address on the stack, old value left there. */
function emitPlainUpdate(context: FunctionContext, { name, bytes, src }: Extract<Operation, { kind: "atomic" }>, rest: number): void {
  const { code } = context;
  const at = context.scratch("i32");
  const old = context.scratch("i64");
  code.set(at);
  code.get(at);
  code.memory(loads[bytes], rest);
  code.set(old);
  code.get(at);
  if (name === "cmpxchg") {
    pushRegister(context, src);
    code.get(old);
    code.get(old);
    pushExpected(context, bytes);
    code.op("i64.eq");
    code.op("select");
  } else if (name === "xchg") pushRegister(context, src);
  else {
    code.get(old);
    pushRegister(context, src);
    code.op(`i64.${name}`);
  }
  code.memory(stores[bytes], rest);
  code.get(old);
}

/** Where an arena's page is not there, the register stays as it is, unlike with plain loads. */
export function emitLoadAcquire(context: FunctionContext, operation: Extract<Operation, { kind: "loadAcquire" }>): void {
  const { code } = context;
  const { dst, base, offset, bytes } = operation;
  const access = (push: PushAddress): void => {
    const address = pushAtomicAddress(context, operation, push);
    whenAligned(
      context,
      address,
      bytes,
      true,
      () => code.memory(atomicLoads[bytes], address.rest),
      () => code.memory(loads[bytes], address.rest),
    );
  };
  whereItLies(context, operation, "i64", plainAddress(context, base, offset), access, () => pushRegister(context, dst));
  setRegister(context, dst);
}

export function emitStoreRelease(context: FunctionContext, operation: Extract<Operation, { kind: "storeRelease" }>): void {
  const { code } = context;
  const { src, base, offset, bytes } = operation;
  const access = (push: PushAddress): void => {
    const address = pushAtomicAddress(context, operation, push);
    if (!address.checked) emitZoneCheck(context, base, offset);
    const store = (name: MemoryName) => () => {
      pushRegister(context, src);
      code.memory(name, address.rest);
    };
    whenAligned(context, address, bytes, false, store(atomicStores[bytes]), store(stores[bytes]));
  };
  whereItLies(context, operation, undefined, plainAddress(context, base, offset), access, () => {});
}
