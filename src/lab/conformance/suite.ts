import type { Place, Result } from "../../problem/index.ts";
import { success } from "../../problem/index.ts";
import type { CaseEngine } from "./engine.ts";
import { featuresOf } from "./features.ts";
import { CaseMachine } from "./machine.ts";
import { ConformanceReport } from "./report.ts";
import { parseRow } from "./row.ts";

export interface ConformanceOptions {
  readonly engine: CaseEngine;
  /** Only cases that Linux accepted. */
  readonly acceptedOnly?: boolean;
  /** Only cases that use this: a helper's name (with or without bpf_), a map type, or another name that the report lists. Case does not count. */
  readonly feature?: string;
}

const normal = (feature: string): string => feature.toLowerCase().replace(/^bpf_(map_type_)?/, "");

/** Runs the recorded cases of files one after the other. The first malformed line ends it with its place. */
export function runConformance(
  files: Iterable<{ readonly name: string; readonly text: string }>,
  { engine, acceptedOnly = false, feature }: ConformanceOptions,
): Result<ConformanceReport> {
  const report = new ConformanceReport();
  const machine = new CaseMachine(engine);
  const wanted = feature === undefined ? undefined : normal(feature);
  for (const { name, text } of files) {
    let number = 0;
    for (const line of text.split("\n")) {
      number++;
      if (line.trim() === "") continue;
      const at: Place = { file: name, line: number };
      const parsed = parseRow(line, at);
      if (!parsed.ok) return parsed;
      const row = parsed.value;
      if (acceptedOnly && !row.accepted) continue;
      const features = featuresOf(row);
      if (wanted !== undefined && ![...features].some((one) => normal(one) === wanted)) continue;
      report.add(row.id, features, machine.run(row));
    }
  }
  return success(report);
}
