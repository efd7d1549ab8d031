import { mkdirSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { type Command, InvalidArgumentError } from "commander";
import {
  benchProgramNames,
  type CompileTimes,
  describeMachine,
  type Measurement,
  type ReplayRate,
  rateActions,
  readCaptureBytes,
  runBench,
  runCompileBench,
  runReplayBench,
} from "../../lab/index.ts";
import {
  benchJson,
  benchMarkdown,
  benchText,
  compileMarkdown,
  compileText,
  foundRateJson,
  foundRateText,
  replayMarkdown,
  replayText,
} from "../../report/index.ts";
import { findRates } from "../bench/findRates.node.ts";
import { wholeNumber } from "../options/number.ts";

interface Options {
  readonly json?: true;
  readonly save?: string;
  readonly program?: readonly string[];
  readonly rounds: number;
  readonly budget?: number;
  readonly kernel: boolean;
  readonly programs: boolean;
  readonly compile: boolean;
  readonly replay: boolean;
  readonly capture?: string;
  readonly packets: number;
  readonly workers?: number;
  readonly findRate?: true | readonly string[];
  readonly queues?: readonly number[];
  readonly ring?: number;
}

/** Time for the programs, in seconds, when their times are to be printed as JSON and nothing else is said: the whole command then ends within 50 s. */
const JSON_BUDGET = 36;
/** Fewer samples than these say little, and the kernel's whole nanoseconds need them. */
const LEAST_ROUNDS = 5;

function parseProgram(name: string, before: readonly string[] = []): readonly string[] {
  if (!benchProgramNames.includes(name)) throw new InvalidArgumentError(`It is one of ${benchProgramNames.join(", ")}.`);
  return [...before, name];
}

function parseNumber(text: string): number {
  const number = Number(text.replaceAll(/[_,]/g, ""));
  if (!Number.isInteger(number) || number < 1) throw new InvalidArgumentError("It is a whole number from 1.");
  return number;
}

function parseRounds(text: string): number {
  const rounds = parseNumber(text);
  if (rounds < LEAST_ROUNDS) throw new InvalidArgumentError(`It is a whole number from ${LEAST_ROUNDS}.`);
  return rounds;
}

const queueNumber = wholeNumber("--queues", 1, 64);
const parseQueues = (text: string): readonly number[] => text.split(",").map(queueNumber);

export function registerBench(program: Command): void {
  program
    .command("bench")
    .description(
      "time a packet takes in interpreter, compiler and, where bpf(2) is to be had, live kernel; compile times by length; replay rates by workers",
    )
    .option("--program <name>", "measure this program only (repeatable)", parseProgram)
    .option("--rounds <number>", "samples of each engine", parseRounds, LEAST_ROUNDS)
    .option(
      "--budget <seconds>",
      `time for the programs: where it runs short, they are measured on fewer packets (default: ${JSON_BUDGET} with --json, else none)`,
      parseNumber,
    )
    .option("--no-kernel", "leave the live kernel out")
    .option("--no-programs", "leave the times of programs out")
    .option("--no-compile", "leave the compile times out")
    .option("--no-replay", "leave the replay rates out")
    .option("--capture <file>", "measure replay rates with this capture, held in memory, instead of 64-byte frames")
    .option("--packets <number>", "packets of one sample of the replay rates", parseNumber, 4_000_000)
    .option("--workers <number>", "most workers of the replay rates (default: one for each CPU)", parseNumber)
    .option(
      "--find-rate [program]",
      `instead: the rates that a machine of modelled time takes in, by receive queues, with ${rateActions.join(", ")} or OBJ[:PROGRAM] (docs/timing.md); repeatable`,
      (text: string, before: readonly string[] | true = []) => [...(before === true ? [] : before), text],
    )
    .option(
      "--queues <n,…>",
      "receive queues of --find-rate, each with a CPU: one number or several with commas (default: 1 to 6)",
      parseQueues,
    )
    .option("--ring <n>", "buffers of a receive ring of --find-rate (default: 1024)", wholeNumber("--ring", 64, 8192))
    .option("--json", "print an array with one object for each program and packet; nothing else")
    .option("--save <folder>", "also write the results there as JSON and Markdown, with the method and the machine")
    .action(bench);
}

async function bench(options: Options): Promise<void> {
  if (options.findRate !== undefined) {
    const { findRate, queues, ring, json: asJson } = options;
    const found = await findRates({ programs: findRate === true ? [] : findRate, queues, ring, onFound: showProgress });
    process.stdout.write(asJson ? foundRateJson(found) : foundRateText(found));
    return;
  }
  const { json, save, program } = options;
  const measurements = options.programs ? await programTimes(options) : [];
  if (json) process.stdout.write(`${JSON.stringify(benchJson(measurements), null, 2)}\n`);
  else if (measurements.length > 0) process.stdout.write(benchText(measurements));
  // Before the compile times: what these take of memory would stand among the rates.
  const rates = json || program || !options.replay ? [] : await replayRates(options);
  if (rates.length > 0) process.stdout.write(`\n${replayText(rates)}`);
  const compiled = json || program || !options.compile ? [] : compileTimes();
  if (compiled.length > 0) process.stdout.write(`\n${compileText(compiled)}`);
  if (save !== undefined) saveResults(save, measurements, compiled, rates);
}

function saveResults(
  folder: string,
  measurements: readonly Measurement[],
  compiled: readonly CompileTimes[],
  rates: readonly ReplayRate[],
): void {
  const machine = describeMachine();
  mkdirSync(folder, { recursive: true });
  const write = (name: string, results: unknown, text: string): void => {
    writeFileSync(join(folder, `${name}.json`), `${JSON.stringify({ machine, results }, null, 2)}\n`);
    writeFileSync(join(folder, `${name}.md`), text);
  };
  if (measurements.length > 0) write("programs", benchJson(measurements), benchMarkdown(measurements, machine));
  if (compiled.length > 0) write("compile", compiled, compileMarkdown(compiled, machine));
  if (rates.length > 0) write("replay", rates, replayMarkdown(rates, machine));
}

async function programTimes({
  program,
  rounds,
  kernel,
  json,
  budget = json ? JSON_BUDGET : undefined,
}: Options): Promise<readonly Measurement[]> {
  const { measurements, kernelMissing } = await runBench({
    ...(program && { programs: program }),
    rounds,
    kernel,
    ...(budget !== undefined && { budget: budget * 1000 }),
    onMeasured: ({ program: name, packet }) => showProgress(`${name} on ${packet}`),
  });
  if (kernelMissing !== null) process.stderr.write(`note: ${kernelMissing.message}\n try: ${kernelMissing.hint ?? ""}\n`);
  return measurements;
}

const compileTimes = (): CompileTimes[] =>
  runCompileBench({ onMeasured: (shape, instructions) => showProgress(`the compiler on ${instructions} instructions of ${shape}`) });

async function replayRates({ capture, packets, workers }: Options): Promise<ReplayRate[]> {
  return runReplayBench({
    ...(capture !== undefined && { capture: { name: basename(capture), bytes: await readCaptureBytes(capture) } }),
    ...(workers !== undefined && { workers }),
    packets,
    onMeasured: ({ program, workers: threads }) => showProgress(`${program} with ${threads} workers`),
  });
}

/** One line that is written over, on a terminal only. */
function showProgress(what: string): void {
  if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K measured ${what}\r`);
}
