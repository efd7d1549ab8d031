import { AluWriter } from "./alu.ts";
import type { FunctionFacts } from "./analysis.ts";
import type { FunctionGraph } from "./blocks.ts";
import { emitBurn, emitExit, emitHelperCall, emitKfuncCall, emitPacketLoad, emitSubprogramCall } from "./calls.ts";
import { emitMissing, type FunctionContext, setRegister } from "./context.ts";
import { copyState, transfer } from "./facts.ts";
import { emitAtomic, emitLoad, emitLoadAcquire, emitStore, emitStoreRelease } from "./memory.ts";
import type { Operation } from "./operation.ts";
import type { NodeCode } from "./structure.ts";

/** Writes the nodes of a function's graph. */
export class FunctionEmitter implements NodeCode {
  readonly marks: number[] = [];
  readonly #context: FunctionContext;
  readonly #graph: FunctionGraph;
  readonly #facts: FunctionFacts;
  readonly #alu: AluWriter;
  readonly #special: ReadonlyMap<number, () => void>;
  #dispatch: number | undefined;

  /** `special` writes the nodes that are no blocks: the prologue, ways out of a part. `dispatch`: the dispatch local, if it is a parameter. */
  constructor(
    context: FunctionContext,
    graph: FunctionGraph,
    facts: FunctionFacts,
    special: ReadonlyMap<number, () => void>,
    dispatch?: number,
  ) {
    this.#context = context;
    this.#graph = graph;
    this.#facts = facts;
    this.#alu = new AluWriter(context);
    this.#special = special;
    this.#dispatch = dispatch;
  }

  body(node: number): void {
    const context = this.#context;
    const special = this.#special.get(node);
    if (special !== undefined) {
      special();
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
