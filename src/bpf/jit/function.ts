import { BPF_MAX_TIMED_LOOPS } from "../../layout/index.ts";
import { CodeWriter } from "../../wasm/index.ts";
import type { VerifiedFunction } from "../verifier/index.ts";
import { AluWriter } from "./alu.ts";
import { analyzeFunction, type FunctionFacts } from "./analysis.ts";
import { type FunctionGraph, findBlocks } from "./blocks.ts";
import { emitBurn, emitExit, emitHelperCall, emitKfuncCall, emitPacketLoad, emitSubprogramCall, TAIL_CALL } from "./calls.ts";
import { emitMissing, type FunctionContext, loadFuel, type ProgramContext, pushCpuField, setRegister } from "./context.ts";
import { copyState, transfer } from "./facts.ts";
import { emitAtomic, emitLoad, emitLoadAcquire, emitStore, emitStoreRelease } from "./memory.ts";
import type { Operation } from "./operation.ts";
import { emitStructured, type NodeCode, type StructuredGraph, structureGraph } from "./structure.ts";

/** A function's code, and where each BPF instruction's begins in it: pairs (position, instruction) in the order of positions. */
export interface CompiledFunction {
  readonly code: CodeWriter;
  readonly marks: readonly number[];
}

/** The operand locals of WebAssembly functions: what the signature of programs and subprograms gives them. */
const programParameters = ["r1"];
const subprogramParameters = ["r1", "r2", "r3", "r4", "r5", "fp"];

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
    case "call":
      return true;
    default:
      return false;
  }
};

/** Compiles one BPF function. `isProgram`: `(ctx i64) → i64` with its frame from the CPU block; else `(r1..r5 i64, fp i32) → i64`. */
export function compileFunction(program: ProgramContext, range: VerifiedFunction, isProgram: boolean): CompiledFunction {
  const graph = findBlocks(program.operations, range.start, range.end);
  const structured = structureGraph(graph);
  const facts = analyzeFunction(program, graph, structured);
  const context = createContext(program, range, isProgram, structured, facts);
  const emitter = new FunctionEmitter(context, graph, facts);
  emitStructured(structured, context.code, emitter);
  return { code: context.code, marks: emitter.marks };
}

function createContext(
  program: ProgramContext,
  range: VerifiedFunction,
  isProgram: boolean,
  { loops }: StructuredGraph,
  facts: FunctionFacts,
): FunctionContext {
  const code = new CodeWriter(isProgram ? programParameters : subprogramParameters);
  const given = isProgram ? 1 : 5;
  const registers = Array.from({ length: 10 }, (_, register) =>
    register >= 1 && register <= given ? register - 1 : code.local("i64", `r${register}`),
  );
  const own = program.operations.slice(range.start, range.end);
  const has = (test: (operation: Operation) => boolean) => own.some(test);
  const scratch = new Map<string, number>();
  const context: FunctionContext = {
    program,
    code,
    registers,
    frame: isProgram ? code.local("i32", "fp") : 5,
    fuel: loops.header.some((header) => header >= 0) ? code.local("i64", "fuel") : undefined,
    mayGoto: has(({ kind }) => kind === "mayGoto") ? code.local("i32", "may_goto") : undefined,
    isProgram,
    usesFrame: has((operation) => usesFrame(operation) || needsFrame(program, operation)),
    state: facts.entry(0),
    kept: new Map([...facts.forwarded].map((instruction) => [instruction, code.local("i32", `key${instruction}`)])),
    scratch(type) {
      let local = scratch.get(type);
      if (local === undefined) {
        local = code.local(type, `t${type === "i32" ? 32 : 64}`);
        scratch.set(type, local);
      }
      return local;
    },
  };
  return context;
}

/** Helpers that hand the frame on: to the next program, or to callbacks. */
function needsFrame({ helpers }: ProgramContext, operation: Operation): boolean {
  return operation.kind === "helper" && (operation.id === TAIL_CALL || helpers.get(operation.id)?.callback === true);
}

class FunctionEmitter implements NodeCode {
  readonly marks: number[] = [];
  readonly #context: FunctionContext;
  readonly #graph: FunctionGraph;
  readonly #facts: FunctionFacts;
  readonly #alu: AluWriter;
  #dispatch: number | undefined;

  constructor(context: FunctionContext, graph: FunctionGraph, facts: FunctionFacts) {
    this.#context = context;
    this.#graph = graph;
    this.#facts = facts;
    this.#alu = new AluWriter(context);
  }

  body(node: number): void {
    const context = this.#context;
    if (node === 0) {
      this.#prologue();
      return;
    }
    const { start, end } = this.#graph.blocks[node - 1]!;
    context.state = copyState(this.#facts.entry(node));
    for (let instruction = start; instruction < end; instruction++) {
      const operation = context.program.operations[instruction]!;
      this.marks.push(context.code.position, instruction);
      if (context.program.unbuilt.has(instruction)) {
        // What follows in the block is never reached, and its fields may make no sense.
        emitMissing(context, "id" in operation ? operation.id : 0);
        return;
      }
      this.#emit(operation, instruction);
      transfer(context.state, operation, instruction, this.#facts);
    }
  }

  #prologue(): void {
    const context = this.#context;
    if (context.isProgram && context.usesFrame) {
      pushCpuField(context, "fp");
      context.code.set(context.frame);
    }
    loadFuel(context);
    if (context.mayGoto !== undefined) {
      context.code.i32(BPF_MAX_TIMED_LOOPS);
      context.code.set(context.mayGoto);
    }
    if (!context.isProgram) emitBurn(context);
  }

  #emit(operation: Operation, instruction: number): void {
    const context = this.#context;
    const { code, program } = context;
    switch (operation.kind) {
      case "alu":
        this.#alu.assign(operation);
        return;
      case "constant":
        code.i64(BigInt.asIntN(64, operation.value));
        setRegister(context, operation.dst);
        return;
      case "map":
      case "mapValue": {
        const map = program.environment.maps[operation.map]!;
        code.i64(operation.kind === "map" ? map.address : map.elements + operation.offset);
        setRegister(context, operation.dst);
        return;
      }
      case "callback":
        code.i64(program.callbackSlot(operation.target));
        setRegister(context, operation.dst);
        return;
      case "load":
        emitLoad(context, operation);
        return;
      case "store":
        emitStore(context, operation, instruction);
        return;
      case "atomic":
        emitAtomic(context, operation);
        return;
      case "loadAcquire":
        emitLoadAcquire(context, operation);
        return;
      case "storeRelease":
        emitStoreRelease(context, operation);
        return;
      case "packetLoad":
        emitPacketLoad(context, operation);
        return;
      case "helper":
        emitHelperCall(context, operation.id);
        return;
      case "kfunc":
        emitKfuncCall(context, operation.id);
        return;
      case "call":
        emitSubprogramCall(context, operation.target);
        return;
      case "exit":
        emitExit(context);
        return;
      case "unbuilt":
        emitMissing(context, operation.code);
        return;
      case "branch":
      case "mayGoto":
      case "jump":
      case "continuation":
        return;
    }
  }

  condition(node: number, negated: boolean): void {
    const context = this.#context;
    const { code, program, mayGoto } = context;
    const last = this.#graph.blocks[node - 1]!.end - 1;
    const operation = program.operations[last]!;
    if (program.unbuilt.has(last)) code.i32(0);
    else if (operation.kind === "branch") this.#alu.condition(operation, negated);
    else if (operation.kind === "mayGoto" && mayGoto !== undefined) {
      code.get(mayGoto);
      code.i32(1);
      code.op("i32.sub");
      code.tee(mayGoto);
      code.i32(0);
      code.op(negated ? "i32.ge_s" : "i32.lt_s");
    } else throw new Error(`instruction ${last} has two successors and no condition`);
  }

  #dispatchLocal(): number {
    this.#dispatch ??= this.#context.code.local("i32", "dispatch");
    return this.#dispatch;
  }

  dispatchIndex(): void {
    this.#context.code.get(this.#dispatchLocal());
  }

  setDispatch(index: number): void {
    this.#context.code.i32(index);
    this.#context.code.set(this.#dispatchLocal());
  }

  loopStart(): void {
    emitBurn(this.#context);
  }
}
