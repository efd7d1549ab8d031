import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { assemble } from "../../src/bpf/isa/index.ts";
import { runPlugin } from "../../src/lab/index.ts";

const hex = (text: string): string => Buffer.from(assemble(text)).toString("hex");

const engines = ["jit", "interp"] as const;

/** r0 of the program's text in both engines, or the code of the problem. */
const outcomes = (text: string, memory?: string) =>
  engines.map((engine) => {
    const result = runPlugin({ program: hex(text), engine, ...(memory === undefined ? {} : { memory }) });
    return result.ok ? result.value : result.problem.code;
  });

test("r1 is the memory's address and r2 its length; r0 has 64 bits without a sign", () => {
  const bytes = "aa bb 11 cc dd 00 00 80";
  expect(outcomes("r0 = *(u64 *)(r1 +0)\nexit", bytes)).toEqual([0x8000_00dd_cc11_bbaan, 0x8000_00dd_cc11_bbaan]);
  expect(outcomes("r0 = r2\nexit", bytes)).toEqual([8n, 8n]);
  expect(outcomes("*(u16 *)(r1 +2) = 0x1234\nr0 = *(u32 *)(r1 +0)\nexit", bytes)).toEqual([0x1234_bbaan, 0x1234_bbaan]);
});

test("without memory both are 0", () => {
  expect(outcomes("r0 = r1\nr0 |= r2\nexit")).toEqual([0n, 0n]);
});

test("jumps back to the first instruction and calls of functions lead where they did", () => {
  expect(outcomes("start:\nr2 += -1\nif r2 != 0 goto start\nr0 = r2\nr0 += 7\nexit", "00 00 00")).toEqual([7n, 7n]);
  expect(outcomes("call double\nexit\ndouble:\nr0 = r2\nr0 += r0\nexit", "00 00 00")).toEqual([6n, 6n]);
});

test("what Linux refuses is refused with its words, and a trap is told", () => {
  const refused = runPlugin({ program: hex("r0 = 1\nr0 <<= 64\nexit"), engine: "jit" });
  expect(refused.ok ? undefined : refused.problem).toMatchObject({ exit: 4, message: "invalid shift 64" });
  expect(outcomes("r0 = -1\nr0 = *(u64 *)(r0 +0)\nexit")).toEqual(["plugin_trap", "plugin_trap"]);
  expect(outcomes("start:\nr0 = 0\ngoto start\nexit")).toEqual(["verifier_unreachable", "verifier_unreachable"]);
});

test("hex that is none, or no whole instructions, is a problem", () => {
  const code = (program: string, memory = "") => {
    const result = runPlugin({ program, memory, engine: "jit" });
    return result.ok ? undefined : result.problem.code;
  };
  expect(["", "b7", "95000000000000 0x"].map((program) => code(program))).toEqual(new Array(3).fill("plugin_program"));
  expect(code(hex("r0 = 0\nexit"), "0 1")).toBe(undefined);
  expect(code(hex("r0 = 0\nexit"), "0")).toBe("plugin_memory");
});

const commandLine = fileURLToPath(new URL("../../dist/cli.js", import.meta.url));

test.skipIf(!existsSync(commandLine))("the command reads standard input, takes the memory first, and prints r0 in hex", () => {
  const program = hex("r0 = *(u32 *)(r1 +0)\nexit").replaceAll(/../g, "$& ");
  const words = [commandLine, "conformance", "--plugin", "01 02 03 04", "--engine", "interp"];
  expect(execFileSync("node", words, { input: program, encoding: "utf8" })).toBe("4030201\n");
});

/**
 * A folder with the suite's own runner, `bpf_conformance_runner` or a link to it, and its `tests`. Linux refuses what these names stand for: shifts by immediates
 * beyond the register, and calls through a register.
 */
const suite = process.env.XDPLANE_BPF_CONFORMANCE;
const refusedByLinux = /^([lr]sh|arsh)(32|64)-imm-(high|neg)\.data|^callx\.data/;

test.skipIf(suite === undefined || !existsSync(commandLine)).each(engines)(
  "the public suite passes: %s",
  (engine) => {
    const plugin = join(mkdtempSync(join(tmpdir(), "xdplane-")), "plugin");
    writeFileSync(plugin, `#!/bin/sh\nexec "${process.execPath}" "${commandLine}" conformance --plugin --engine ${engine} "$@"\n`, {
      mode: 0o755,
    });
    const options = ["--test_file_directory", join(suite!, "tests"), "--plugin_path", plugin, "--cpu_version", "v4"];
    const output = execFileSync(join(suite!, "bpf_conformance_runner"), [...options, "--exclude_regex", refusedByLinux.source], {
      encoding: "utf8",
    });
    expect(output).toMatch(/Passed (\d+) out of \1 tests/);
  },
  600_000,
);
