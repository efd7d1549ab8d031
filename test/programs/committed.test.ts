import { execFileSync, spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";

const root = fileURLToPath(new URL("../../", import.meta.url));
const hasClang19 = spawnSync("clang-19", ["--version"]).status === 0 && spawnSync("llvm-strip-19", ["--version"]).status === 0;
const run = (...command: [string, ...string[]]) =>
  execFileSync(command[0], command.slice(1), { cwd: root, encoding: "utf8", stdio: "pipe" });

test("the captures are what their script makes", () => {
  expect(run(process.execPath, "pcaps/make.mjs", "--check")).toBe("");
});

test("the balancer's map contents are what their script makes", () => {
  expect(run(process.execPath, "programs/make-maps.mjs", "--check")).toBe("");
});

test.runIf(hasClang19)(`the objects are what clang 19 makes of their sources${hasClang19 ? "" : " (skipped: no clang-19)"}`, () => {
  expect(run("sh", "programs/build.sh", "--check")).toBe("");
});
