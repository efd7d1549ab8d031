import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { type Command, Option } from "commander";
import { type CaseEngine, readCaseFile, runPlugin, runRecordings } from "../../lab/index.ts";
import { ProblemError } from "../../problem/index.ts";
import { conformanceText } from "../../report/index.ts";
import { problems } from "../options/problems.ts";

interface Options {
  readonly engine: CaseEngine;
  readonly only?: "accepted";
  readonly feature?: string;
  readonly case?: string;
  readonly json?: true;
  readonly plugin?: true;
}

export function registerConformance(program: Command): void {
  program
    .command("conformance")
    .description("run cases recorded from a Linux kernel and print agreement and every difference; exit code 1 when something differs")
    .argument("[file...]", "recorded cases, one JSON object a line, plain or gzipped; with --plugin, memory in hex")
    .addOption(new Option("--engine <name>", "what runs the programs").choices(["jit", "interp"]).default("jit"))
    .addOption(new Option("--only <what>", "only cases that the kernel accepted").choices(["accepted"]))
    .option("--feature <name>", "only cases that use this helper, map type or other feature of the table, or topologies with this tag")
    .option("--case <id>", "only the case of this name")
    .option("--json", "print one object: rows, agreed, differed, refused, differences")
    .addOption(
      new Option(
        "--plugin",
        "be a plugin of the bpf_conformance suite: run the program that standard input gives in hex, with r1 and r2 address and length of the memory, and print r0 in hex",
      ).conflicts(["only", "feature", "json"]),
    )
    .action(conformance);
}

async function conformance(paths: readonly string[], { engine, only, feature, case: id, json, plugin }: Options): Promise<void> {
  if (plugin) {
    runAsPlugin(paths, engine);
    return;
  }
  if (paths.length === 0) throw new ProblemError(problems.conformance_no_file());
  function* files() {
    for (const path of paths) {
      const beside = join(dirname(path), "programs.jsonl");
      yield { name: path, text: readCaseFile(path), programs: () => ({ name: beside, text: readCaseFile(beside) }) };
    }
  }
  const options = {
    engine,
    acceptedOnly: only === "accepted",
    ...(feature === undefined ? {} : { feature }),
    ...(id === undefined ? {} : { id }),
  };
  const report = await runRecordings(files(), options);
  if (!report.ok) throw new ProblemError(report.problem);
  // Nothing that was looked at must not pass for agreement.
  if (report.value.total.rows === 0) {
    const which = feature === undefined ? "at all" : `that uses ${feature}`;
    throw new ProblemError(problems.conformance_no_case({ files: paths.join(", "), which }));
  }
  process.stdout.write(json ? `${JSON.stringify(report.value.toJson(), null, 2)}\n` : conformanceText(report.value));
  if (report.value.total.differed > 0) process.exitCode = 1;
}

/** The protocol of the bpf_conformance suite: errors go to standard error, with an exit code that is not 0. */
function runAsPlugin([memory, ...rest]: readonly string[], engine: CaseEngine): void {
  if (rest.length > 0) throw new ProblemError(problems.plugin_arguments({ count: rest.length + 1 }));
  const result = runPlugin({ program: readFileSync(process.stdin.fd, "utf8"), engine, ...(memory === undefined ? {} : { memory }) });
  if (!result.ok) throw new ProblemError(result.problem);
  process.stdout.write(`${result.value.toString(16)}\n`);
}
