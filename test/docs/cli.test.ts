import { readFileSync, writeFileSync } from "node:fs";
import type { Command } from "commander";
import { expect, test } from "vitest";
import { commandLine } from "../../src/cli/commandLine.node.ts";

/** What stands behind a command's help. */
const notes: ReadonlyMap<string, readonly string[]> = new Map([
  [
    "replay",
    [
      "`--events` listens to all ring buffers and perf event arrays of the objects, as a loader would; without it nobody listens. Rings are read at the end of every window of packets (at most 4,096,",
      "or a millisecond of the capture), so that what finds no room depends on the packets alone. A line a record, a line a loss:",
      "",
      "```json",
      '{"map":"samples","cpu":1,"after":53,"ts":"1767225600.001068105","data":"7571c030…","type":"event","value":{"length":76,"label":"dns"}}',
      '{"map":"samples","cpu":1,"after":4000,"ts":"1767225600.001068105","lost":12}',
      '{"map":"events","lost":3}',
      "```",
      "",
      "`after` and `ts` are the number and the time of the last packet before the ring was read, as `--jsonl` has them (records themselves bear no time); `cpu` is that of a perf ring. `data` is in",
      "hexadecimal; of perf samples it ends with the zeros that fill them up. `type` and `value` come with `--event-type`, for records that are long enough; numbers beyond 2^53 are text.",
      "Of a ring buffer the records that found no room are known in the end only.",
      "",
    ],
  ],
  [
    "conformance",
    [
      "The [bpf_conformance](https://github.com/Alan-Jowett/bpf_conformance) suite starts its plugin as `PLUGIN [MEMORY] [OPTIONS]`, so a script of one line is one:",
      "",
      "```",
      "#!/bin/sh",
      'exec xdplane conformance --plugin "$@"',
      "```",
      "",
      "`bpf_conformance_runner --test_file_directory tests --plugin_path ./plugin --cpu_version v4` then runs it; `--plugin_options` may give `--engine interp`. The program runs as an XDP",
      "program, and may call what XDP programs may. What the verifier refuses and runs that trap are told on standard error, with exit codes 4 and 3. ELF files (`--elf true`) are not taken:",
      "their program would stand in a section that holds none.",
      "",
    ],
  ],
]);

/** docs/cli.md: the help of every command, as the program prints it. */
function commandPage(): string {
  const program = commandLine();
  const help = (command: Command) => ["```", command.configureHelp({ helpWidth: 110 }).helpInformation().trimEnd(), "```", ""];
  const lines = [
    "# The command line",
    "",
    "Exit codes: 0 fine, 1 an expectation or comparison failed, 2 usage, 3 bad input, 4 a program was rejected, 130 ended by Ctrl-C, 143 by SIGTERM. Tables go to standard output,",
    "errors and progress to standard error. `NO_COLOR` is honoured. Every error is listed in [errors.md](errors.md).",
    "",
    "Of a capture that is cut short or damaged, `replay` replays the packets before the fault, then names it and ends with exit code 3. Ctrl-C ends a replay with the",
    "summary of what was done so far, a second one at once. The bytes beside a fate are those of its packets as they came in.",
    "",
    ...help(program),
  ];
  for (const command of program.commands)
    lines.push(`## xdplane ${command.name()}`, "", ...help(command), ...(notes.get(command.name()) ?? []));
  return lines.join("\n");
}

test("docs/cli.md shows every command's help (UPDATE_DOCS=1 writes it anew)", () => {
  const page = new URL("../../docs/cli.md", import.meta.url);
  if (process.env.UPDATE_DOCS === "1") writeFileSync(page, commandPage());
  expect(readFileSync(page, "utf8")).toBe(commandPage());
});
