import { existsSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { type CaseEngine, readCaseFile, runConformance } from "../../src/lab/index.ts";

const folder = join(import.meta.dirname, "../../../shared/kernel/cases");
const there = existsSync(folder);

/** Cases that Linux accepted. All of them agree. */
const ACCEPTED = { xdp: 973, tc: 1029 };

describe.skipIf(!there)(`cases recorded from Linux 6.18 (${there ? "found" : "../shared is not there: skipped"})`, () => {
  for (const engine of ["jit", "interp"] satisfies CaseEngine[]) {
    for (const type of ["xdp", "tc"] as const) {
      test(`the ${engine} runs the accepted ${type} cases as the kernel did`, { timeout: 60_000 }, () => {
        const name = join(folder, `${type}.jsonl.gz`);
        const report = runConformance([{ name, text: readCaseFile(name) }], { engine, acceptedOnly: true });
        if (!report.ok) throw new Error(report.problem.message);
        expect(report.value.differences.slice(0, 5)).toEqual([]);
        expect(report.value.total).toEqual({ rows: ACCEPTED[type], agreed: ACCEPTED[type], differed: 0, refused: 0 });
      });
    }
  }
});
