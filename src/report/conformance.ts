import pc from "picocolors";
import type { ConformanceReport } from "../lab/index.ts";
import { count } from "./quantity.ts";
import { plainTable } from "./table.ts";

/** Longest text of an expected or found value that is printed; --json has all of it. */
const LONGEST = 160;

/** Around the first place where two texts differ, so that the difference is seen. */
function excerpt(text: string, other: string): string {
  if (text.length <= LONGEST) return text === "" ? "(nothing)" : text;
  let first = 0;
  while (first < text.length && text[first] === other[first]) first++;
  const start = Math.max(0, Math.min(first - LONGEST / 4, text.length - LONGEST));
  const end = start + LONGEST;
  return `${start > 0 ? "…" : ""}${text.slice(start, end)}${end < text.length ? "…" : ""}`;
}

/** Agreement by feature, reasons of refusal, and each difference. */
export function conformanceText(report: ConformanceReport): string {
  const { rows, agreed, differed, refused } = report.total;
  const features = [...report.features].sort(([a, m], [b, n]) => n.rows - m.rows || (a < b ? -1 : 1));
  const columns = [{ heading: "feature" }, ...["rows", "agreed", "differed", "refused"].map((heading) => ({ heading, right: true }))];
  const numbers = (counts: { rows: number; agreed: number; differed: number; refused: number }): string[] =>
    [counts.rows, counts.agreed, counts.differed, counts.refused].map(count);
  const table = plainTable(
    columns,
    features.map(([feature, counts]) => [feature, ...numbers(counts)]),
  );
  const reasons = report.byCount(report.reasons).map(([reason, times]) => ` ${count(times).padStart(6)}  ${reason}\n`);
  const differences = report.differences.map(({ id, what, expected, got }) => {
    return ` ${pc.red(id)}  ${what}\n     expected ${excerpt(expected, got)}\n          got ${excerpt(got, expected)}\n`;
  });
  const total = ` ${pc.bold(count(rows))} rows: ${count(agreed)} agreed, ${count(differed)} differed, ${count(refused)} refused\n`;
  const sections = [table];
  if (reasons.length > 0) sections.push(` refused, because what they need is not built:\n${reasons.join("")}`);
  if (differences.length > 0) sections.push(` differences:\n${differences.join("")}`);
  return [...sections, total].join("\n");
}
