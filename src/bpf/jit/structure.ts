import type { CodeWriter, Label } from "../../wasm/index.ts";
import { type Dominators, findDominators, findLoops, type Graph, type Loops, type Order, orderNodes } from "./graph.ts";
import { makeReducible } from "./reducible.ts";

/** What the structure asks of the one who knows what the nodes do. */
export interface NodeCode {
  /** The node's straight-line code; if it has no successors, up to and including `return` or `unreachable`. */
  body(node: number): void;
  /** Pushes, for a node with two successors, an i32 that is not zero when the first (`negated`: the second) shall be taken. */
  condition(node: number, negated: boolean): void;
  /** Pushes the number of the successor that a dispatch node takes. */
  dispatchIndex(): void;
  setDispatch(index: number): void;
}

/** A graph made ready for emission: reducible, ordered, with its dominator tree and loops. */
export interface StructuredGraph extends Graph {
  readonly order: Order;
  readonly dominators: Dominators;
  readonly loops: Loops;
}

export function structureGraph(graph: Graph): StructuredGraph {
  let order = orderNodes(graph);
  let dominators = findDominators(order);
  if (!dominators.reducible) {
    makeReducible(graph, order.nodes);
    order = orderNodes(graph);
    dominators = findDominators(order);
    if (!dominators.reducible) throw new Error("a graph stayed irreducible");
  }
  return { ...graph, order, dominators, loops: findLoops(order) };
}

/**
 * For each node the nodes whose code follows it behind the end of a block, so that branches reach them: nodes with several ways in, at the node that
 * dominates them (Ramsey, "Beyond Relooper", ICFP 2022). Nodes that leave a loop stand behind the `loop` of its header instead of inside, so that
 * the engine sees an inner loop as one. Within a list: last in the order first.
 */
function placeTargets({ successors, dispatches, order, dominators, loops }: StructuredGraph) {
  const count = successors.length;
  const inside: (number[] | undefined)[] = new Array(count);
  const behind: (number[] | undefined)[] = new Array(count);
  const labelled = new Uint8Array(count);
  const { nodes, rank, predecessorStart, predecessors } = order;
  for (let position = nodes.length - 1; position > 0; position--) {
    const node = nodes[position]!;
    let ways = 0;
    for (let i = predecessorStart[node]!; i < predecessorStart[node + 1]!; i++) {
      const from = predecessors[i]!;
      if (rank[from]! < position) ways += dispatches.has(from) ? 2 : 1;
    }
    const dominator = dominators.parent[node]!;
    const own = loops.header[node]!;
    const around = own === node ? loops.outer[node]! : own;
    let left = -1;
    for (let loop = loops.header[dominator]!; loop !== around && loop !== -1; loop = loops.outer[loop]!) left = loop;
    if (left === -1 && ways < 2) continue;
    labelled[node] = 1;
    const lists = left === -1 ? inside : behind;
    const home = left === -1 ? dominator : left;
    const list = lists[home];
    if (list === undefined) lists[home] = [node];
    else list.push(node);
  }
  return { inside, behind, labelled };
}

/** Nodes dominated by each node, itself included: which arm of a branch is nested and which goes on. */
function subtreeSizes({ nodes }: Order, { parent }: Dominators): Int32Array {
  const sizes = new Int32Array(parent.length).fill(1);
  for (let position = nodes.length - 1; position > 0; position--) sizes[parent[nodes[position]!]!]! += sizes[nodes[position]!]!;
  return sizes;
}

/** Stands among nodes for the end of the innermost block. */
const END = -1;

/**
 * Writes the whole graph as structured control flow, every node once. Falls off the end of the code nowhere. Time and nesting grow with the
 * graph, not with its paths; the stack is explicit, so deep graphs do not overflow it.
 */
export function emitStructured(graph: StructuredGraph, code: CodeWriter, nodeCode: NodeCode): void {
  const { successors, dispatches, labels, order, dominators, loops } = graph;
  const { inside, behind, labelled } = placeTargets(graph);
  const sizes = subtreeSizes(order, dominators);
  const { rank } = order;
  /** By node: the block whose end it stands behind, and the loop that it is the header of. */
  const forward: Label[] = new Array(successors.length).fill(0);
  const backward: Label[] = new Array(successors.length).fill(0);
  const open: Label[] = [];
  /** What is still to be written, last first: nodes, and ends of blocks. */
  const tasks = [0];

  const openBlocks = (targets: readonly number[] | undefined) => {
    if (targets === undefined) return;
    for (const target of targets) {
      const label = code.block();
      open.push(label);
      forward[target] = label;
      tasks.push(target, END);
    }
  };
  const labelOf = (from: number, target: number): Label | undefined => {
    if (rank[target]! <= rank[from]!) return backward[target]!;
    return labelled[target] === 1 ? forward[target]! : undefined;
  };
  const go = (from: number, target: number) => {
    const label = labelOf(from, target);
    if (label === undefined) tasks.push(target);
    // Falling out of the innermost block is the same as branching to its end.
    else if (label !== open[open.length - 1] || rank[target]! <= rank[from]!) code.br(label);
  };
  const branch = (node: number, taken: number, otherwise: number) => {
    const takenLabel = labelOf(node, taken);
    const otherwiseLabel = labelOf(node, otherwise);
    if (takenLabel !== undefined) {
      nodeCode.condition(node, false);
      code.brIf(takenLabel);
      go(node, otherwise);
    } else if (otherwiseLabel !== undefined) {
      nodeCode.condition(node, true);
      code.brIf(otherwiseLabel);
      go(node, taken);
    } else {
      const nestTaken = sizes[taken]! <= sizes[otherwise]!;
      nodeCode.condition(node, !nestTaken);
      open.push(code.if());
      const [nested, next] = nestTaken ? [taken, otherwise] : [otherwise, taken];
      tasks.push(next, END, nested);
    }
  };

  while (tasks.length > 0) {
    const node = tasks.pop()!;
    if (node === END) {
      code.end();
      open.pop();
      continue;
    }
    if (loops.header[node] === node) {
      openBlocks(behind[node]);
      const label = code.loop();
      open.push(label);
      backward[node] = label;
      tasks.push(END);
    }
    openBlocks(inside[node]);
    const targets = successors[node]!;
    const isDispatch = dispatches.has(node);
    const label = labels.get(node);
    if (label !== undefined) nodeCode.setDispatch(label);
    else if (!isDispatch) nodeCode.body(node);
    if (isDispatch) {
      nodeCode.dispatchIndex();
      const reached = targets.map((target) => labelOf(node, target)!);
      code.brTable(reached.slice(0, -1), reached[reached.length - 1]!);
    } else if (targets.length === 1) go(node, targets[0]!);
    else if (targets.length === 2) branch(node, targets[0]!, targets[1]!);
  }
  code.op("unreachable");
}
