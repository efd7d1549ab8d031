import { Bench } from "tinybench";
import { ProblemError } from "../../problem/index.ts";
import type { EngineName, PreparedRun, RepeatedRun } from "./engine.ts";
import { benchProblems } from "./problems.ts";
import { median, spread } from "./statistics.ts";

/** Kernel samples are this many runs, as its whole nanoseconds need. */
const KERNEL_REPEAT = 1_000_000;
/** How long a sample of the other engines takes, and how long they are warmed up, in nanoseconds. The compiler's code is optimised while it runs. */
const SAMPLE_TIME: Readonly<Record<Exclude<EngineName, "kernel">, number>> = { jit: 20e6, interp: 8e6 };
const WARM_UP_TIME: Readonly<Record<Exclude<EngineName, "kernel">, number>> = { jit: 200e6, interp: 8e6 };
/** Below this many nanoseconds of its own, a program is measured by the form that runs its body eight times. */
const SHORT = 20;
const BODY_RUNS = 8;

/** One program on one packet in one engine. */
export interface Contender {
  readonly engine: EngineName;
  readonly form: PreparedRun;
  /** The body eight times. */
  readonly form8: PreparedRun | undefined;
  /** The engine's loop around a program that returns at once. */
  readonly empty: PreparedRun;
}

export interface EngineTime {
  /** Median time of one run. */
  readonly nanoseconds: number;
  /** Median of what is left when the empty program's time of the same round is taken away; from the eightfold form where `bodyRuns` is 8. */
  readonly net: number;
  /** Greatest less smallest sample, in parts of the median. */
  readonly spread: number;
  readonly samples: number;
}

export interface Measurement {
  readonly program: string;
  readonly packet: string;
  /** How often the form behind `net` runs the program's body. */
  readonly bodyRuns: number;
  readonly times: Partial<Record<EngineName, EngineTime>>;
  /** What every engine returned, unsigned. */
  readonly returned: number;
}

interface Series {
  readonly contender: Contender;
  readonly which: "form" | "form8" | "empty";
  readonly repeat: number;
  readonly samples: number[];
}

/**
 * Times one program on one packet in several engines: first a check that a run can be repeated and that the engines agree, then `rounds` rounds in which every
 * engine takes its turn with the form and with the empty program, so that what disturbs the machine disturbs all alike.
 */
export async function measure(
  program: string,
  packet: string,
  contenders: readonly Contender[],
  { rounds = 5 }: { readonly rounds?: number } = {},
): Promise<Measurement> {
  const first = contenders.map(({ engine, form }) => ({ engine, result: form.run(1) }));
  for (const other of first) requireEqual(program, packet, first[0]!, other);

  const prepared = contenders.map((contender) => {
    const repeat = warmUp(contender.engine, contender.form);
    return { contender, repeat, rough: roughNet(contender, repeat) };
  });
  const judge = prepared.find(({ contender }) => contender.engine === "kernel") ?? prepared[0]!;
  const eightfold = judge.rough < SHORT && contenders.every(({ form8 }) => form8 !== undefined);

  const series: Series[] = prepared.flatMap(({ contender, repeat }) => {
    const one = (which: Series["which"], divisor = 1): Series => ({
      contender,
      which,
      repeat: contender.engine === "kernel" ? KERNEL_REPEAT : Math.max(Math.ceil(repeat / divisor), 1),
      samples: [],
    });
    if (eightfold && contender.engine !== "kernel") warmUp(contender.engine, contender.form8!);
    return [one("form"), ...(eightfold ? [one("form8", BODY_RUNS)] : []), one("empty")];
  });
  const last = await takeTurns(series, rounds);

  for (const [at, contender] of contenders.entries()) {
    const result = last.get(contender);
    if (result !== undefined) requireRepeatable(program, packet, contender.engine, first[at]!.result, result);
  }
  const times = contenders.map((contender) => [contender.engine, timeOf(contender, series, eightfold)] as const);
  return { program, packet, bodyRuns: eightfold ? BODY_RUNS : 1, times: Object.fromEntries(times), returned: first[0]!.result.returned };
}

/** Rounds in which every series takes one sample. Gives the last result of each contender's form. */
async function takeTurns(series: readonly Series[], rounds: number): Promise<Map<Contender, RepeatedRun>> {
  const last = new Map<Contender, RepeatedRun>();
  const bench = new Bench({ iterations: 1, time: 0, warmup: false });
  for (const [at, { contender, which, repeat, samples }] of series.entries()) {
    bench.add(
      `${contender.engine} ${which} ${at}`,
      () => {
        const run = contender[which]!.run(repeat);
        samples.push(run.nanoseconds);
        if (which === "form") last.set(contender, run);
        return { overriddenDuration: run.nanoseconds / 1e6 };
      },
      { async: false },
    );
  }
  for (let round = 0; round < rounds; round++) {
    bench.reset();
    await bench.run();
    for (const { result } of bench.tasks) if (result.state === "errored") throw result.error;
  }
  return last;
}

/** Runs until the code is as fast as it gets, and says how many runs make a sample. */
function warmUp(engine: EngineName, run: PreparedRun): number {
  if (engine === "kernel") return KERNEL_REPEAT;
  let repeat = 16;
  let nanoseconds = run.run(repeat).nanoseconds;
  for (let spent = 0; spent < WARM_UP_TIME[engine]; spent += nanoseconds * repeat) {
    repeat = Math.max(Math.min(repeat * 4, Math.ceil(WARM_UP_TIME[engine] / 8 / nanoseconds)), 16);
    nanoseconds = run.run(repeat).nanoseconds;
  }
  return Math.max(Math.ceil(SAMPLE_TIME[engine] / nanoseconds), 16);
}

function roughNet({ engine, form, empty }: Contender, repeat: number): number {
  const few = engine === "kernel" ? KERNEL_REPEAT / 5 : Math.ceil(repeat / 5);
  return form.run(few).nanoseconds - empty.run(few).nanoseconds;
}

function timeOf(contender: Contender, series: readonly Series[], eightfold: boolean): EngineTime {
  const samples = (which: Series["which"]): readonly number[] =>
    series.find((one) => one.contender === contender && one.which === which)?.samples ?? [];
  const form = samples("form");
  const empty = samples("empty");
  const body = eightfold ? samples("form8") : form;
  const net = body.map((time, round) => (time - empty[round]!) / (eightfold ? BODY_RUNS : 1));
  return { nanoseconds: median(form), net: median(net), spread: spread(form), samples: form.length };
}

interface FirstRun {
  readonly engine: EngineName;
  readonly result: RepeatedRun;
}

const samePacket = (a: Uint8Array, b: Uint8Array): boolean => a.length === b.length && a.every((byte, at) => byte === b[at]);

function difference(a: RepeatedRun, b: RepeatedRun): string | undefined {
  if (a.returned !== b.returned) return `the return value, ${a.returned} and ${b.returned}`;
  return samePacket(a.packet, b.packet) ? undefined : "the packet's bytes";
}

function requireRepeatable(program: string, packet: string, engine: EngineName, first: RepeatedRun, last: RepeatedRun): void {
  const what = difference(first, last);
  if (what !== undefined)
    throw new ProblemError(benchProblems.bench_unequal_runs({ engine, program, packet, runs: "a million", what }, { program }));
}

function requireEqual(program: string, packet: string, first: FirstRun, second: FirstRun): void {
  const what = difference(first.result, second.result);
  if (what === undefined) return;
  const details = { program, packet, what, first: first.engine, second: second.engine };
  throw new ProblemError(benchProblems.bench_engines_differ(details, { program }));
}
