import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { readMapOption } from "../../src/cli/options/mapContents.node.ts";
import { ProblemError } from "../../src/problem/index.ts";

const folder = mkdtempSync(join(tmpdir(), "xdplane-"));
const file = (name: string, text: string) => {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
};
const problemOf = (text: string) => {
  try {
    readMapOption(text);
  } catch (error) {
    if (error instanceof ProblemError) return error.problem;
    throw error;
  }
  throw new Error("no problem was raised");
};

test("contents stand in the option itself", () => {
  expect(readMapOption('limits={"1": 5}')).toMatchObject([{ map: "limits", contents: { "1": 5 }, file: "--map limits" }]);
  expect(readMapOption("limits=[{key: 1, value: 18446744073709551615}]")[0]?.contents).toEqual([{ key: 1, value: 18446744073709551615n }]);
});

test("a file may hold one map's contents, or several maps by name", () => {
  const one = file("one.yaml", "- key: 1\n  value: { port: 80 }\n");
  expect(readMapOption(`ports=${one}`)).toMatchObject([{ map: "ports", contents: [{ key: 1, value: { port: 80 } }], file: one }]);
  const several = file("several.yaml", "ports: { 1: 2 }\nlimits: []\n");
  expect(readMapOption(several).map(({ map }) => map)).toEqual(["ports", "limits"]);
});

test("a fault names its file, line and column", () => {
  const broken = file("broken.yaml", "ports:\n  - key: 1\n   value: [\n");
  const problem = problemOf(broken);
  expect(problem.code).toBe("map_file_syntax");
  expect(problem.at.file).toBe(broken);
  expect(problem.at.line).toBeGreaterThan(1);
  expect(problem.at.column).toBeGreaterThan(0);
});

test("a file that is not there, and one with no map names, are refused with what to write", () => {
  expect(problemOf("ports=/nowhere/x.yaml")).toMatchObject({ code: "map_file_unreadable", exit: 3 });
  expect(problemOf(file("list.json", "[1, 2]")).code).toBe("map_file_form");
});

test("aliases that would blow a small file up are refused", () => {
  const lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"];
  for (let depth = 1; depth < 12; depth++)
    lines.push(
      `a${depth}: &a${depth} [${Array(10)
        .fill(`*a${depth - 1}`)
        .join(", ")}]`,
    );
  expect(problemOf(file("bomb.yaml", lines.join("\n"))).code).toBe("map_file_syntax");
});

test("an element that a problem names is found in its file, or as much of the way to it as there is", () => {
  const several = file("places.yaml", "limits: []\nports:\n  - key: { port: 1, list: [1, 2] }\n    value: 2\n  - key: 3\n");
  const place = readMapOption(several)[1]!.place;
  expect(place("ports[0].key.list[1]")).toEqual({ file: several, line: 3, column: 31 });
  expect(place("ports[1].value.more")).toMatchObject({ line: 5 });
  expect(place()).toMatchObject({ line: 2, column: 1 });
  const single = file("single.yaml", "1.5: x\n10.0.0.1: y\n");
  expect(readMapOption(`.rodata=${single}`)[0]!.place(".rodata[10.0.0.1]")).toMatchObject({ file: single, line: 2 });
});

test("an alias that names nothing is shown where it stands; a file without an object at its first line", () => {
  expect(problemOf(file("alias.yaml", "ports:\n  1: *gone\n"))).toMatchObject({ code: "map_file_syntax", at: { line: 2, column: 6 } });
  expect(problemOf(file("empty.yaml", ""))).toMatchObject({ code: "map_file_form", at: { line: 1, column: 1 } });
});
