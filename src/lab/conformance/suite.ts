import type { Place, Result } from "../../problem/index.ts";
import { success } from "../../problem/index.ts";
import { parsePrograms, type RowProgram, runTopology, type TopologyRow } from "../topology/index.ts";
import type { CaseEngine } from "./engine.ts";
import { featuresOf } from "./features.ts";
import { CaseMachine } from "./machine.ts";
import { ConformanceReport } from "./report.ts";
import { parseLine, parseRow, type Row } from "./row.ts";

export interface ConformanceOptions {
  readonly engine: CaseEngine;
  /** Only cases that Linux accepted. */
  readonly acceptedOnly?: boolean;
  /**
   * Only cases that use this: a helper's name (with or without bpf_), a map type, or another name that the report lists; of topologies, those with this tag. Case does not count.
   */
  readonly feature?: string;
  /** Only the case of this name. */
  readonly id?: string;
}

/** A file of recorded cases. */
export interface CaseFile {
  readonly name: string;
  readonly text: string;
  /** The file with the programs of topologies, which lies beside it; asked for only where there is a topology. */
  readonly programs?: () => { readonly name: string; readonly text: string };
}

const normal = (feature: string): string => feature.toLowerCase().replace(/^bpf_(map_type_)?/, "");

/** Runs cases of one kind of report, as the options choose them. */
class CaseRuns {
  readonly report = new ConformanceReport();
  readonly #options: ConformanceOptions;
  readonly #wanted: string | undefined;
  #machine: CaseMachine | undefined;

  constructor(options: ConformanceOptions) {
    this.#options = options;
    this.#wanted = options.feature === undefined ? undefined : normal(options.feature);
  }

  #leavesOut(features: ReadonlySet<string>, id: string): boolean {
    if (this.#options.id !== undefined && id !== this.#options.id) return true;
    return this.#wanted !== undefined && ![...features].some((one) => normal(one) === this.#wanted);
  }

  runCase(row: Row): void {
    if (this.#options.acceptedOnly && !row.accepted) return;
    const features = featuresOf(row);
    if (this.#leavesOut(features, row.id)) return;
    this.#machine ??= new CaseMachine(this.#options.engine);
    this.report.add(row.id, features, this.#machine.run(row));
  }

  async runTopology(row: TopologyRow, programs: ReadonlyMap<string, RowProgram>): Promise<void> {
    const tags = new Set(row.tags);
    if (!this.#leavesOut(tags, row.id)) this.report.add(row.id, tags, await runTopology(row, programs, this.#options.engine));
  }
}

function* linesOf({ name, text }: CaseFile): Generator<{ readonly line: string; readonly at: Place }> {
  for (const [index, line] of text.split("\n").entries()) if (line.trim() !== "") yield { line, at: { file: name, line: index + 1 } };
}

/** Runs the recorded cases of files one after the other. The first malformed line ends it with its place. Topologies are no cases: `runRecordings` takes both. */
export function runConformance(files: Iterable<CaseFile>, options: ConformanceOptions): Result<ConformanceReport> {
  const runs = new CaseRuns(options);
  for (const file of files) {
    for (const { line, at } of linesOf(file)) {
      const parsed = parseRow(line, at);
      if (!parsed.ok) return parsed;
      runs.runCase(parsed.value);
    }
  }
  return success(runs.report);
}

/** Runs the recorded cases and topologies of files one after the other. */
export async function runRecordings(files: Iterable<CaseFile>, options: ConformanceOptions): Promise<Result<ConformanceReport>> {
  const runs = new CaseRuns(options);
  for (const file of files) {
    let programs: ReadonlyMap<string, RowProgram> | undefined;
    for (const { line, at } of linesOf(file)) {
      const parsed = parseLine(line, at);
      if (!parsed.ok) return parsed;
      const row = parsed.value;
      if (!("hosts" in row)) {
        runs.runCase(row);
        continue;
      }
      if (programs === undefined) {
        const beside = file.programs?.() ?? { name: file.name, text: "" };
        const listed = parsePrograms(beside.text, beside.name);
        if (!listed.ok) return listed;
        programs = listed.value;
      }
      await runs.runTopology(row, programs);
    }
  }
  return success(runs.report);
}
