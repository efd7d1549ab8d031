import { CodeWriter, type FunctionType, ModuleWriter, type ValueType } from "../../wasm/index.ts";
import { calledKfunc, type KfuncSpec, type RuntimeFunction } from "../spec.ts";
import { fuelCosts, priceInstructions, type VerifiedProgram } from "../verifier/index.ts";
import { arenaAddress, arenaOf } from "./arena.ts";
import { coldEntry, TAIL_CALL } from "./calls.ts";
import { type ProgramContext, pushCpuField } from "./context.ts";
import type { CompileEnvironment } from "./environment.ts";
import { type CompiledFunction, compileFunction } from "./function.ts";
import { shortFieldOf } from "./operation.ts";
import { compileInParts } from "./parts.ts";
import { type TrapTable, trapTable } from "./traps.ts";

/** A program as WebAssembly. All of it can be sent to a worker; `bytes` only while nobody needs them here. */
export interface CompiledProgram {
  readonly name: string;
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** Table index of the program; its callbacks follow it. */
  readonly slot: number;
  /** Table slots that it takes: 1, and one for each callback. */
  readonly slots: number;
  readonly traps: TrapTable;
}

/**
 * Instructions that one WebAssembly function may be made of: V8 refuses bodies above 7,654,321 bytes, and compiles long ones slowly. The longest instruction, a tail
 * call through an unknown map in a subprogram with loops, takes 156 bytes.
 */
const LONGEST_FUNCTION = 40_000;
/** What longer functions are cut into: the compiler's work on one part, and V8's, stays in the caches. */
const PART_LENGTH = 16_384;

/** The kfuncs that a program may call, by the number in its call instructions. */
function kfuncsOf({ spec, type }: VerifiedProgram): Map<number, KfuncSpec> {
  const kfuncs = new Map<number, KfuncSpec>();
  for (const imm of spec.kfuncs?.keys() ?? []) {
    const kfunc = calledKfunc(spec, type, imm);
    if (kfunc !== undefined) kfuncs.set(imm, kfunc);
  }
  return kfuncs;
}

const PROGRAM: FunctionType = { parameters: ["i64"], results: ["i64"] };
const FIVE: readonly ValueType[] = ["i64", "i64", "i64", "i64", "i64"];
const SUBPROGRAM: FunctionType = { parameters: [...FIVE, "i32"], results: ["i64"] };
const CALLBACK: FunctionType = { parameters: FIVE, results: ["i64"] };
const wasmResults = { i64: ["i64"], u32: ["i32"], s32: ["i32"], none: [] } as const satisfies Record<
  RuntimeFunction["result"],
  ValueType[]
>;

/** Name of the export that goes into table slot `slot + index`. */
const exportName = (index: number): string => (index === 0 ? "program" : `callback${index}`);

type Surroundings = Pick<ProgramContext, "verified" | "environment" | "helpers" | "legacyLoads" | "kfuncs">;

/** Runtime functions that the program's calls may need, each once by its export's name. */
function neededFunctions({ verified, environment, helpers, legacyLoads, kfuncs }: Surroundings): RuntimeFunction[] {
  const needed = new Map<string, RuntimeFunction>();
  const need = (runtimeFunction: RuntimeFunction | undefined) => {
    if (runtimeFunction !== undefined) needed.set(runtimeFunction.entry, runtimeFunction);
  };
  const called = new Set<number>();
  for (const instruction of verified.instructions) {
    if (instruction === undefined) continue;
    const { index, row, imm } = instruction;
    if ((row.kind !== "call" && row.kind !== "legacy_load") || verified.unbuilt.has(index)) continue;
    if (row.kind === "legacy_load") need(legacyLoads?.[row.size]);
    else if (row.callee === "kfunc") need(kfuncs.get(imm)?.call);
    else if (row.callee === "helper") called.add(imm);
  }
  for (const id of called) {
    const helper = helpers.get(id);
    if (helper === undefined) continue;
    if (id === TAIL_CALL) need(environment.tailCallSlot);
    else need(helper.cold ? coldEntry : helper.call);
    for (const map of environment.maps) need(environment.mapOperation?.(id, map));
  }
  return [...needed.values()];
}

/**
 * Compiles a checked program against its surroundings. Time is linear in its length. The module imports `env.memory`, `env.table`, and from `runtime` the globals
 * `cpu` and `fuel`, and the functions it calls.
 */
export function compileProgram(verified: VerifiedProgram, environment: CompileEnvironment): CompiledProgram {
  const { spec, type, callbacks } = verified;
  const arena = arenaOf(verified, environment.maps);
  const surroundings: Surroundings = {
    environment,
    verified,
    helpers: type.helpers,
    legacyLoads: type.legacyLoads,
    kfuncs: kfuncsOf(verified),
  };
  const module = new ModuleWriter(spec.name);
  module.importMemory("env", "memory", { minimum: 1, maximum: 65536, shared: true });
  module.importTable("env", "table", { minimum: 1 });
  const cpu = module.importGlobal("runtime", "cpu", "i32", true);
  const fuel = module.importGlobal("runtime", "fuel", "i64", true);
  const needed = [...neededFunctions(surroundings), ...(arena === undefined ? [] : [arenaAddress])];
  const looksAtContext =
    needed.some(({ pointers }) => pointers?.includes("context")) ||
    verified.instructions.some((instruction) => instruction !== undefined && shortFieldOf(instruction, type) !== undefined);
  const context = looksAtContext ? module.importGlobal("runtime", "context", "i32", true) : undefined;
  const prices =
    environment.prices === undefined
      ? undefined
      : {
          ...priceInstructions(verified, environment.prices),
          spent: module.importGlobal("runtime", "spent", "i64", true),
          touched: module.importGlobal("runtime", "touched", "i32", true),
        };
  const imports = new Map<string, number>();
  for (const { entry, parameters, result } of needed) {
    imports.set(entry, module.importFunction("runtime", entry, { parameters, results: wasmResults[result] }));
  }
  const functions = new Map(
    verified.functions.map(({ name, start }, index) => [start, module.declare(name, index === 0 ? PROGRAM : SUBPROGRAM)] as const),
  );
  const program: ProgramContext = {
    ...surroundings,
    importOf: ({ entry }) => imports.get(entry)!,
    functionAt: (instruction) => functions.get(instruction)!,
    callbacks: { first: environment.slot + 1, count: callbacks.length },
    callbackSlot: (instruction) => environment.slot + 1 + callbacks.indexOf(instruction),
    throws: verified.throws,
    exceptionCallback: spec.exceptionCallback,
    programType: module.type(PROGRAM),
    cpu,
    fuel,
    context,
    costs: fuelCosts(verified),
    arena,
    prices,
  };
  const marks = new Map<number, readonly number[]>();
  const define = (index: number, compiled: CompiledFunction): number => {
    module.define(index, compiled.code);
    marks.set(index, compiled.marks);
    return index;
  };
  const { longestFunction = LONGEST_FUNCTION } = environment;
  const partLength = Math.min(PART_LENGTH, longestFunction);
  for (const [index, made] of verified.functions.entries()) {
    const shape = index === 0 ? "program" : "subprogram";
    const compiled =
      made.end - made.start <= longestFunction
        ? compileFunction(program, made, shape)
        : compileInParts(program, made, shape, partLength, (name, type, part) => define(module.declare(name, type), part));
    define(functions.get(made.start)!, compiled);
  }
  module.exportFunction(exportName(0), functions.get(0)!);
  for (const [index, target] of callbacks.entries()) {
    const thunk = module.declare(`callback${index + 1}`, CALLBACK);
    module.define(thunk, callbackThunk(program, functions.get(target)!));
    module.exportFunction(exportName(index + 1), thunk);
  }
  const { bytes, codeStart } = module.finish();
  return {
    name: spec.name,
    bytes: bytes as Uint8Array<ArrayBuffer>,
    slot: environment.slot,
    slots: 1 + callbacks.length,
    traps: trapTable(
      imports.size,
      codeStart,
      codeStart.map((_, index) => marks.get(imports.size + index) ?? []),
    ),
  };
}

/** What a callback's table slot holds: r1..r5 as they come, and the frame that the helper's caller left in the CPU block. */
function callbackThunk(program: ProgramContext, target: number): CodeWriter {
  const code = new CodeWriter(["r1", "r2", "r3", "r4", "r5"]);
  for (let register = 0; register < 5; register++) code.get(register);
  pushCpuField({ code, program }, "callback_fp");
  code.returnCall(target);
  return code;
}

/** Puts an instance of the program's module into the table, callbacks behind it. */
export function installProgram({ slot, slots }: CompiledProgram, instance: WebAssembly.Instance, table: WebAssembly.Table): void {
  for (let index = 0; index < slots; index++) table.set(slot + index, instance.exports[exportName(index)]);
}
