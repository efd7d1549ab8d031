import { expect, test } from "vitest";
import { runConformance } from "../../src/lab/index.ts";

/** r0 = 2; exit. */
const PASS = "b7000000020000009500000000000000";
/** r0 = helper 4 (probe_read, which no packet program has); exit. */
const PROBE = "85000000040000009500000000000000";
const FRAME = "ffffffffffff0200000000010800";

const row = (fields: object): string =>
  JSON.stringify({
    id: "a",
    prog_type: "xdp",
    insns: PASS,
    maps: [],
    accepted: true,
    runs: [{ in: FRAME, ctx_in: { data_end: 14 }, retval: 2, out: FRAME, ctx_out: { data_end: 14 }, maps: [] }],
    ...fields,
  });

const run = (...lines: string[]) => runConformance([{ name: "cases", text: lines.join("\n") }], { engine: "jit" });

const totals = (...lines: string[]) => {
  const report = run(...lines);
  if (!report.ok) throw new Error(report.problem.message);
  return report.value.toJson() as { rows: number; agreed: number; differed: number; refused: number; differences: object[] };
};

test("a case agrees when return value, data, context and maps are those of the kernel", () => {
  expect(totals(row({}))).toMatchObject({ rows: 1, agreed: 1, differed: 0, refused: 0, differences: [] });
});

test("every difference is told with what was expected and found", () => {
  const other = { in: FRAME, ctx_in: { data_end: 14 }, retval: 1, out: "00", ctx_out: { data_end: 13 }, maps: [] };
  expect(totals(row({ runs: [other] }))).toMatchObject({
    differed: 1,
    differences: [
      { id: "a", what: "run 0: retval", expected: "1", got: "2" },
      { id: "a", what: "run 0: data", expected: "00", got: FRAME },
      { id: "a", what: "run 0: context", expected: "data_end=13", got: "data_end=14" },
    ],
  });
});

test("what needs something unbuilt is refused with the reason, dead code that names it is not", () => {
  const report = run(row({ insns: PROBE }), row({ maps: [{ type: "STRUCT_OPS", key_size: 4, value_size: 4, max_entries: 1, flags: 0 }] }));
  if (!report.ok) throw new Error(report.problem.message);
  expect(report.value.total).toEqual({ rows: 2, agreed: 0, differed: 0, refused: 2 });
  expect([...report.value.reasons.keys()]).toEqual(["bpf_probe_read is not built", "map type STRUCT_OPS is not built"]);
  /** if r1 == 0 goto +1; goto +1; helper 4; r0 = 2; exit. */
  const dead = `1501010000000000${"0500010000000000"}${PROBE.slice(0, 16)}${PASS}`;
  expect(totals(row({ insns: dead }))).toMatchObject({ agreed: 1 });
});

test("a program that Linux took and the checks reject is a difference; one that Linux rejected is refused", () => {
  expect(totals(row({ insns: "b700000002000000" }))).toMatchObject({ differed: 1 });
  expect(totals(row({ accepted: false, errno: 13, log_last: "R0 !read_ok", runs: undefined }))).toMatchObject({ refused: 1 });
});

test("a test run that the kernel refused must be refused with the same errno", () => {
  expect(totals(row({ runs: [{ in: FRAME.slice(2), ctx_in: { data_end: 13 }, errno: 22, maps: [] }] }))).toMatchObject({ agreed: 1 });
  expect(totals(row({ runs: [{ in: FRAME, ctx_in: { data_end: 14 }, errno: 22, maps: [] }] }))).toMatchObject({ differed: 1 });
});

test("64-bit context fields keep all their digits", () => {
  const frame = FRAME.replace("0800", "0806");
  const line = (given: string, left: string): string =>
    row({
      prog_type: "tc",
      runs: [
        { in: frame, retval: 2, out: frame, maps: [], ctx_in: { tstamp: "GIVEN" }, ctx_out: { ifindex: 1, wire_len: 14, tstamp: "LEFT" } },
      ],
    })
      .replace('"GIVEN"', given)
      .replace('"LEFT"', left);
  expect(totals(line("18446744073709551615", "18446744073709551615"))).toMatchObject({ agreed: 1 });
  expect(totals(line("18446744073709551615", "18446744073709551614"))).toMatchObject({ differed: 1 });
});

test("a line that is no case ends the run with file and line", () => {
  const report = run(row({}), "{");
  expect(report.ok ? undefined : report.problem).toMatchObject({ code: "case_malformed", at: { file: "cases", line: 2 }, exit: 3 });
  const topology = run('{"id":"t","hosts":[],"devices":[],"programs":[],"maps":[],"steps":[]}');
  expect(topology.ok ? undefined : topology.problem.code).toBe("case_malformed");
  const broken = run('{"hosts":[]}');
  expect(broken.ok ? undefined : broken.problem.code).toBe("topology_malformed");
});
