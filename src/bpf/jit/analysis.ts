import type { FunctionGraph } from "./blocks.ts";
import { isInline } from "./calls.ts";
import type { ProgramContext } from "./context.ts";
import {
  type CallFacts,
  copyState,
  emptyState,
  factOf,
  forgetFrame,
  joinState,
  MAP_LOOKUP_ELEM,
  type State,
  sameState,
  transfer,
} from "./facts.ts";
import type { Graph, Order } from "./graph.ts";
import { arrayInR1, keyStore, lookupFact } from "./lookup.ts";
import { comparesWithNull, type Operation, type Operations, operationAt } from "./operation.ts";

/** Locals for stored keys; beyond that, lookups read the key back from the frame. */
const MAX_FORWARDED = 32;

/** What is known at the start of every node of a function, and how an instruction changes it. */
export interface FunctionFacts extends CallFacts {
  /** For each node once: it is the caller's from then on. */
  takeEntry(node: number): State;
  /** Stores of 4 bytes to the frame that an array lookup reads back as its key: their value is kept in a local. */
  readonly forwarded: ReadonlySet<number>;
}

function callFacts(program: ProgramContext): CallFacts {
  const { maps } = program.environment;
  return {
    maps,
    lookup: (state) => lookupFact(state, maps),
    leavesFrame: (state, helper) => isInline({ program, state }, helper),
  };
}

/**
 * Forward propagation over the graph until nothing changes: a node's facts are what all ways into it agree on. Facts only ever get fewer, so it ends; nodes
 * are taken in reverse postorder, so a function without loops takes one pass.
 */
export function analyzeFunction(
  program: ProgramContext,
  operations: Operations,
  { blocks }: FunctionGraph,
  { successors, order }: Graph & { readonly order: Order },
): FunctionFacts {
  const rules = callFacts(program);
  const forwarded = new Set<number>();
  const entries: (State | undefined)[] = new Array(successors.length);
  entries[0] = emptyState();
  const changed = new Uint8Array(successors.length);
  changed[0] = 1;
  const predecessorsOf = (node: number) => order.predecessorStart[node + 1]! - order.predecessorStart[node]!;
  /** `mine`: the caller has no use for the state any more. */
  const flow = (target: number, state: State, mine: boolean) => {
    const known = entries[target];
    const single = predecessorsOf(target) === 1;
    if (known !== undefined && (single ? sameState(known, state) : !joinState(known, state))) return;
    changed[target] = 1;
    if (known !== undefined && !single) return;
    entries[target] = mine ? state : copyState(state);
    if (!single) forgetFrame(entries[target]);
  };
  for (let pending = true; pending; ) {
    pending = false;
    for (const node of order.nodes) {
      if (changed[node] === 0) continue;
      changed[node] = 0;
      const state = copyState(entries[node]!);
      const block = blocks[node - 1];
      if (block !== undefined) {
        for (let instruction = block.start; instruction < block.end; instruction++) {
          const operation = operationAt(operations, instruction);
          if (operation.kind === "helper" && operation.id === MAP_LOOKUP_ELEM && arrayInR1(state, rules.maps) !== undefined) {
            const stored = keyStore(state);
            if (stored !== undefined && stored.value?.kind !== "constant" && forwarded.size < MAX_FORWARDED)
              forwarded.add(stored.instruction);
          }
          transfer(state, operation, instruction, rules);
        }
      }
      const targets = successors[node]!;
      for (let way = 0; way < targets.length; way++) {
        const target = targets[way]!;
        const told = block === undefined ? state : refine(state, operationAt(operations, block.end - 1), way === 0);
        flow(target, told, told !== state || way === targets.length - 1);
        if (changed[target] === 1 && order.rank[target]! <= order.rank[node]!) pending = true;
      }
    }
  }
  return { ...rules, forwarded, takeEntry: (node) => entries[node] ?? emptyState() };
}

/** What a comparison of a lookup's result with NULL tells on each way out of it. */
function refine(state: State, last: Operation, taken: boolean): State {
  if (last.kind !== "branch") return state;
  const isNull = comparesWithNull(last, last.dst);
  const value = factOf(state, last.dst);
  if (isNull === undefined || value?.kind !== "mapValue" || value.offset !== 0) return state;
  const refined = copyState(state);
  refined.registers[last.dst] = isNull === taken ? { kind: "constant", value: 0 } : { ...value, present: true };
  return refined;
}
