import { readFileSync } from "node:fs";
import { stripVTControlCharacters } from "node:util";
import { expect, test } from "vitest";
import { beginsObject, dumpObject, type ObjectDumpOptions } from "../../src/cli/commands/dumpObject.node.ts";
import { ProblemError } from "../../src/problem/index.ts";

const bytesOf = (path: string) => new Uint8Array(readFileSync(path));
const policy = bytesOf("programs/policy.o");
const dump = (options: ObjectDumpOptions, bytes = policy) => stripVTControlCharacters(dumpObject(bytes, "policy.o", options));

function problemOf(options: ObjectDumpOptions, bytes = policy) {
  try {
    dump(options, bytes);
  } catch (error) {
    if (error instanceof ProblemError) return error.problem;
  }
  return undefined;
}

test("an object is known by its first bytes", () => {
  expect(beginsObject(policy.subarray(0, 4))).toBe(true);
  expect(beginsObject(Uint8Array.of(0x0a, 0x0d, 0x0d, 0x0a))).toBe(false);
});

test("without options there is an overview, with them only what was asked for", () => {
  const overview = dump({});
  for (const part of ["policy.o   BPF object", " ingress   tc ", " policies   hash ", " section "]) expect(overview).toContain(part);
  expect(overview).not.toContain("r0 = ");
  expect(dump({ maps: true })).not.toContain(" ingress ");
  expect(dump({ types: true })).toContain("struct policy_key {");
  const egress = dump({ program: "egress" });
  expect(egress).toContain("Disassembly of program egress, section tc:");
  expect(egress).not.toContain("program ingress");
});

test("JSON holds everything, or the parts named", () => {
  const keys = (options: ObjectDumpOptions) => Object.keys(JSON.parse(dump({ ...options, json: true })) as object);
  expect(keys({})).toEqual(expect.arrayContaining(["sections", "programs", "maps", "types"]));
  expect(keys({ maps: true })).toContain("maps");
  expect(keys({ maps: true })).not.toContain("types");
});

test("the generated WebAssembly of one program, or of all", () => {
  expect(dump({ wasm: true, program: "egress" }).match(/^\(module /gm)).toHaveLength(1);
  expect(dump({ wasm: true }).match(/^\(module /gm)).toHaveLength(2);
});

test("a program that is not there is wrong usage, a damaged object bad input with its place", () => {
  expect(problemOf({ program: "absent" })).toMatchObject({ code: "elf_program_unknown", exit: 3 });
  expect(problemOf({}, policy.subarray(0, 3000))).toMatchObject({ code: "object_cut", exit: 3, at: { file: "policy.o", offset: 3000 } });
  const sections = bytesOf("test/bpf/elf/objects/sections.o");
  expect(problemOf({ wasm: true, program: "probe" }, sections)).toMatchObject({ code: "dump_wasm_none", exit: 2 });
});

test("settings, kernel types and kernel settings change what is shown; what names nothing is refused", () => {
  const everything = bytesOf("test/bpf/elf/objects/everything.clang19.o");
  const shown = (options: ObjectDumpOptions) => dumpObject(everything, "everything.o", { maps: true, ...options });
  expect(shown({ set: [".rodata.limit=9"], kconfig: ["CONFIG_HZ=100"] })).toContain('.rodata  {"limit":9}');
  expect(shown({ kconfig: ["CONFIG_HZ=100"] })).toContain('"CONFIG_HZ":100');
  expect(problemOf({ set: ["nowhere=1"] })).toMatchObject({ code: "setting_unknown", exit: 2 });
  expect(problemOf({ set: ["nothing"] })).toMatchObject({ code: "setting_malformed", exit: 2 });
  expect(problemOf({ btf: "no/such.btf" })).toMatchObject({ code: "option_file_unreadable", at: { file: "no/such.btf" } });
  expect(problemOf({ btf: "package.json" })).toMatchObject({ code: "btf_bad_magic", at: { file: "package.json" } });
  expect(problemOf({ kconfig: ["package.json"] })).toMatchObject({ code: "kconfig_malformed", at: { file: "package.json", line: 1 } });
  const core = bytesOf("test/bpf/elf/objects/core.o");
  const relocations = dumpObject(core, "core.o", {});
  expect(relocations).toMatch(/tc\+24 +byte_off +struct net_device::name\[3\] +11 → 283/);
  // Against types that are not the kernel's, nothing of it is found.
  expect(dumpObject(core, "core.o", { btf: "test/bpf/elf/objects/everything.clang19.o" })).toMatch(
    /tc\+24 +byte_off +struct net_device::name\[3\] +poisoned/,
  );
});
