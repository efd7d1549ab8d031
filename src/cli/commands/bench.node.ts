import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Command, InvalidArgumentError } from "commander";
import { benchProgramNames, describeMachine, type Measurement, runBench } from "../../lab/index.ts";
import { benchJson, benchMarkdown, benchText } from "../../report/index.ts";

interface Options {
  readonly json?: true;
  readonly save?: string;
  readonly program?: readonly string[];
  readonly rounds: number;
  readonly kernel: boolean;
}

/** Fewer samples than these say little, and the kernel's whole nanoseconds need them. */
const LEAST_ROUNDS = 5;

function parseProgram(name: string, before: readonly string[] = []): readonly string[] {
  if (!benchProgramNames.includes(name)) throw new InvalidArgumentError(`It is one of ${benchProgramNames.join(", ")}.`);
  return [...before, name];
}

function parseRounds(text: string): number {
  const rounds = Number(text);
  if (!Number.isInteger(rounds) || rounds < LEAST_ROUNDS) throw new InvalidArgumentError(`It is a whole number from ${LEAST_ROUNDS}.`);
  return rounds;
}

export function registerBench(program: Command): void {
  program
    .command("bench")
    .description("time a packet takes in the interpreter, in the compiler and, where bpf(2) is to be had, in the live kernel")
    .option("--program <name>", "measure this program only (repeatable)", parseProgram)
    .option("--rounds <number>", "samples of each engine", parseRounds, LEAST_ROUNDS)
    .option("--no-kernel", "leave the live kernel out")
    .option("--json", "print an array with one object for each program and packet")
    .option("--save <folder>", "also write programs.json and programs.md there, with the method and the machine")
    .action(bench);
}

async function bench({ json, save, program, rounds, kernel }: Options): Promise<void> {
  const { measurements, kernelMissing } = await runBench({
    ...(program && { programs: program }),
    rounds,
    kernel,
    onMeasured: showProgress,
  });
  if (kernelMissing !== null) process.stderr.write(`note: ${kernelMissing.message}\n try: ${kernelMissing.hint ?? ""}\n`);
  process.stdout.write(json ? `${JSON.stringify(benchJson(measurements), null, 2)}\n` : benchText(measurements));
  if (save === undefined) return;
  const machine = describeMachine();
  mkdirSync(save, { recursive: true });
  writeFileSync(join(save, "programs.json"), `${JSON.stringify({ machine, results: benchJson(measurements) }, null, 2)}\n`);
  writeFileSync(join(save, "programs.md"), benchMarkdown(measurements, machine));
}

/** One line that is written over, on a terminal only. */
function showProgress({ program, packet }: Measurement): void {
  if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K measured ${program} on ${packet}\r`);
}
