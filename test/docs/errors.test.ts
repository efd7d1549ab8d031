/// <reference types="vite/client" />
import { readFileSync, writeFileSync } from "node:fs";
import { expect, test } from "vitest";
import { allProblems } from "../../src/problem/index.ts";

// Every file that declares problems registers its rows when it is imported.
const files = import.meta.glob("../../src/**/problems.ts", { eager: true });

/** The rows as docs/errors.md shows them: by exit code, then by code. */
function errorsPage(): string {
  const kinds = [
    [2, "Usage"],
    [3, "Bad input"],
    [4, "Rejected programs"],
    [1, "Failed expectations"],
  ] as const;
  const lines = [
    "# Errors",
    "",
    "Every error has a code, says what and where, and what to do. Written from the rows in `src/**/problems.ts`.",
    "",
  ];
  for (const [exit, title] of kinds) {
    const rows = [...allProblems].filter(([, row]) => (row.exit ?? 3) === exit).sort(([a], [b]) => (a < b ? -1 : 1));
    if (rows.length === 0) continue;
    lines.push(`## ${title} (exit code ${exit})`, "", "| code | message | what to do |", "|---|---|---|");
    for (const [code, row] of rows) lines.push(`| \`${code}\` | ${cell(row.message)} | ${cell(row.hint ?? "")} |`);
    lines.push("");
  }
  return lines.join("\n");
}

const cell = (text: string): string => text.replaceAll("|", "\\|").replaceAll("<", "&lt;");

test("docs/errors.md lists every error (UPDATE_DOCS=1 writes it anew)", () => {
  expect(Object.keys(files).length).toBeGreaterThan(1);
  const page = new URL("../../docs/errors.md", import.meta.url);
  if (process.env.UPDATE_DOCS === "1") writeFileSync(page, errorsPage());
  expect(readFileSync(page, "utf8")).toBe(errorsPage());
});
