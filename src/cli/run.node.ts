import { CommanderError } from "commander";
import { commandLine } from "./commandLine.node.ts";
import { reportFailure } from "./failure.node.ts";

/**
 * Runs one command line (`argv` as process.argv has it) and gives its exit code: 0 fine, 1 an expectation or comparison failed, 2 usage, 3 bad
 * input, 4 a program was rejected. Never throws.
 */
export async function runCommandLine(argv: readonly string[]): Promise<number> {
  process.exitCode = undefined;
  try {
    const program = commandLine();
    if (argv.length <= 2) program.help();
    await program.parseAsync([...argv]);
    return Number(process.exitCode ?? 0);
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
    // A reader that went away (`| head`) is no failure.
    if (error instanceof Error && "code" in error && error.code === "EPIPE") return 0;
    return reportFailure(error);
  }
}
