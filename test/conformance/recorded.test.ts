import { existsSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { type CaseEngine, readCaseFile, runConformance } from "../../src/lab/index.ts";

const folder = join(import.meta.dirname, "../../../shared/kernel/cases");
const there = existsSync(folder);

/** Cases that Linux accepted and that use nothing but what is built must all agree; this many did when the number was last raised. */
const AGREED = { xdp: 961, tc: 1017 };

describe.skipIf(!there)(`cases recorded from Linux 6.18 (${there ? "found" : "../shared is not there: skipped"})`, () => {
  for (const engine of ["jit", "interp"] satisfies CaseEngine[]) {
    for (const type of ["xdp", "tc"] as const) {
      test(`the ${engine} runs the accepted ${type} cases as the kernel did`, { timeout: 60_000 }, () => {
        const name = join(folder, `${type}.jsonl.gz`);
        const report = runConformance([{ name, text: readCaseFile(name) }], { engine, acceptedOnly: true });
        if (!report.ok) throw new Error(report.problem.message);
        const { rows, agreed, differed, refused } = report.value.total;
        expect(report.value.differences.slice(0, 5)).toEqual([]);
        expect(differed).toBe(0);
        expect(rows).toBe(agreed + refused);
        expect(agreed).toBeGreaterThanOrEqual(AGREED[type]);
      });
    }
  }
});
