import { openKernel } from "../../kernel/index.ts";
import { type Problem, ProblemError } from "../../problem/index.ts";
import { readBenchFiles } from "./benchFiles.node.ts";
import { type BenchCase, benchCases, emptyCases } from "./cases.ts";
import type { BenchEngine, LoadedForm } from "./engine.ts";
import { KernelEngine } from "./kernelEngine.node.ts";
import { declareBenchNetwork } from "./kernelNetwork.node.ts";
import { type Contender, type Measurement, measure } from "./measure.ts";
import { benchPackets } from "./packets.ts";
import { openSimulatedEngines } from "./simulatedEngine.ts";

export interface BenchOptions {
  /** Names of programs to measure; all unless said. */
  readonly programs?: readonly string[];
  /** Samples of each engine; 5 at least, for the kernel's sake. */
  readonly rounds?: number;
  /** false leaves the live kernel out. */
  readonly kernel?: boolean;
  /** Time for all of it, in milliseconds; as much as it takes unless said. Where it runs short, programs are measured on fewer packets, but none is left out. */
  readonly budget?: number;
  /** Told of every measurement as it is done. */
  readonly onMeasured?: (measurement: Measurement) => void;
}

export interface BenchResult {
  readonly measurements: readonly Measurement[];
  /** Why the live kernel was not measured; null when it was. */
  readonly kernelMissing: Problem | null;
}

/** Names that `BenchOptions.programs` may hold. */
export const benchProgramNames: readonly string[] = benchCases.map(({ program }) => program);

/** Measures the programs in every engine that is at hand. */
export async function runBench(options: BenchOptions = {}): Promise<BenchResult> {
  const { programs, kernel = true } = options;
  const cases = benchCases.filter(({ program }) => programs === undefined || programs.includes(program));
  const simulated = openSimulatedEngines();
  const withoutKernel = async (kernelMissing: Problem | null): Promise<BenchResult> => ({
    measurements: await measureAll(cases, simulated, options),
    kernelMissing,
  });
  if (!kernel) return withoutKernel(null);
  const opened = openKernel();
  if (!opened.ok) return withoutKernel(opened.problem);
  using live = opened.value;
  try {
    const measurements = await live.inNetworkNamespace(() => {
      declareBenchNetwork();
      return measureAll(cases, [...simulated, new KernelEngine(live)], options);
    });
    return { measurements, kernelMissing: null };
  } catch (error) {
    if (error instanceof ProblemError && networkProblems.has(error.problem.code)) return withoutKernel(error.problem);
    throw error;
  }
}

/** A network namespace could not be made or furnished: bpf(2) alone is not enough. */
const networkProblems: ReadonlySet<string> = new Set(["bench_network", "kernel_call_failed"]);

async function measureAll(
  cases: readonly BenchCase[],
  engines: readonly BenchEngine[],
  { rounds = 5, budget = Number.POSITIVE_INFINITY, onMeasured }: BenchOptions,
): Promise<Measurement[]> {
  const start = performance.now();
  const empties = { xdp: programInAll(emptyCases.xdp, engines), sched_cls: programInAll(emptyCases.sched_cls, engines) };
  const measurements: Measurement[] = [];
  for (const [done, one] of cases.entries()) {
    const programs = programInAll(one, engines);
    for (const [at, name] of one.packets.entries()) {
      const each = (performance.now() - start) / Math.max(measurements.length, 1);
      const needed = (cases.length - done) * each;
      if (at > 0 && performance.now() - start + needed > budget) break;
      const packet = benchPackets[name]();
      const contenders = engines.map((engine): Contender => {
        const { form, form8 } = programs.get(engine)!;
        return {
          engine: engine.name,
          form: form.on(packet),
          form8: form8?.on(packet),
          empty: empties[one.type].get(engine)!.form.on(packet),
        };
      });
      const measurement = await measure(one.program, name, contenders, { rounds });
      measurements.push(measurement);
      onMeasured?.(measurement);
    }
  }
  return measurements;
}

interface Forms {
  readonly form: LoadedForm;
  readonly form8: LoadedForm | undefined;
}

/** The case's forms, loaded with its map contents into every engine. */
function programInAll(one: BenchCase, engines: readonly BenchEngine[]): Map<BenchEngine, Forms> {
  const { object, contents } = readBenchFiles(one);
  const loadInto = (engine: BenchEngine): Forms => {
    const loaded = engine.load(object, contents);
    return { form: loaded.program(one.entry), form8: one.entry8 === undefined ? undefined : loaded.program(one.entry8) };
  };
  return new Map(engines.map((engine) => [engine, loadInto(engine)]));
}
