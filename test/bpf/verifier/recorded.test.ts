import { existsSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { verify } from "../../../src/bpf/verifier/index.ts";
import { readCaseFile } from "../../../src/lab/conformance/index.ts";
import { parseRow, type Row } from "../../../src/lab/conformance/row.ts";
import { mapSpecOf, programSpecOf } from "../../../src/lab/conformance/spec.ts";
import { tcProgramType } from "../../../src/tc/index.ts";
import { xdpProgramType } from "../../../src/xdp/index.ts";

const folder = join(import.meta.dirname, "../../../../shared/kernel/cases");
const here = existsSync(folder);
const why = here ? "" : " (skipped: no recorded cases beside the repository)";

const rows = (): Row[] =>
  ["xdp", "tc"].flatMap((name) =>
    readCaseFile(join(folder, `${name}.jsonl.gz`))
      .trim()
      .split("\n")
      .map((line) => {
        const row = parseRow(line);
        if (!row.ok) throw new Error(row.problem.message);
        return row.value;
      }),
  );

const check = (row: Row) => {
  const maps = row.maps.map((map, index) => mapSpecOf(map, `map ${index}`));
  return verify(programSpecOf(row, 0, maps), row.prog_type === "xdp" ? xdpProgramType : tcProgramType);
};

test.runIf(here)(`no recorded program that Linux took is rejected${why}`, () => {
  const rejected = rows()
    .filter(({ accepted }) => accepted)
    .flatMap((row) => {
      const result = check(row);
      return result.accepted ? [] : [`${row.id} ${result.problem.message}`];
    });
  expect(rejected).toEqual([]);
});

test.runIf(here)(`what is rejected of the recorded programs is rejected in Linux's words${why}`, () => {
  let same = 0;
  const others: string[] = [];
  for (const row of rows().filter(({ accepted }) => !accepted)) {
    const result = check(row);
    if (result.accepted) continue;
    if (result.errno === row.errno && result.problem.message === row.log_last) same++;
    else others.push(`${row.id} ${result.problem.message} | ${row.log_last}`);
  }
  // The kernel's main pass meets a wrong argument before it comes to the atomic operation.
  expect(others).toEqual(["974e5f70af96ceaf invalid atomic operand size | R1 type=ctx expected=map_ptr"]);
  expect(same).toBeGreaterThanOrEqual(205);
});
