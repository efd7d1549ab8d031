import { INSTRUCTION_SIZE } from "../../bpf/isa/index.ts";
import { compileProgram, installProgram } from "../../bpf/jit/index.ts";
import type { ProgramSpec } from "../../bpf/spec.ts";
import { verify } from "../../bpf/verifier/index.ts";
import { ProblemError } from "../../problem/index.ts";
import {
  compiledMap,
  createCpus,
  createMap,
  instantiateRuntime,
  MapHost,
  mapOperation,
  SimulatedMemory,
  tailCallSlot,
} from "../../runtime/index.ts";
import { xdpProgramType } from "../../xdp/index.ts";
import { type CompileShape, compileShapes, shapedProgram, shapeMaps } from "./compileShapes.ts";
import { type LinearFit, linearFit, type Sampled, summarize } from "./statistics.ts";

export interface CompileBenchOptions {
  readonly shapes?: readonly CompileShape[];
  /** Instructions of the programs, ascending. */
  readonly lengths?: readonly number[];
  readonly rounds?: number;
  readonly onMeasured?: (shape: CompileShape, instructions: number) => void;
}

/** How long programs of a shape take from their bytes to the end of their first run. Times in milliseconds. */
export interface CompileTimes {
  readonly shape: CompileShape;
  readonly lengths: readonly CompileTime[];
  /** Of the medians of `total`, by instructions: milliseconds for none, and for each more. */
  readonly fit: LinearFit;
}

export interface CompileTime {
  readonly instructions: number;
  /** The structural checks. */
  readonly check: Sampled;
  /** From instructions to a WebAssembly module. */
  readonly translate: Sampled;
  /** V8's part: it validates the module, instantiates it, and compiles each function when it is first called, so the first run is in it. */
  readonly engine: Sampled;
  readonly total: Sampled;
  readonly wasmBytes: number;
}

const LENGTHS = [1_000, 10_000, 100_000, 1_000_000];
const WARM_UP = 100_000;

/** Measures compile times by shape and length. Each shape is compiled once before, which is not counted, so that the compiler's own code is compiled. */
export function runCompileBench({
  shapes = compileShapes,
  lengths = LENGTHS,
  rounds = 3,
  onMeasured,
}: CompileBenchOptions = {}): CompileTimes[] {
  return shapes.map((shape) => {
    compileOnce(shape, Math.min(WARM_UP, lengths.at(-1) ?? 0));
    const times = lengths.map((length) => {
      const samples = Array.from({ length: rounds }, () => compileOnce(shape, length));
      onMeasured?.(shape, length);
      const each = (field: "check" | "translate" | "engine" | "total") => summarize(samples.map((sample) => sample[field]));
      const { instructions, wasmBytes } = samples[0]!;
      return { instructions, wasmBytes, check: each("check"), translate: each("translate"), engine: each("engine"), total: each("total") };
    });
    return { shape, lengths: times, fit: linearFit(times.map(({ instructions, total }) => [instructions, total.median])) };
  });
}

const specOf = (shape: CompileShape, instructions: Uint8Array): ProgramSpec => ({
  name: shape,
  section: "xdp",
  type: "xdp",
  expectedAttachType: 0,
  flags: 0,
  license: "GPL",
  instructions,
  maps: shapeMaps,
  functions: [{ instruction: 0, name: shape }],
  lines: [],
});

/** One program in a machine of its own, which is not timed. Throws if the program is refused or its run does not end by itself. */
function compileOnce(shape: CompileShape, length: number) {
  const memory = new SimulatedMemory();
  const runtime = instantiateRuntime(memory.memory, () => {});
  const cpus = createCpus(memory, { count: 1 });
  (runtime.exports.cpu as WebAssembly.Global).value = cpus.blocks[0];
  const host = new MapHost(memory, runtime, cpus);
  const maps = shapeMaps.map((spec) => compiledMap(createMap(host, spec)));
  const context = memory.allocate("program", 64, 64, "what stands for a context");
  const slot = 1;
  const spec = specOf(shape, shapedProgram(shape, length));

  const start = performance.now();
  const verified = verify(spec, xdpProgramType);
  if (!verified.accepted) throw new ProblemError(verified.problem);
  const checked = performance.now();
  const compiled = compileProgram(verified, { slot, maps, mapOperation, tailCallSlot });
  const translated = performance.now();
  const instance = new WebAssembly.Instance(new WebAssembly.Module(compiled.bytes), {
    env: { memory: runtime.memory, table: runtime.table },
    runtime: runtime.exports,
  });
  installProgram(compiled, instance, runtime.table);
  (runtime.exports.runProgram as (slot: number, context: number) => bigint)(slot, context);
  const ran = performance.now();
  return {
    instructions: spec.instructions.length / INSTRUCTION_SIZE,
    wasmBytes: compiled.bytes.length,
    check: checked - start,
    translate: translated - checked,
    engine: ran - translated,
    total: ran - start,
  };
}
