import type { Graph } from "./graph.ts";

/** How often each node of a graph is looked at, on average, before precision is given up for time. */
const MOST_VISITS = 30;

/**
 * Gives every loop a single entry. A loop with several entries gets a dispatch node in front: whoever entered (or went round) at entry i now sets the
 * dispatch local to i and goes to the dispatch node, which jumps to entry i. Works from the outermost strongly connected regions inwards; changes the
 * graph in place. No edge may lead to node 0; what is not `reachable` is left alone. Graphs of compilers are nearly always reducible already, and then nothing changes.
 */
export function makeReducible(graph: Graph, reachable: Iterable<number>): void {
  const { successors } = graph;
  const predecessors: number[][] = successors.map(() => []);
  const members = [...reachable];
  for (const node of members) for (const target of successors[node]!) predecessors[target]!.push(node);
  const pending: { members: number[]; without: number }[] = [{ members, without: -1 }];
  let visits = 0;
  while (pending.length > 0) {
    const { members: candidates, without } = pending.pop()!;
    visits += candidates.length;
    for (const region of stronglyConnected(successors, candidates, without)) {
      const inside = new Set(region);
      const entries = region.filter((node) => predecessors[node]!.some((from) => !inside.has(from))).sort((a, b) => a - b);
      const single = entries.length === 1 ? entries[0]! : undefined;
      // Loops nested hundreds deep would be looked through at every level: beyond this, the region becomes one dispatch loop over all of its nodes.
      const flat = visits > MOST_VISITS * members.length;
      if (flat) insertDispatch(graph, predecessors, region, inside);
      else if (single === undefined) insertDispatch(graph, predecessors, entries, inside);
      if (!flat) pending.push({ members: region, without: single ?? -1 });
    }
  }
}

/**
 * Puts a dispatch node in front of `entries`, and in front of that, for each entry, nodes that set the dispatch local: one for those who come from
 * outside and one for those who go round, for a shared one would be a second entry itself.
 */
function insertDispatch(graph: Graph, predecessors: number[][], entries: readonly number[], inside: ReadonlySet<number>): void {
  const { successors, dispatches, labels } = graph;
  const dispatch = successors.push([...entries]) - 1;
  dispatches.add(dispatch);
  predecessors[dispatch] = [];
  for (const [index, entry] of entries.entries()) {
    const before = predecessors[entry]!;
    predecessors[entry] = [dispatch];
    for (const group of [before.filter((from) => inside.has(from)), before.filter((from) => !inside.has(from))]) {
      if (group.length === 0) continue;
      const setter = successors.push([dispatch]) - 1;
      labels.set(setter, index);
      for (const from of group) successors[from] = successors[from]!.map((target) => (target === entry ? setter : target));
      predecessors[setter] = group;
      predecessors[dispatch].push(setter);
    }
  }
}

/**
 * Strongly connected regions that hold a cycle, among `members`, with the edges into `without` taken away (Tarjan 1972, without recursion).
 */
function stronglyConnected(successors: readonly (readonly number[])[], members: readonly number[], without: number): number[][] {
  const inside = new Set(members);
  const index = new Map<number, number>();
  const low = new Map<number, number>();
  const onStack = new Set<number>();
  const stack: number[] = [];
  const regions: number[][] = [];
  for (const root of members) {
    if (index.has(root)) continue;
    const path: { node: number; next: number }[] = [];
    const enter = (node: number) => {
      low.set(node, index.size);
      index.set(node, index.size);
      stack.push(node);
      onStack.add(node);
      path.push({ node, next: 0 });
    };
    enter(root);
    while (path.length > 0) {
      const top = path[path.length - 1]!;
      const target = successors[top.node]![top.next++];
      if (target !== undefined) {
        if (target === without || !inside.has(target)) continue;
        if (!index.has(target)) enter(target);
        else if (onStack.has(target)) low.set(top.node, Math.min(low.get(top.node)!, index.get(target)!));
        continue;
      }
      path.pop();
      const above = path.at(-1);
      if (above !== undefined) low.set(above.node, Math.min(low.get(above.node)!, low.get(top.node)!));
      if (low.get(top.node) !== index.get(top.node)) continue;
      const region = stack.splice(stack.lastIndexOf(top.node));
      for (const node of region) onStack.delete(node);
      const cyclic = region.length > 1 || (region[0] !== without && successors[region[0]!]!.includes(region[0]!));
      if (cyclic) regions.push(region);
    }
  }
  return regions;
}
