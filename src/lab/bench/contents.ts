import { type MapEntry, readMapEntries } from "../../bpf/elf/index.ts";
import type { MapSpec } from "../../bpf/spec.ts";
import { ProblemError } from "../../problem/index.ts";
import { benchProblems } from "./problems.ts";

/** Entries of one map as bytes. */
export interface MapContents {
  readonly map: MapSpec;
  readonly entries: readonly MapEntry[];
}

/** The bytes of a maps file's contents: map names to entries. A map or a value that does not fit throws a ProblemError. */
export function readContents(written: Readonly<Record<string, unknown>>, maps: readonly MapSpec[]): MapContents[] {
  return Object.entries(written).map(([name, contents]) => {
    const map = maps.find((spec) => spec.name === name);
    if (map === undefined) throw new ProblemError(benchProblems.bench_map_unknown({ name }));
    const entries = readMapEntries(map, contents);
    if (!entries.ok) throw new ProblemError(entries.problem);
    return { map, entries: entries.value };
  });
}
