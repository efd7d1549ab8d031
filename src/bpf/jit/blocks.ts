import type { Graph } from "./graph.ts";
import type { Operation } from "./operation.ts";

/** Instructions start..end-1 of a program, entered only at the first and left only behind the last. */
export interface Block {
  readonly start: number;
  readonly end: number;
}

/** A function's blocks and their graph. Node 0 is the prologue, node n + 1 is blocks[n]. */
export interface FunctionGraph extends Graph {
  readonly blocks: readonly Block[];
}

/** Where control goes from an instruction that ends a block: the taken target first. `undefined`: it goes on to the next. */
export function targetsOf(operation: Operation, instruction: number): number[] | undefined {
  switch (operation.kind) {
    case "branch":
    case "mayGoto":
      return operation.target === instruction + 1 ? [instruction + 1] : [operation.target, instruction + 1];
    case "jump":
      return [operation.target];
    case "exit":
    case "unbuilt":
      return [];
    default:
      return undefined;
  }
}

/** Cuts the function at instructions start..end-1 into basic blocks of at most `longest` instructions. */
export function findBlocks(
  operations: readonly Operation[],
  start: number,
  end: number,
  longest = Number.POSITIVE_INFINITY,
): FunctionGraph {
  const leads = new Uint8Array(end - start + 1);
  leads[0] = 1;
  for (let at = start; at < end; at++) {
    const targets = targetsOf(operations[at]!, at);
    if (targets === undefined) continue;
    for (const target of targets) leads[target - start] = 1;
    leads[at + 1 - start] = 1;
  }
  const blocks: Block[] = [];
  /** By place in the function: the node whose block begins there. */
  const nodeAt = new Int32Array(end - start + 1);
  let first = start;
  for (let at = start + 1; at <= end; at++) {
    const inside = operations[at]?.kind === "continuation";
    if (at < end && leads[at - start] === 0 && (at - first < longest || inside)) continue;
    nodeAt[first - start] = blocks.push({ start: first, end: at });
    first = at;
  }
  const successors = [[1]];
  for (const block of blocks) {
    const last = block.end - 1;
    const targets = targetsOf(operations[last]!, last) ?? [block.end];
    for (let way = 0; way < targets.length; way++) targets[way] = nodeAt[targets[way]! - start]!;
    successors.push(targets);
  }
  return { blocks, successors, dispatches: new Set(), labels: new Map() };
}
