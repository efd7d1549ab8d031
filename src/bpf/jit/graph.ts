/**
 * A control-flow graph by node numbers; node 0 is the entry. What the nodes do is known to whoever made the graph; how control leaves a node follows from
 * its successors: none (it returns), one (a jump), two (a branch: taken, then otherwise), or any number behind a dispatch.
 */
export interface Graph {
  readonly successors: number[][];
  /** Nodes that choose their successor by the dispatch local: made by `makeReducible`, or an entry with several ways in. */
  readonly dispatches: Set<number>;
  /** Nodes that set the dispatch local to this value and go on. */
  readonly labels: Map<number, number>;
}

/** Order and neighbourhood of a graph's nodes; unreachable nodes have rank -1. */
export interface Order {
  /** Nodes in reverse postorder: every edge that does not close a loop leads forward. */
  readonly nodes: Int32Array;
  /** Position in `nodes`. */
  readonly rank: Int32Array;
  /** Predecessors of node n: predecessors[start[n] .. start[n + 1]]. */
  readonly predecessorStart: Int32Array;
  readonly predecessors: Int32Array;
}

/** Reverse postorder with the "otherwise" successor right behind its node where possible, so that code stays in program order. */
export function orderNodes({ successors }: Graph): Order {
  const count = successors.length;
  const rank = new Int32Array(count).fill(-1);
  const next = new Int32Array(count);
  const visited = new Uint8Array(count);
  const postorder: number[] = [];
  const stack = [0];
  visited[0] = 1;
  while (stack.length > 0) {
    const node = stack[stack.length - 1]!;
    const target = successors[node]![next[node]!++];
    if (target === undefined) {
      postorder.push(node);
      stack.pop();
    } else if (visited[target] === 0) {
      visited[target] = 1;
      stack.push(target);
    }
  }
  const nodes = Int32Array.from(postorder.reverse());
  const predecessorStart = new Int32Array(count + 1);
  for (let position = 0; position < nodes.length; position++) {
    const node = nodes[position]!;
    rank[node] = position;
    for (const target of successors[node]!) predecessorStart[target + 1]!++;
  }
  for (let node = 0; node < count; node++) predecessorStart[node + 1]! += predecessorStart[node]!;
  const predecessors = new Int32Array(predecessorStart[count]!);
  const fill = predecessorStart.slice();
  for (const node of nodes) {
    for (const target of successors[node]!) predecessors[fill[target]!++] = node;
  }
  return { nodes, rank, predecessorStart, predecessors };
}

export interface Dominators {
  /** Immediate dominator; the entry is its own. */
  readonly parent: Int32Array;
  /** Every edge that leads backwards in the order leads to a node that dominates its source: no loop has two entries. */
  readonly reducible: boolean;
}

/**
 * Dominators of a reducible graph in one pass: in reverse postorder a node's immediate dominator is the nearest common ancestor of its forward
 * predecessors. Edges backwards change nothing, for in a reducible graph their target dominates their source; where one does not, the graph is not
 * reducible and the result is of no use. Ancestors are found in O(log n) by skew-binary jump pointers (Myers 1983).
 */
export function findDominators({ nodes, rank, predecessorStart, predecessors }: Order): Dominators {
  const count = rank.length;
  const parent = new Int32Array(count);
  const jump = new Int32Array(count);
  const depth = new Int32Array(count);
  const commonAncestor = (a: number, b: number): number => {
    let x = a;
    let y = b;
    if (depth[x]! < depth[y]!) [x, y] = [y, x];
    while (depth[x]! > depth[y]!) x = depth[jump[x]!]! >= depth[y]! ? jump[x]! : parent[x]!;
    while (x !== y) {
      const up = jump[x] === jump[y] ? parent : jump;
      x = up[x]!;
      y = up[y]!;
    }
    return x;
  };
  for (let position = 1; position < nodes.length; position++) {
    const node = nodes[position]!;
    let dominator = -1;
    for (let i = predecessorStart[node]!; i < predecessorStart[node + 1]!; i++) {
      const from = predecessors[i]!;
      if (rank[from]! >= position) continue;
      dominator = dominator === -1 ? from : commonAncestor(dominator, from);
    }
    parent[node] = dominator;
    depth[node] = depth[dominator]! + 1;
    const far = jump[dominator]!;
    jump[node] = depth[dominator]! - depth[far]! === depth[far]! - depth[jump[far]!]! ? jump[far]! : dominator;
  }
  let reducible = true;
  for (const node of nodes) {
    for (let i = predecessorStart[node]!; i < predecessorStart[node + 1]!; i++) {
      const from = predecessors[i]!;
      if (rank[from]! >= rank[node]! && commonAncestor(from, node) !== node) reducible = false;
    }
  }
  return { parent, reducible };
}

export interface Loops {
  /** Header of the innermost loop that a node is in (a header is in its own loop), or -1. */
  readonly header: Int32Array;
  /** For a header: header of the loop around its own, or -1. */
  readonly outer: Int32Array;
}

/** The loops of a reducible graph, inner ones found first and then treated as one node (union-find with path halving). */
export function findLoops({ nodes, rank, predecessorStart, predecessors }: Order): Loops {
  const count = rank.length;
  const header = new Int32Array(count).fill(-1);
  const outer = new Int32Array(count).fill(-1);
  const leader = Int32Array.from({ length: count }, (_, node) => node);
  const find = (node: number): number => {
    let at = node;
    while (leader[at] !== at) {
      leader[at] = leader[leader[at]!]!;
      at = leader[at]!;
    }
    return at;
  };
  for (let position = nodes.length - 1; position >= 0; position--) {
    const head = nodes[position]!;
    const pending: number[] = [];
    for (let i = predecessorStart[head]!; i < predecessorStart[head + 1]!; i++) {
      const from = predecessors[i]!;
      if (rank[from]! < position) continue;
      header[head] = head;
      pending.push(find(from));
    }
    while (pending.length > 0) {
      const member = find(pending.pop()!);
      if (member === head) continue;
      leader[member] = head;
      if (header[member] === member) outer[member] = head;
      else header[member] = head;
      for (let i = predecessorStart[member]!; i < predecessorStart[member + 1]!; i++) {
        if (rank[predecessors[i]!]! >= 0) pending.push(find(predecessors[i]!));
      }
    }
  }
  return { header, outer };
}
