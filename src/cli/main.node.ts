#!/usr/bin/env node
import { readFileSync } from "node:fs";
import { Command, CommanderError } from "commander";
import { registerBench } from "./commands/bench.node.ts";
import { registerConformance } from "./commands/conformance.node.ts";
import { registerDump } from "./commands/dump.node.ts";
import { reportFailure } from "./failure.node.ts";

const { version } = JSON.parse(readFileSync(new URL("../package.json", import.meta.url), "utf8")) as { version: string };

/** The program with all its commands. Each command's file registers itself; a command that is not built does not appear. */
function commandLine(): Command {
  const program = new Command("xdplane")
    .description(
      "Simulates XDP and TC packet processing: BPF objects and captures in, what Linux 6.18 would have done with every packet out.",
    )
    .version(version)
    .showHelpAfterError("(run with --help for the options)")
    .exitOverride();
  registerBench(program);
  registerConformance(program);
  registerDump(program);
  return program;
}

/** Runs one command line. Exit codes: 0 fine, 1 an expectation or comparison failed, 2 usage, 3 bad input, 4 a program was rejected. */
async function main(argv: readonly string[]): Promise<number> {
  try {
    const program = commandLine();
    if (argv.length <= 2) program.help();
    await program.parseAsync([...argv]);
    return Number(process.exitCode ?? 0);
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
    return reportFailure(error);
  }
}

// A reader that went away (`| head`) ends the run quietly.
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code === "EPIPE") process.exit(0);
  throw error;
});

process.exitCode = await main(process.argv);
