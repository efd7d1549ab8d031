import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { format } from "node:util";
import ts from "typescript";
import { afterAll, beforeAll, expect, test, vi } from "vitest";

const root = fileURLToPath(new URL("../../", import.meta.url));
const manual = join(root, "docs/library.md");
/** Where the examples are written: in reach of the repository's packages and sources. */
const folder = join(root, `build/examples-${process.pid}`);
const library = "../../src/index.ts";

/** Each example, and what the manual says that it prints. */
const examples = [...readFileSync(manual, "utf8").matchAll(/```ts\n(.*?)```\n\n```text\n(.*?)```/gs)].map(([, code, output], index) => ({
  file: join(folder, `example${index + 1}.ts`),
  code: code!.replace('from "xdplane"', `from "${library}"`),
  output: output!,
}));

beforeAll(() => {
  mkdirSync(folder, { recursive: true });
  for (const { file, code } of examples) writeFileSync(file, code);
});

afterAll(() => rmSync(folder, { recursive: true, force: true }));

test("the examples of docs/library.md compile with the project's settings", () => {
  const { config } = ts.readConfigFile(join(root, "tsconfig.json"), ts.sys.readFile);
  const { options } = ts.parseJsonConfigFileContent({ ...config, include: [], files: [] }, ts.sys, root);
  const program = ts.createProgram(
    examples.map(({ file }) => file),
    options,
  );
  const faults = ts.getPreEmitDiagnostics(program).map(({ messageText }) => ts.flattenDiagnosticMessageText(messageText, " "));
  expect(faults).toEqual([]);
  expect(examples.length).toBe(3);
});

test.each(examples)("an example of docs/library.md prints what stands below it: $file", async ({ file, output }) => {
  const lines: string[] = [];
  const log = vi.spyOn(console, "log").mockImplementation((...values: unknown[]) => {
    lines.push(`${format(...values)}\n`);
  });
  try {
    await import(file);
  } finally {
    log.mockRestore();
  }
  const printed = lines.join("");
  if (process.env.UPDATE_DOCS === "1")
    writeFileSync(
      manual,
      readFileSync(manual, "utf8").replace(`\`\`\`text\n${output}`, () => `\`\`\`text\n${printed}`),
    );
  else expect(printed).toBe(output);
});
