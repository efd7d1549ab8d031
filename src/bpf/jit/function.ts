import { BPF_MAP_TYPE_PERCPU_ARRAY, BPF_MAX_LOOPS } from "../../layout/index.ts";
import { CodeWriter } from "../../wasm/index.ts";
import type { VerifiedFunction } from "../verifier/index.ts";
import { analyzeFunction, type FunctionFacts } from "./analysis.ts";
import { findBlocks, findLeaders } from "./blocks.ts";
import { emitBurn, TAIL_CALL } from "./calls.ts";
import { type FunctionContext, type FunctionShape, loadCpuId, loadFuel, type ProgramContext, pushCpuField } from "./context.ts";
import { FunctionEmitter } from "./emitter.ts";
import { MAP_LOOKUP_ELEM } from "./facts.ts";
import { mergeAccesses } from "./merge.ts";
import { type Operation, type Operations, readOperations } from "./operation.ts";
import { emitStructured, type StructuredGraph, structureGraph } from "./structure.ts";

/** A function's code, and where each BPF instruction's begins in it: pairs (position, instruction) in the order of positions. */
export interface CompiledFunction {
  readonly code: CodeWriter;
  readonly marks: readonly number[];
}

/** Names of the parameters that each shape of function has. */
export const parameterNames = {
  program: ["r1"],
  subprogram: ["r1", "r2", "r3", "r4", "r5", "fp"],
  part: ["entry", "fp"],
} as const satisfies Record<FunctionShape, readonly string[]>;

const usesFrame = (operation: Operation): boolean => {
  switch (operation.kind) {
    case "alu":
    case "branch":
      return operation.dst === 10 || ("register" in operation.source && operation.source.register === 10);
    case "load":
    case "loadAcquire":
      return operation.base === 10;
    case "store":
      return operation.base === 10 || ("register" in operation.source && operation.source.register === 10);
    case "atomic":
    case "storeRelease":
      return operation.base === 10 || operation.src === 10;
    case "cast":
      return operation.src === 10;
    case "call":
      return true;
    default:
      return false;
  }
};

/** Compiles one BPF function into one WebAssembly function: `(ctx i64) → i64`, or `(r1..r5 i64, fp i32) → i64`. */
export function compileFunction(
  program: ProgramContext,
  { start, end }: VerifiedFunction,
  shape: "program" | "subprogram",
): CompiledFunction {
  const whole = { start, end };
  const operations = readOperations(program.verified, whole);
  const graph = findBlocks(program.verified, { ...whole, function: whole, leaders: findLeaders(program.verified, start, end) });
  // Of two bytes of an arena one may be there and the other not.
  if (program.arena === undefined) mergeAccesses(operations, graph, program.helpers);
  const structured = structureGraph(graph);
  const facts = analyzeFunction(program, operations, graph, structured);
  const context = createContext(program, shape, operations, structured, facts);
  const prologue = () => {
    emitter.marks.push(context.code.position, start);
    emitPrologue(context, operations, program.costs.functions.get(start)!);
  };
  const emitter = new FunctionEmitter(context, { operations, graph, order: structured.order, facts, special: new Map([[0, prologue]]) });
  emitStructured(structured, context.code, emitter);
  return { code: context.code, marks: emitter.marks };
}

/** Locals for a function of this shape that does these operations. */
export function createContext(
  program: ProgramContext,
  shape: FunctionShape,
  { list: operations }: Operations,
  { loops }: StructuredGraph,
  facts: FunctionFacts,
): FunctionContext {
  const names: readonly string[] = parameterNames[shape];
  const code = new CodeWriter(names);
  const local = (name: string, type: "i32" | "i64") => {
    const given = names.indexOf(name);
    return given >= 0 ? given : code.local(type, name);
  };
  const scratch = new Map<string, number>();
  const hasLoops = loops.header.some((header) => header >= 0);
  const looksUp = operations.some((operation) => operation.kind === "helper" && operation.id === MAP_LOOKUP_ELEM);
  const perCpu = program.environment.maps.some(({ type }) => type === BPF_MAP_TYPE_PERCPU_ARRAY);
  return {
    program,
    code,
    registers: Array.from({ length: 10 }, (_, register) => local(`r${register}`, "i64")),
    frame: local("fp", "i32"),
    fuel: hasLoops ? code.local("i64", "fuel") : undefined,
    cpuId: hasLoops && looksUp && perCpu ? code.local("i32", "cpu_id") : undefined,
    mayGoto: operations.some(({ kind }) => kind === "mayGoto") ? code.local("i32", "may_goto") : undefined,
    shape,
    state: facts.takeEntry(0),
    kept: new Map([...facts.forwarded].map((instruction) => [instruction, code.local("i32", `key${instruction}`)])),
    scratch(type) {
      const known = scratch.get(type);
      if (known !== undefined) return known;
      const made = code.local(type, `t${type === "i32" ? 32 : 64}`);
      scratch.set(type, made);
      return made;
    },
  };
}

function emitPrologue(context: FunctionContext, { list: operations }: Operations, cost: number): void {
  const { code, frame, mayGoto, program, shape } = context;
  if (shape === "program" && operations.some((operation) => usesFrame(operation) || handsFrameOn(program, operation))) {
    pushCpuField(context, "fp");
    code.set(frame);
  }
  loadFuel(context);
  loadCpuId(context);
  if (mayGoto !== undefined) {
    code.i32(BPF_MAX_LOOPS);
    code.set(mayGoto);
  }
  emitBurn(context, cost);
}

/** Helpers and kfuncs that hand the frame on: to the next program, to callbacks, or to the exception callback. */
function handsFrameOn({ helpers, kfuncs }: ProgramContext, operation: Operation): boolean {
  if (operation.kind === "kfunc") {
    const kfunc = kfuncs.get(operation.id);
    return kfunc?.callback === true || kfunc?.throws === true;
  }
  return operation.kind === "helper" && (operation.id === TAIL_CALL || helpers.get(operation.id)?.callback === true);
}
