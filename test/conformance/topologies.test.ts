import { existsSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { readCaseFile, runRecordings } from "../../src/lab/index.ts";

const folder = join(import.meta.dirname, "../../../shared/kernel/topologies");
const there = existsSync(folder);
const programs = () => ({ name: "programs.jsonl", text: readCaseFile(join(folder, "programs.jsonl")) });

/** Rows that do not agree yet (docs/parity.md says why). */
const OPEN: readonly string[] = ["ip-driven-None", "ip-driven-native", "ip-driven-generic", "tc-chain-26-native", "tc-chain-27-native"];

describe.skipIf(!there)(`topologies recorded from Linux 6.18 (${there ? "found" : "../shared is not there: skipped"})`, () => {
  test("the designed rows come out as they did in the kernel", { timeout: 180_000 }, async () => {
    const name = join(folder, "designed.jsonl.gz");
    const report = await runRecordings([{ name, text: readCaseFile(name), programs }], { engine: "jit" });
    if (!report.ok) throw new Error(report.problem.message);
    const differing = new Set(report.value.differences.map(({ id }) => id));
    expect([...differing].filter((id) => !OPEN.includes(id))).toEqual([]);
    expect(report.value.total).toMatchObject({ rows: 1283, refused: 0 });
  });
});
