import { AluWriter } from "./alu.ts";
import type { FunctionFacts } from "./analysis.ts";
import { emitCast } from "./arena.ts";
import type { FunctionGraph } from "./blocks.ts";
import { emitBurn, emitExit, emitHelperCall, emitKfuncCall, emitPacketLoad, emitSubprogramCall, isInline } from "./calls.ts";
import { emitMissing, type FunctionContext, setRegister } from "./context.ts";
import { MAP_LOOKUP_ELEM, transfer } from "./facts.ts";
import type { Order } from "./graph.ts";
import { arrayInR1, CheckedLookup, constantKey } from "./lookup.ts";
import { emitAtomic, emitLoad, emitLoadAcquire, emitStore, emitStoreRelease } from "./memory.ts";
import { comparesWithNull, type Operation, type Operations, operationAt } from "./operation.ts";
import type { NodeCode } from "./structure.ts";

/** What the emitter goes by. */
export interface EmitterPlan {
  readonly operations: Operations;
  readonly graph: FunctionGraph;
  readonly order: Order;
  readonly facts: FunctionFacts;
  /** Writes the nodes that are no blocks: the prologue, ways out of a part. */
  readonly special: ReadonlyMap<number, () => void>;
  /** The dispatch local, if it is a parameter. */
  readonly dispatch?: number;
}

/** Writes the nodes of a function's graph. */
export class FunctionEmitter implements NodeCode {
  readonly marks: number[] = [];
  readonly #context: FunctionContext;
  readonly #plan: EmitterPlan;
  readonly #alu: AluWriter;
  #dispatch: number | undefined;
  /** Lookups that are compared by their node's branch, by that node and by the node behind it where they found something. */
  readonly #checkedBy = new Map<number, CheckedLookup>();
  readonly #foundAt = new Map<number, CheckedLookup>();

  constructor(context: FunctionContext, plan: EmitterPlan) {
    this.#context = context;
    this.#plan = plan;
    this.#alu = new AluWriter(context);
    this.#dispatch = plan.dispatch;
  }

  body(node: number): void {
    const context = this.#context;
    const special = this.#plan.special.get(node);
    if (special !== undefined) {
      special();
      return;
    }
    const { start, end } = this.#plan.graph.blocks[node - 1]!;
    context.state = this.#plan.facts.takeEntry(node);
    this.#foundAt.get(node)?.emitAddress();
    const cost = context.program.costs.loops[start]!;
    if (cost > 0) {
      this.marks.push(context.code.position, start);
      emitBurn(context, cost);
    }
    this.#emitPrice(start, end);
    for (let instruction = start; instruction < end; instruction++) {
      const operation = operationAt(this.#plan.operations, instruction);
      this.marks.push(context.code.position, instruction);
      const checked = instruction === end - 2 ? this.#checkedLookup(node, operation) : undefined;
      if (checked === undefined) this.#emit(operation, instruction);
      else checked.emitKey();
      transfer(context.state, operation, instruction, this.#plan.facts);
    }
  }

  /** Where time is modelled: what the block costs. */
  #emitPrice(start: number, end: number): void {
    const { code, program } = this.#context;
    if (program.prices === undefined) return;
    const { spent, touched, costs, touches } = program.prices;
    if (touches.subarray(start, end).includes(1)) {
      code.i32(1);
      code.globalSet(touched);
    }
    code.globalGet(spent);
    code.i64(costs.subarray(start, end).reduce((sum, cost) => sum + cost, 0));
    code.op("i64.add");
    code.globalSet(spent);
  }

  /** The lookup of a block that ends `call bpf_map_lookup_elem; if r0 == 0 …`, if its branch can do both comparisons. */
  #checkedLookup(node: number, operation: Operation): CheckedLookup | undefined {
    const { graph, operations, order, special } = this.#plan;
    const { state, program } = this.#context;
    if (operation.kind !== "helper" || operation.id !== MAP_LOOKUP_ELEM || !isInline(this.#context, operation.id)) return undefined;
    const last = graph.blocks[node - 1]!.end - 1;
    const isNull = comparesWithNull(operationAt(operations, last), 0);
    const [taken, otherwise] = graph.successors[node]!;
    const found = isNull === true ? otherwise : taken;
    if (isNull === undefined || constantKey(state) !== undefined || found === undefined) return undefined;
    const single = order.predecessorStart[found + 1]! - order.predecessorStart[found]! === 1;
    if (!single || graph.blocks[found - 1] === undefined || special.has(found) || taken === otherwise) return undefined;
    const checked = new CheckedLookup(this.#context, arrayInR1(state, program.environment.maps)!);
    this.#checkedBy.set(node, checked);
    this.#foundAt.set(found, checked);
    return checked;
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
        if (operation.kind === "map") code.i64(map.address);
        else if (map.arena !== undefined) code.i64(BigInt.asIntN(64, map.arena.start + BigInt(operation.offset)));
        else code.i64(map.elements + operation.offset);
        setRegister(context, operation.dst);
        return;
      }
      case "callback":
        code.i64(program.callbackSlot(operation.target));
        setRegister(context, operation.dst);
        return;
      case "cast":
        emitCast(context, operation);
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
        emitMissing(context, operation.number);
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
    const { code, mayGoto } = context;
    const last = this.#plan.graph.blocks[node - 1]!.end - 1;
    const operation = operationAt(this.#plan.operations, last);
    const checked = this.#checkedBy.get(node);
    if (checked !== undefined) checked.pushCondition(comparesWithNull(operation, 0) !== negated);
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
}
