import { CpuBlock, TRAP_HELPER } from "../../layout/index.ts";
import type { CodeWriter } from "../../wasm/index.ts";
import type { HelperSpec, KfuncSpec, ProgramType, RuntimeFunction } from "../spec.ts";
import type { FuelCosts, PricedInstructions, VerifiedProgram } from "../verifier/index.ts";
import type { CompiledMap, CompileEnvironment } from "./environment.ts";
import { factOf, type State } from "./facts.ts";

/** What all functions of a program share while it is compiled. */
export interface ProgramContext {
  readonly environment: CompileEnvironment;
  /** Helpers that the program's type may call. What is missing compiles to a trap. */
  readonly helpers: ReadonlyMap<number, HelperSpec>;
  readonly legacyLoads: ProgramType["legacyLoads"];
  readonly verified: VerifiedProgram;
  /** Kernel functions by the number in their call instructions. What is missing compiles to a trap. */
  readonly kfuncs: ReadonlyMap<number, KfuncSpec>;
  /** WebAssembly function of a runtime export. */
  importOf(runtimeFunction: RuntimeFunction): number;
  /** WebAssembly function of the BPF function that begins at an instruction. */
  functionAt(instruction: number): number;
  /** Table index of the callback that begins at an instruction. */
  callbackSlot(instruction: number): number;
  /** Table indices of all callbacks. */
  readonly callbacks: { readonly first: number; readonly count: number };
  /** It holds a call of bpf_throw. */
  readonly throws: boolean;
  /** First instruction of the function that a run ends with which threw; without one it ends with the cookie. */
  readonly exceptionCallback: number | undefined;
  /** Type index of programs, `(ctx i64) → i64`. */
  readonly programType: number;
  /** Global indices of the runtime's `cpu` and `fuel`. */
  readonly cpu: number;
  readonly fuel: number;
  /** The same of `context`; absent where no call passes one, and no store may be to one of its short fields. */
  readonly context: number | undefined;
  readonly costs: FuelCosts;
  /** The arena that the program's casts are of; undefined where it has none. */
  readonly arena: CompiledMap | undefined;
  /** Where time is modelled: what the instructions cost, and global indices of the runtime's `spent` and `touched`. */
  readonly prices: (PricedInstructions & { readonly spent: number; readonly touched: number }) | undefined;
}

/**
 * What a WebAssembly function is: a `program` takes its frame from the CPU block; a `subprogram` gets it from its caller;
 * a `part` of a function that is too long for one gets and leaves registers in the CPU block, and returns the part that goes on.
 */
export type FunctionShape = "program" | "subprogram" | "part";

/** What a part returns when the BPF function is at its end and r0 stands in the CPU block. */
export const FUNCTION_ENDED = -1;

/** One function while it is compiled. BPF registers r0..r9 are i64 locals; r10 is held as `frame`, the lowest address of the stack frame, i32. */
export interface FunctionContext {
  readonly program: ProgramContext;
  readonly code: CodeWriter;
  readonly registers: readonly number[];
  readonly frame: number;
  /** Holds the fuel while the function runs, where it has loops; else the runtime's global does. */
  readonly fuel: number | undefined;
  /** Holds the CPU's number where loops look values of per-CPU arrays up. */
  readonly cpuId: number | undefined;
  /** Counts the iterations that may_goto still allows. */
  readonly mayGoto: number | undefined;
  readonly shape: FunctionShape;
  /** Facts before the instruction that is being compiled. */
  state: State;
  /** Locals that keep what a store to the frame wrote, for later instructions, by the store's instruction. */
  readonly kept: Map<number, number>;
  /** A scratch local of either type; its value does not outlive one instruction. */
  scratch(type: "i32" | "i64"): number;
}

/** Bytes from the frame's lowest address to r10. */
export const FRAME_TOP = 512;

/** Pushes a register's value as i64. */
export function pushRegister({ code, registers, frame }: FunctionContext, register: number): void {
  if (register === 10) {
    code.get(frame);
    code.i32(FRAME_TOP);
    code.op("i32.add");
    code.op("i64.extend_i32_u");
  } else code.get(registers[register]!);
}

/** Pushes the low 32 bits of a register; addresses that are known are computed from what they are known by. */
export function pushNarrow(context: FunctionContext, register: number): void {
  const { code, frame, registers, program } = context;
  const value = factOf(context.state, register);
  switch (value?.kind) {
    case "frame":
      code.get(frame);
      if (value.offset !== -FRAME_TOP) {
        code.i32(FRAME_TOP + value.offset);
        code.op("i32.add");
      }
      return;
    case "constant":
      code.i32(value.value | 0);
      return;
    case "map":
      code.i32(program.environment.maps[value.map]!.address | 0);
      return;
    case "address":
      code.i32(value.address | 0);
      return;
    default:
      code.get(registers[register]!);
      code.op("i32.wrap_i64");
  }
}

export function setRegister({ code, registers }: FunctionContext, register: number): void {
  code.set(registers[register]!);
}

/**
 * Pushes the i32 address `base + offset`, less what can stand in the memarg of the access, which it returns. A memarg is unsigned and does not wrap,
 * so a negative offset is added first.
 */
export function pushAddress(context: FunctionContext, base: number, offset: number): number {
  const { code } = context;
  const value = factOf(context.state, base);
  if (value?.kind === "frame") {
    code.get(context.frame);
    return addNegative(code, FRAME_TOP + value.offset + offset);
  }
  const known = value?.kind === "address" ? value.address + offset : -1;
  // Beyond 32 bits it must trap, not begin at 0 again: there the memarg carries it over the end.
  if (known >= 0 && known <= 0xffffffff) {
    code.i32(known | 0);
    return 0;
  }
  pushNarrow(context, base);
  return addNegative(code, offset);
}

function addNegative(code: CodeWriter, offset: number): number {
  if (offset >= 0) return offset;
  code.i32(offset);
  code.op("i32.add");
  return 0;
}

/** Pushes a word of the CPU block. */
export function pushCpuField(
  { code, program }: Pick<FunctionContext, "code" | "program">,
  field: keyof typeof CpuBlock.at,
  type: "i32" | "i64" = "i32",
): void {
  code.globalGet(program.cpu);
  code.memory(`${type}.load`, CpuBlock.at[field]);
}

/** Pushes the number of the CPU. */
export function pushCpuId(context: FunctionContext): void {
  if (context.cpuId === undefined) pushCpuField(context, "id");
  else context.code.get(context.cpuId);
}

/** Loads what stays the same while the function runs, at its start. */
export function loadCpuId(context: FunctionContext): void {
  if (context.cpuId === undefined) return;
  pushCpuField(context, "id");
  context.code.set(context.cpuId);
}

/** Stores a word of the CPU block; `value` pushes it. */
export function storeCpuField(
  { code, program }: Pick<FunctionContext, "code" | "program">,
  field: keyof typeof CpuBlock.at,
  value: () => void,
  type: "i32" | "i64" = "i32",
): void {
  code.globalGet(program.cpu);
  value();
  code.memory(`${type}.store`, CpuBlock.at[field]);
}

const registerAt = (index: number): number => CpuBlock.at.registers + 8 * index;

/** Pushes one of the words that hold registers between the parts of a function. */
export function pushPassedRegister({ code, program }: Pick<FunctionContext, "code" | "program">, index: number): void {
  code.globalGet(program.cpu);
  code.memory("i64.load", registerAt(index));
}

/** Stores a register (or what `value` pushes) for the next part of the function. */
export function passRegister({ code, program }: Pick<FunctionContext, "code" | "program">, index: number, value: () => void): void {
  code.globalGet(program.cpu);
  value();
  code.memory("i64.store", registerAt(index));
}

/** Ends the run: TRAP_* and a detail in the CPU block, then a WebAssembly trap. */
export function emitTrap(context: Pick<FunctionContext, "code" | "program">, trap: number, detail = 0): void {
  storeCpuField(context, "trap", () => context.code.i32(trap));
  storeCpuField(context, "trap_detail", () => context.code.i32(detail | 0));
  context.code.op("unreachable");
}

/** What is called here is unknown, poisoned by a failed relocation, or not built. */
export const emitMissing = (context: FunctionContext, number: number): void => emitTrap(context, TRAP_HELPER, number);

/** Gives the fuel back to the global, before others may burn it or the function ends. */
export function storeFuel({ fuel, code, program }: FunctionContext): void {
  if (fuel === undefined) return;
  code.get(fuel);
  code.globalSet(program.fuel);
}

export function loadFuel({ fuel, code, program }: FunctionContext): void {
  if (fuel === undefined) return;
  code.globalGet(program.fuel);
  code.set(fuel);
}
