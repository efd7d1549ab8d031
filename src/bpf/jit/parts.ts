import { BPF_MAX_LOOPS } from "../../layout/index.ts";
import { CodeWriter, type FunctionType } from "../../wasm/index.ts";
import type { VerifiedFunction } from "../verifier/index.ts";
import { analyzeFunction } from "./analysis.ts";
import { type Block, type ControlFlow, findBlocks, findLeaders, type Stretch, targetsOf } from "./blocks.ts";
import { emitBurn } from "./calls.ts";
import {
  FUNCTION_ENDED,
  type FunctionContext,
  loadCpuId,
  loadFuel,
  type ProgramContext,
  passRegister,
  pushCpuField,
  pushPassedRegister,
  storeFuel,
} from "./context.ts";
import { FunctionEmitter } from "./emitter.ts";
import { emitCatch } from "./exceptions.ts";
import { type CompiledFunction, createContext, parameterNames } from "./function.ts";
import { mergeAccesses } from "./merge.ts";
import { readOperations } from "./operation.ts";
import { emitStructured, structureGraph } from "./structure.ts";

/** Where a part goes on: its number in the upper half, the number of its entry in the lower. At most 1,000,000 instructions: both fit. */
const ENTRY_BITS = 16;
/** Which of the words between parts holds the iterations that may_goto still allows; r0..r9 are before it. */
const MAY_GOTO_WORD = 10;

const PART: FunctionType = { parameters: ["i32", "i32"], results: ["i32"] };

/** Some instructions of a function in a row, from where one block begins to where another does. */
interface Part extends Stretch {
  /** Instructions that others enter it at, ascending. */
  readonly entries: number[];
}

/**
 * Compiles a function that is too long for one WebAssembly function (V8 refuses bodies above 7,654,321 bytes): cut at block boundaries into parts of at most
 * `limit` instructions, `(entry i32, fp i32) → i32`, which pass the registers on in the CPU block and return where to go on; the function itself
 * calls one after the other. `addPart` takes a finished part and gives its function index.
 */
export function compileInParts(
  program: ProgramContext,
  made: VerifiedFunction,
  shape: "program" | "subprogram",
  limit: number,
  addPart: (name: string, type: FunctionType, part: CompiledFunction) => number,
): CompiledFunction {
  const parts = cut(program.verified, made, limit);
  const targets = new Map(
    parts.flatMap(({ entries }, number) => entries.map((target, entry) => [target, (number << ENTRY_BITS) | entry] as const)),
  );
  const indices = parts.map((part, number) => addPart(`${made.name}.${number}`, PART, compilePart(program, part, targets)));
  return { code: writeChain(program, made.start, shape, indices), marks: [0, made.start] };
}

/** Blocks as they come, as many as fit; one that does not fit into any part is cut, but not within an instruction. */
function cut(flow: ControlFlow, { start, end }: Block, limit: number): Part[] {
  const leaders = findLeaders(flow, start, end);
  const parts: Part[] = [];
  const partAt = (first: number, last: number): Part => ({ start: first, end: last, function: { start, end }, leaders, entries: [] });
  let first = start;
  let blockStart = start;
  for (let at = start + 1; at < end; at++) {
    if (leaders[at - start] === 0) {
      if (at - blockStart < limit || flow.instructions[at] === undefined) continue;
      leaders[at - start] = 1;
    }
    // A block ends here: it still belongs to the part, or begins the next one.
    if (blockStart > first && at - first > limit) {
      parts.push(partAt(first, blockStart));
      first = blockStart;
    }
    blockStart = at;
  }
  if (blockStart > first && end - first > limit) {
    parts.push(partAt(first, blockStart));
    first = blockStart;
  }
  parts.push(partAt(first, end));
  const entered = new Set([start]);
  for (const part of parts) {
    for (let at = part.start; at < part.end; at++) {
      const targets = targetsOf(flow.instructions[at], flow.unbuilt) ?? (at + 1 === part.end ? [part.end] : undefined);
      for (const target of targets ?? []) if (target < part.start || target >= part.end) entered.add(target);
    }
  }
  const ascending = Int32Array.from(entered).sort();
  let number = 0;
  for (const target of ascending) {
    while (target >= parts[number]!.end) number++;
    parts[number]!.entries.push(target);
  }
  return parts;
}

/** Nodes of a part: 0 is the prologue, then its blocks, then the dispatch to the entry, then one for each way out. */
function compilePart(program: ProgramContext, part: Part, targets: ReadonlyMap<number, number>): CompiledFunction {
  const operations = readOperations(program.verified, part);
  const graph = findBlocks(program.verified, part, (count) => count + 2);
  const { blocks, successors, dispatches, waysOut } = graph;
  // Of two bytes of an arena one may be there and the other not.
  if (program.arena === undefined) mergeAccesses(operations, graph, program.helpers);
  const dispatch = blocks.length + 1;
  dispatches.add(dispatch);
  // A part that nobody enters holds unreachable code only.
  successors[0] = part.entries.length > 0 ? [dispatch] : [];
  successors.push(part.entries.map(graph.nodeOf), ...Array.from(waysOut, () => []));
  const structured = structureGraph(graph);
  const facts = analyzeFunction(program, operations, graph, structured);
  const context = createContext(program, "part", operations, structured, facts);
  const special = new Map([[0, () => takeRegisters(context)]]);
  for (const [target, node] of waysOut) special.set(node, () => leaveFor(context, targets.get(target)!));
  const emitter = new FunctionEmitter(context, {
    operations,
    graph,
    order: structured.order,
    facts,
    special,
    dispatch: parameterNames.part.indexOf("entry"),
  });
  emitStructured(structured, context.code, emitter);
  return { code: context.code, marks: emitter.marks };
}

function takeRegisters(context: FunctionContext): void {
  const { code, registers, mayGoto } = context;
  for (const [register, local] of registers.entries()) {
    pushPassedRegister(context, register);
    code.set(local);
  }
  if (mayGoto !== undefined) {
    pushPassedRegister(context, MAY_GOTO_WORD);
    code.op("i32.wrap_i64");
    code.set(mayGoto);
  }
  loadFuel(context);
  loadCpuId(context);
}

function leaveFor(context: FunctionContext, target: number): void {
  const { code, registers, mayGoto } = context;
  for (const [register, local] of registers.entries()) passRegister(context, register, () => code.get(local));
  if (mayGoto !== undefined) {
    passRegister(context, MAY_GOTO_WORD, () => {
      code.get(mayGoto);
      code.op("i64.extend_i32_s");
    });
  }
  storeFuel(context);
  code.i32(target);
  code.op("return");
}

/** The function itself: hands its arguments on, then calls the part that each returns until one is at the end. */
function writeChain(program: ProgramContext, start: number, shape: "program" | "subprogram", parts: readonly number[]): CodeWriter {
  const names: readonly string[] = parameterNames[shape];
  const code = new CodeWriter(names);
  const next = code.local("i32", "next");
  const frame = shape === "program" ? code.local("i32", "fp") : names.indexOf("fp");
  const context = { code, program, fuel: undefined, scratch: (type: "i32" | "i64") => code.local(type, "left") };
  emitBurn(context, program.costs.functions.get(start)!);
  if (shape === "program") {
    pushCpuField(context, "fp");
    code.set(frame);
  }
  for (let register = 0; register < MAY_GOTO_WORD; register++) {
    const given = names.indexOf(`r${register}`);
    passRegister(context, register, () => (given >= 0 ? code.get(given) : code.i64(0)));
  }
  passRegister(context, MAY_GOTO_WORD, () => code.i64(BPF_MAX_LOOPS));
  const again = code.loop();
  const called = code.block("i32");
  const places = parts.map(() => code.block());
  code.get(next);
  code.i32(ENTRY_BITS);
  code.op("i32.shr_u");
  // The block opened last is closed first: its place belongs to part 0.
  const order = [...places].reverse();
  code.brTable(order.slice(0, -1), order[order.length - 1]!);
  for (const part of parts) {
    code.end();
    code.get(next);
    code.i32((1 << ENTRY_BITS) - 1);
    code.op("i32.and");
    code.get(frame);
    code.call(part);
    code.br(called);
  }
  code.op("unreachable");
  code.end();
  code.tee(next);
  code.i32(FUNCTION_ENDED);
  code.op("i32.ne");
  code.brIf(again);
  code.end();
  if (shape === "program" && program.throws) {
    pushCpuField(context, "exception");
    code.if();
    emitCatch({ code, program, frame });
    code.op("return");
    code.end();
  }
  pushPassedRegister(context, 0);
  return code;
}
