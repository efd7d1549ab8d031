import { Command } from "commander";
import packageJson from "../../package.json" with { type: "json" };
import { registerBench } from "./commands/bench.node.ts";
import { registerConformance } from "./commands/conformance.node.ts";
import { registerDump } from "./commands/dump.node.ts";
import { registerReplay } from "./commands/replay.node.ts";
import { registerSkeleton } from "./commands/skeleton.node.ts";

/** The program with all its commands. Each command's file registers itself; a command that is not built does not appear. */
export function commandLine(): Command {
  const program = new Command("xdplane")
    .description(
      "Simulates XDP and TC packet processing: BPF objects and captures in, what Linux 6.18 would have done with every packet out.",
    )
    .version(packageJson.version)
    .showHelpAfterError("(run with --help for the options)")
    .exitOverride();
  registerReplay(program);
  registerDump(program);
  registerConformance(program);
  registerBench(program);
  registerSkeleton(program);
  return program;
}
