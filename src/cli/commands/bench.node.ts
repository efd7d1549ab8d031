import { type Command, InvalidArgumentError } from "commander";
import { benchProgramNames, describeMachine, runBench } from "../../lab/index.ts";
import { benchJson, benchMarkdown, benchText } from "../../report/index.ts";

interface Options {
  readonly json?: true;
  readonly markdown?: true;
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
    .option("--markdown", "print a table with the method and the machine")
    .action(bench);
}

async function bench({ json, markdown, program, rounds, kernel }: Options): Promise<void> {
  const { measurements, kernelMissing } = await runBench({ ...(program && { programs: program }), rounds, kernel });
  if (kernelMissing !== null) process.stderr.write(`note: ${kernelMissing.message}\n try: ${kernelMissing.hint ?? ""}\n`);
  if (json) process.stdout.write(`${JSON.stringify(benchJson(measurements), null, 2)}\n`);
  else if (markdown) process.stdout.write(benchMarkdown(measurements, describeMachine()));
  else process.stdout.write(benchText(measurements));
}
