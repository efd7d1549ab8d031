import { type Instruction, targetOf } from "../isa/index.ts";
import type { VerifiedProgram } from "../verifier/index.ts";
import type { Graph } from "./graph.ts";

/** Instructions start..end-1 of a program, entered only at the first and left only behind the last. */
export interface Block {
  readonly start: number;
  readonly end: number;
}

/** A function's blocks (or those of a part of it) and their graph. Node 0 is the prologue, node n + 1 is blocks[n]; what follows is its maker's. */
export interface FunctionGraph extends Graph {
  readonly blocks: readonly Block[];
}

/** What tells where control goes. */
export type ControlFlow = Pick<VerifiedProgram, "instructions" | "unbuilt">;

/** Where control goes from an instruction that ends a block: the taken target first. `undefined`: it goes on to the next. */
export function targetsOf(instruction: Instruction | undefined, unbuilt: ControlFlow["unbuilt"]): number[] | undefined {
  if (instruction === undefined) return undefined;
  const { index, row } = instruction;
  if (unbuilt.size > 0 && unbuilt.has(index)) return [];
  switch (row.kind) {
    case "branch64":
    case "branch32":
    case "may_goto": {
      const target = targetOf(instruction)!;
      return target === index + 1 ? [target] : [target, index + 1];
    }
    case "jump":
      return [targetOf(instruction)!];
    case "exit":
      return [];
    default:
      return undefined;
  }
}

/** Where blocks begin in the function at instructions start..end-1: 1 at their places in it, and at its end. */
export function findLeaders({ instructions, unbuilt }: ControlFlow, start: number, end: number): Uint8Array {
  const leaders = new Uint8Array(end - start + 1);
  leaders[0] = 1;
  leaders[end - start] = 1;
  for (let at = start; at < end; at++) {
    const targets = targetsOf(instructions[at], unbuilt);
    if (targets === undefined) continue;
    for (const target of targets) leaders[target - start] = 1;
    leaders[at + 1 - start] = 1;
  }
  return leaders;
}

/** Some instructions of a function in a row, and where blocks begin in it. */
export interface Stretch extends Block {
  readonly function: Block;
  readonly leaders: Uint8Array;
}

/** Blocks of a stretch, and what the rest of its function is to it. */
export interface StretchGraph extends FunctionGraph {
  /** Node of the block that begins at an instruction. */
  nodeOf(instruction: number): number;
  /** Nodes for jumps out of the stretch, by the instruction that they lead to. */
  readonly waysOut: ReadonlyMap<number, number>;
}

/** The blocks of a stretch, which begins and ends where blocks do. Ways out of it have the nodes from `firstWayOut(number of blocks)` on. */
export function findBlocks(
  { instructions, unbuilt }: ControlFlow,
  { start, end, function: { start: base }, leaders }: Stretch,
  firstWayOut = (blocks: number): number => blocks + 1,
): StretchGraph {
  const blocks: Block[] = [];
  /** By place in the stretch: the node whose block begins there. */
  const nodeAt = new Int32Array(end - start);
  let first = start;
  for (let at = start + 1; at <= end; at++) {
    if (leaders[at - base] === 0) continue;
    nodeAt[first - start] = blocks.push({ start: first, end: at });
    first = at;
  }
  const waysOut = new Map<number, number>();
  const outside = firstWayOut(blocks.length);
  const successors = [[1]];
  for (const block of blocks) {
    const targets = targetsOf(instructions[block.end - 1], unbuilt) ?? [block.end];
    for (let way = 0; way < targets.length; way++) {
      const target = targets[way]!;
      if (target >= start && target < end) targets[way] = nodeAt[target - start]!;
      else {
        const node = waysOut.get(target) ?? outside + waysOut.size;
        waysOut.set(target, node);
        targets[way] = node;
      }
    }
    successors.push(targets);
  }
  return { blocks, successors, dispatches: new Set(), labels: new Map(), waysOut, nodeOf: (instruction) => nodeAt[instruction - start]! };
}
