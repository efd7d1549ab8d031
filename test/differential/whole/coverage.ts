import { RESULT_SIZE } from "./mapCatalog.ts";
import type { RunOutcome } from "./outcome.ts";
import type { AssembledSet } from "./program.ts";

/** How often something was tried: sets of programs that contain it, that the kernel accepted, in which it ran, in which it differed. */
export interface Row {
  written: number;
  accepted: number;
  ran: number;
  differed: number;
}

/** What generated programs exercised, by helper, kfunc, map operation and instruction. */
export class Coverage {
  readonly rows = new Map<string, Row>();

  #row(name: string): Row {
    const known = this.rows.get(name);
    if (known !== undefined) return known;
    const row = { written: 0, accepted: 0, ran: 0, differed: 0 };
    this.rows.set(name, row);
    return row;
  }

  /** `runs`: what the kernel made of the set; undefined for one that it rejected. */
  count({ sites }: AssembledSet, runs: readonly RunOutcome[] | undefined, differed: boolean): void {
    const contained = new Set<string>();
    const ran = new Set<string>();
    const results = resultsOf(runs?.at(-1)?.maps.results);
    for (const [index, { covers }] of sites.entries()) {
      const executed = results !== undefined && results.getBigUint64(index * RESULT_SIZE, true) > 0n;
      for (const name of covers) {
        contained.add(name);
        if (executed) ran.add(name);
      }
    }
    for (const name of contained) {
      const row = this.#row(name);
      row.written++;
      if (runs === undefined) continue;
      row.accepted++;
      if (ran.has(name)) row.ran++;
      if (differed) row.differed++;
    }
  }

  /** Names in order, with their figures. */
  sorted(): [string, Row][] {
    return [...this.rows].sort(([a], [b]) => (a < b ? -1 : 1));
  }

  text(): string {
    const width = Math.max(...[...this.rows.keys()].map((name) => name.length));
    const line = (name: string, ...figures: (string | number)[]): string =>
      `${name.padEnd(width)}${figures.map((figure) => String(figure).padStart(10)).join("")}`;
    return [
      line("", "written", "accepted", "ran", "differed"),
      ...this.sorted().map(([name, row]) => line(name, row.written, row.accepted, row.ran, row.differed)),
    ].join("\n");
  }
}

/** The one value of map `results`, out of its text "key=value". */
function resultsOf(text: string | undefined): DataView | undefined {
  const value = text?.split("=")[1];
  if (value === undefined) return undefined;
  const bytes = Uint8Array.from(Buffer.from(value, "hex"));
  return new DataView(bytes.buffer);
}
