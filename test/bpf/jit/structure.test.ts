import fc from "fast-check";
import { expect, test } from "vitest";
import { findDominators, type Graph, orderNodes } from "../../../src/bpf/jit/graph.ts";
import { emitStructured, structureGraph } from "../../../src/bpf/jit/structure.ts";
import { CodeWriter, ModuleWriter, printModule } from "../../../src/wasm/index.ts";

const MAX_STEPS = 200;

/** The decision at step n of a walk, from a seed: any fixed function will do. */
const taken = (seed: number, step: number): boolean => ((Math.imul(seed ^ step, 0x9e3779b1) >>> 16) & 1) === 1;

/** Walks the graph itself: a hash of the nodes passed. Ends where a node has no successors, or after MAX_STEPS nodes. */
function walk(successors: readonly (readonly number[])[], seed: number): number {
  let hash = 0;
  let node = 0;
  for (let step = 1; ; step++) {
    hash = (Math.imul(hash, 31) + node + 1) | 0;
    const targets = successors[node]!;
    if (targets.length === 0 || step === MAX_STEPS) return hash;
    node = targets.length === 1 || taken(seed, step) ? targets[0]! : targets[1]!;
  }
}

/** Compiles the same walk. Returns the module's bytes. */
function compileWalk(successors: readonly (readonly number[])[]): Uint8Array<ArrayBuffer> {
  const module = new ModuleWriter("walk");
  const run = module.declare("run", { parameters: ["i32"], results: ["i32"] });
  const code = new CodeWriter(["seed"]);
  const hash = code.local("i32", "hash");
  const step = code.local("i32", "step");
  const dispatch = code.local("i32", "dispatch");
  const graph = structureGraph({ successors: successors.map((targets) => [...targets]), dispatches: new Set(), labels: new Map() });
  emitStructured(graph, code, {
    body(node) {
      code.get(hash);
      code.i32(31);
      code.op("i32.mul");
      code.i32(node + 1);
      code.op("i32.add");
      code.set(hash);
      code.get(step);
      code.i32(1);
      code.op("i32.add");
      code.tee(step);
      code.i32(MAX_STEPS);
      code.op("i32.eq");
      code.if();
      code.get(hash);
      code.op("return");
      code.end();
      if (graph.successors[node]!.length > 0) return;
      code.get(hash);
      code.op("return");
    },
    condition(_, negated) {
      code.get(0);
      code.get(step);
      code.op("i32.xor");
      code.i32(0x9e3779b1 | 0);
      code.op("i32.mul");
      code.i32(16);
      code.op("i32.shr_u");
      code.i32(1);
      code.op("i32.and");
      if (negated) code.op("i32.eqz");
    },
    dispatchIndex: () => code.get(dispatch),
    setDispatch(index) {
      code.i32(index);
      code.set(dispatch);
    },
  });
  module.define(run, code);
  module.exportFunction("run", run);
  return module.finish().bytes as Uint8Array<ArrayBuffer>;
}

function runner(bytes: Uint8Array<ArrayBuffer>): (seed: number) => number {
  return new WebAssembly.Instance(new WebAssembly.Module(bytes)).exports.run as (seed: number) => number;
}

/** Graphs as programs have them: a node goes on to the next, or jumps, or branches; nobody jumps to node 0. `far`: any jump, else mostly near ones. */
const graphs = (size: number) =>
  fc
    .array(fc.record({ kind: fc.nat(9), target: fc.nat(1_000_000), near: fc.integer({ min: -3, max: 6 }), far: fc.boolean() }), {
      minLength: 2,
      maxLength: size,
    })
    .map((rows) => {
      const count = rows.length;
      return rows.map(({ kind, target, near, far }, node): number[] => {
        if (node === count - 1) return [];
        const other = far ? 1 + (target % (count - 1)) : Math.min(Math.max(node + near, 1), count - 1);
        if (kind === 0 && node > 0) return [];
        if (kind < 4) return [node + 1];
        if (kind === 4) return [other];
        return other === node + 1 ? [node + 1] : [other, node + 1];
      });
    });

test("structured code takes the same way through random graphs, reducible or not, as the graph itself", () => {
  let irreducible = 0;
  let reducible = 0;
  fc.assert(
    fc.property(graphs(40), fc.array(fc.integer(), { minLength: 8, maxLength: 8 }), (successors, seeds) => {
      const plain: Graph = { successors: successors.map((targets) => [...targets]), dispatches: new Set(), labels: new Map() };
      if (findDominators(orderNodes(plain)).reducible) reducible++;
      else irreducible++;
      const run = runner(compileWalk(successors));
      for (const seed of seeds) expect(run(seed)).toBe(walk(successors, seed));
    }),
    { numRuns: 1500 },
  );
  // Both kinds were really met.
  expect(reducible).toBeGreaterThan(100);
  expect(irreducible).toBeGreaterThan(100);
});

test("the classic two-entry loop gets one dispatch, and reducible graphs none", () => {
  const twoEntries = [[1], [2, 3], [3, 4], [2], []];
  expect(printModule(compileWalk(twoEntries)).match(/br_table/g)?.length).toBe(1);
  const nestedLoops = [[1], [2], [3], [2, 4], [1, 5], []];
  expect(printModule(compileWalk(nestedLoops))).not.toContain("br_table");
});

test("a node behind a loop stands behind it, so that two loops in a row are not nested", () => {
  const text = printModule(compileWalk([[1], [1, 2], [3], [3, 4], []]));
  expect(text.match(/^ *loop/gm)).toEqual(["    loop", "    loop"].map((line) => line.replace("    ", "      ")).slice(0, 2));
});

test("a chain of 100,000 branches to one exit, and one of 20,000 nested choices, are written without overflow", () => {
  const count = 100_000;
  const chain = Array.from({ length: count }, (_, node) => (node === count - 1 ? [] : node % 2 === 1 ? [count - 1, node + 1] : [node + 1]));
  expect(WebAssembly.validate(compileWalk(chain))).toBe(true);
  const choices = Array.from({ length: 20_000 }, (_, node) => (node % 2 === 1 || node + 2 >= 20_000 ? [] : [node + 2, node + 1]));
  expect(WebAssembly.validate(compileWalk(choices))).toBe(true);
});

test("two-entry loops nested hundreds deep take the same way too, in a flat dispatch where they are too deep", () => {
  const depth = 300;
  const successors: number[][] = [[1]];
  // Heads with a way past the next, then tails that each go back to a head or behind it.
  for (let i = 1; i <= depth; i++) successors.push([i + 1, Math.min(i + 2, depth + 1)]);
  for (let i = 0; i < depth; i++) successors.push([Math.max(depth - i, 1) + (i % 2), depth + 2 + i]);
  successors.push([]);
  const run = runner(compileWalk(successors));
  for (let seed = 0; seed < 50; seed++) expect(run(seed * 7919)).toBe(walk(successors, seed * 7919));
});
