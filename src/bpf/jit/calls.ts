import {
  BPF_MAP_TYPE_PROG_ARRAY,
  MAX_BPF_STACK,
  MAX_CALL_FRAMES,
  MAX_TAIL_CALL_CNT,
  RUN_FUEL,
  TRAP_BUDGET,
  TRAP_DEPTH,
} from "../../layout/index.ts";
import type { RuntimeFunction } from "../spec.ts";
import {
  emitMissing,
  emitTrap,
  FUNCTION_ENDED,
  type FunctionContext,
  loadFuel,
  passRegister,
  pushCpuField,
  pushNarrow,
  pushRegister,
  setRegister,
  storeCpuField,
  storeFuel,
} from "./context.ts";
import { emitThrow, emitThrownCheck, pushCalleeFrame } from "./exceptions.ts";
import { factOf, MAP_LOOKUP_ELEM } from "./facts.ts";
import { arrayInR1, emitArrayLookup } from "./lookup.ts";
import type { Operation } from "./operation.ts";
import { emitPointerCheck, emitPointerChecks } from "./pointers.ts";

/** Helpers that are written inline. include/uapi/linux/bpf.h: ___BPF_FUNC_MAPPER. */
const KTIME_GET_NS = 5;
const GET_SMP_PROCESSOR_ID = 8;
export const TAIL_CALL = 12;
const KTIME_GET_BOOT_NS = 125;

const inlineHelpers: ReadonlySet<number> = new Set([KTIME_GET_NS, GET_SMP_PROCESSOR_ID, KTIME_GET_BOOT_NS]);

/** A call to this helper, with these registers, is written inline and writes no memory. */
export function isInline({ program, state }: Pick<FunctionContext, "program" | "state">, helper: number): boolean {
  if (!program.helpers.has(helper)) return false;
  return inlineHelpers.has(helper) || (helper === MAP_LOOKUP_ELEM && arrayInR1(state, program.environment.maps) !== undefined);
}

export function emitHelperCall(context: FunctionContext, id: number): void {
  const { environment, helpers } = context.program;
  const helper = helpers.get(id);
  if (helper === undefined) {
    emitMissing(context, id);
    return;
  }
  if (id === TAIL_CALL) {
    emitTailCall(context);
    return;
  }
  if (isInline(context, id)) {
    emitInline(context, id);
    return;
  }
  const map = factOf(context.state, 1);
  const special = map?.kind === "map" ? environment.mapOperation?.(id, environment.maps[map.map]!) : undefined;
  if (special !== undefined) emitRuntimeCall(context, special);
  else if (helper.cold) emitColdCall(context, helper.id);
  else if (helper.callback) emitCallbackCall(context, helper.call);
  else emitRuntimeCall(context, helper.call);
}

function emitInline(context: FunctionContext, id: number): void {
  if (id === MAP_LOOKUP_ELEM) {
    emitArrayLookup(context, arrayInR1(context.state, context.program.environment.maps)!);
    return;
  }
  if (id === GET_SMP_PROCESSOR_ID) {
    pushCpuField(context, "id");
    context.code.op("i64.extend_i32_u");
  } else pushCpuField(context, id === KTIME_GET_NS ? "ktime_ns" : "boot_ns", "i64");
  setRegister(context, 0);
}

/** r0 = function(r1, r2, …), as the function's signature says. */
export function emitRuntimeCall(context: FunctionContext, runtimeFunction: RuntimeFunction): void {
  emitPointerChecks(context, runtimeFunction);
  for (const [index, type] of runtimeFunction.parameters.entries()) {
    if (type === "i32") pushNarrow(context, index + 1);
    else pushRegister(context, index + 1);
  }
  callRuntime(context, runtimeFunction);
  setRegister(context, 0);
}

/** The call itself, arguments on the stack; leaves the result as i64. What is called may burn fuel: for long walks, for callbacks. */
function callRuntime(context: FunctionContext, runtimeFunction: RuntimeFunction): void {
  const { code, program } = context;
  storeFuel(context);
  code.call(program.importOf(runtimeFunction));
  loadFuel(context);
  if (runtimeFunction.result === "u32") code.op("i64.extend_i32_u");
  else if (runtimeFunction.result === "s32") code.op("i64.extend_i32_s");
  else if (runtimeFunction.result === "none") code.i64(0);
}

/** The runtime's way to helpers written in TypeScript: (helper i32, r1..r5) → i64. */
export const coldEntry: RuntimeFunction = { entry: "cold", parameters: ["i32", "i64", "i64", "i64", "i64", "i64"], result: "i64" };

function emitColdCall(context: FunctionContext, number: number): void {
  const { code } = context;
  code.i32(number);
  for (let register = 1; register <= 5; register++) pushRegister(context, register);
  callRuntime(context, coldEntry);
  setRegister(context, 0);
}

/** A helper that calls back: the callback's frame lies below this function's own. */
function emitCallbackCall(context: FunctionContext, call: RuntimeFunction): void {
  storeCpuField(context, "callback_fp", () => pushCalleeFrame(context));
  emitRuntimeCall(context, call);
  emitThrownCheck(context);
}

export function emitKfuncCall(context: FunctionContext, id: number): void {
  const kfunc = context.program.kfuncs.get(id);
  if (kfunc === undefined) emitMissing(context, id);
  else if (kfunc.throws) emitThrow(context);
  else if (kfunc.cold !== undefined) emitColdCall(context, kfunc.cold);
  else if (kfunc.callback) emitCallbackCall(context, kfunc.call);
  else emitRuntimeCall(context, kfunc.call);
}

/** r0 = the BPF function that begins at `target`, called with r1..r5. */
export function emitSubprogramCall(context: FunctionContext, target: number): void {
  const { code, program } = context;
  storeFuel(context);
  for (let register = 1; register <= 5; register++) pushRegister(context, register);
  pushCalleeFrame(context);
  code.call(program.functionAt(target));
  setRegister(context, 0);
  loadFuel(context);
  emitThrownCheck(context);
}

/** LD_ABS and LD_IND: r0 = bytes of the packet in host order; where the packet ends before, the function returns 0. */
export function emitPacketLoad(context: FunctionContext, { bytes, offset, index }: Extract<Operation, { kind: "packetLoad" }>): void {
  const { code } = context;
  const call = context.program.legacyLoads?.[bytes];
  if (call === undefined) {
    emitMissing(context, 0);
    return;
  }
  pushNarrow(context, 6);
  code.i32(offset);
  if (index !== undefined) {
    pushNarrow(context, index);
    code.op("i32.add");
  }
  callRuntime(context, call);
  code.tee(context.registers[0]!);
  code.i64(0);
  code.op("i64.lt_s");
  code.if();
  code.i64(0);
  setRegister(context, 0);
  emitExit(context);
  code.end();
}

/** Returns r0, and what fuel is left. */
export function emitExit(context: FunctionContext): void {
  const { code, shape } = context;
  storeFuel(context);
  if (shape === "part") {
    passRegister(context, 0, () => pushRegister(context, 0));
    code.i32(FUNCTION_ENDED);
  } else pushRegister(context, 0);
  code.op("return");
}

/**
 * bpf_tail_call(ctx, map, index): falls through, with nothing changed, when the index (its low 32 bits) is past the end, 33 calls were made already, or the
 * slot is empty. Else this frame is given up for the other program's, which starts with full r1 only. arch/x86/net/bpf_jit_comp.c.
 */
function emitTailCall(context: FunctionContext): void {
  const { code, program } = context;
  const slot = context.scratch("i32");
  const value = factOf(context.state, 2);
  const map = value?.kind === "map" ? program.environment.maps[value.map] : undefined;
  const resolve = program.environment.tailCallSlot;
  if (map === undefined ? resolve === undefined : map.type !== BPF_MAP_TYPE_PROG_ARRAY) {
    emitMissing(context, TAIL_CALL);
    return;
  }
  if (map === undefined) emitPointerCheck(context, 2, "map");
  const failed = code.block();
  if (map !== undefined) {
    pushNarrow(context, 3);
    code.i32(map.maxEntries | 0);
    code.op("i32.ge_u");
    code.brIf(failed);
  }
  pushCpuField(context, "tail_calls");
  code.i32(MAX_TAIL_CALL_CNT);
  code.op("i32.ge_u");
  code.brIf(failed);
  if (map !== undefined) {
    pushNarrow(context, 3);
    code.i32(2);
    code.op("i32.shl");
    code.i32(map.elements | 0);
    code.op("i32.add");
    code.memory("i32.load");
  } else {
    pushNarrow(context, 2);
    pushNarrow(context, 3);
    code.call(program.importOf(resolve!));
  }
  code.tee(slot);
  code.op("i32.eqz");
  code.brIf(failed);
  storeCpuField(context, "tail_calls", () => {
    pushCpuField(context, "tail_calls");
    code.i32(1);
    code.op("i32.add");
  });
  emitBurn(context, RUN_FUEL);
  storeFuel(context);
  storeCpuField(context, "fp", () => code.get(context.frame));
  if (context.shape !== "program") emitDepthCheck(context);
  if (context.shape === "part") {
    // A part returns another type than a program: it cannot give its place up.
    passRegister(context, 0, () => {
      pushRegister(context, 1);
      code.get(slot);
      code.callIndirect(program.programType);
    });
    code.i32(FUNCTION_ENDED);
    code.op("return");
  } else {
    pushRegister(context, 1);
    code.get(slot);
    code.returnCallIndirect(program.programType);
  }
  code.end();
}

/** Programs tail-called from subprograms leave their callers' frames in place: a chain of them could run off the CPU's stacks. */
function emitDepthCheck(context: FunctionContext): void {
  const { code } = context;
  code.get(context.frame);
  pushCpuField(context, "stacks");
  code.i32(MAX_CALL_FRAMES * MAX_BPF_STACK);
  code.op("i32.add");
  code.op("i32.lt_u");
  code.if();
  emitTrap(context, TRAP_DEPTH);
  code.end();
}

/** Burns so many units; below zero the run ends. `fuel` is a local, or the runtime's global where the function keeps none. */
export function emitBurn(context: Pick<FunctionContext, "code" | "program" | "fuel" | "scratch">, units: number): void {
  if (units === 0) return;
  const { code, fuel, program } = context;
  const left = fuel ?? context.scratch("i64");
  if (fuel === undefined) code.globalGet(program.fuel);
  else code.get(fuel);
  code.i64(-units);
  code.op("i64.add");
  code.set(left);
  if (fuel === undefined) {
    code.get(left);
    code.globalSet(program.fuel);
  }
  code.get(left);
  code.i64(0);
  code.op("i64.lt_s");
  code.if();
  emitTrap(context, TRAP_BUDGET);
  code.end();
}
