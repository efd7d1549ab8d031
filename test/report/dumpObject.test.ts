import { readFileSync } from "node:fs";
import { stripVTControlCharacters } from "node:util";
import { expect, test } from "vitest";
import { findProgram, type ObjectFile, openObject } from "../../src/bpf/elf/index.ts";
import { objectJson, objectText, programWasm } from "../../src/report/index.ts";

const nothing = { sections: false, programs: false, maps: false, types: false, instructions: false };

function open(name: string): ObjectFile {
  const file = `${name}.o`;
  const opened = openObject(readFileSync(`test/bpf/elf/objects/${file}`), { file });
  if (!opened.ok) throw new Error(opened.problem.message);
  return opened.value;
}

const textOf = (...given: Parameters<typeof objectText>) => stripVTControlCharacters(objectText(...given));

test("instructions stand below the source lines they came from, with what their numbers mean", () => {
  const object = open("externs");
  const listing = textOf(object, { ...nothing, instructions: true });
  expect(listing.split("\n").slice(0, 18)).toEqual([
    "externs.o   BPF object, little endian, license GPL, 26 types",
    "",
    "Disassembly of program entry, section xdp:",
    "",
    "int entry(struct xdp_md *ctx):",
    "; int entry(struct xdp_md *ctx) { @ externs.c:12",
    "   0: b4 02 00 00 00 00 00 00  w2 = 0",
    "; __u32 hash = 0; @ externs.c:13",
    "   1: 63 2a fc ff 00 00 00 00  *(u32 *)(r10 -4) = r2",
    "; int type = 0; @ externs.c:14",
    "   2: 63 2a f8 ff 00 00 00 00  *(u32 *)(r10 -8) = r2",
    "   3: bf a2 00 00 00 00 00 00  r2 = r10",
    "   4: 07 02 00 00 fc ff ff ff  r2 += -4",
    "   5: bf a3 00 00 00 00 00 00  r3 = r10",
    "   6: 07 03 00 00 f8 ff ff ff  r3 += -8",
    "; bpf_xdp_metadata_rx_hash(ctx, &hash, &type); @ externs.c:15",
    "   7: 85 20 00 00 01 00 00 00  call kfunc bpf_xdp_metadata_rx_hash#1",
    "; if (bpf_made_up) bpf_made_up(); @ externs.c:16",
  ]);
  expect(listing).toContain("# traps: CONFIG_MADE_UP is not known");
});

test("one program of several is shown by its name, with its subprograms", () => {
  const object = open("everything.clang19");
  const entry = findProgram(object, "entry");
  if (!entry.ok) throw new Error(entry.problem.message);
  const listing = textOf(object, { ...nothing, instructions: true }, entry.value);
  expect(listing).not.toContain("program tail");
  for (const line of [
    "int entry(struct xdp_md *ctx):",
    "int leaf(int x):",
    "int each(__u32 index, void *state):",
    "; if (banner[key & 7] == 'x') hot++; @ everything.c:114",
    "r1 = map[2]   # outer",
    "# last (.data)",
    "# leaf",
    "call bpf_loop#181",
  ])
    expect(listing).toContain(line);
});

test("the overview names programs, maps, global data and what the kernel must provide", () => {
  const overview = textOf(open("everything.clang19"), { ...nothing, programs: true, maps: true, sections: true });
  expect(overview).toContain(" entry      xdp       xdp         xdp        110             4   outer, jumps, .rodata,");
  expect(overview).toMatch(/ flows +hash +16 B union address +48 B struct flow +1,024 +0x1 no_prealloc, pinned\n/);
  expect(overview).toMatch(/ events +perf_event_array +4 B +4 B +by loader\n/);
  expect(overview).toContain(' .rodata  {"limit":1500}\n');
  expect(overview).toContain(" outer  [0] second, [2] first\n");
  expect(overview).toContain(" extern kconfig CONFIG_NOT_THERE (weak, not in the kernel)\n");
  expect(overview).toMatch(/ xdp +816 +0x118 +code\n/);
  expect(overview).not.toContain(".relxdp");
  expect(textOf(open("everything.clang19"), { ...nothing, sections: true })).toContain(".relxdp");
});

test("types are shown as C, and an object without types says so", () => {
  const types = textOf(open("everything.clang19"), { ...nothing, types: true });
  expect(types).toContain("\nunion address {\n\t__u32 v4;\n\t__u8 v6[16];\n};\n");
  expect(textOf(open("legacy36"), { ...nothing, types: true })).toContain("no types: compile with -g");
});

test("the generated WebAssembly is that of the whole program, maps in place", () => {
  const classify = open("everything.clang19").programs.find(({ name }) => name === "classify")!;
  const text = programWasm(classify);
  expect(text).toMatch(/^\(module \$classify\n/);
  expect(text).toContain('(import "runtime" "ringbufReserve"');
  expect(text).toContain("(func $leaf ");
  expect(text).toContain('(export "program" (func $classify))');
});

test("JSON holds the same facts under bpftool's names", () => {
  const all = { sections: true, programs: true, maps: true, types: true, instructions: true };
  const json = JSON.parse(JSON.stringify(objectJson(open("everything.clang19"), all))) as {
    programs: { name: string; insns: number; instructions: { insn: number; source: { line: number } | null }[] }[];
  };
  expect(json).toMatchObject({
    format: "elf-bpf",
    byte_order: "little",
    license: "Dual BSD/GPL",
    maps: expect.arrayContaining([
      expect.objectContaining({
        name: "flows",
        type: "hash",
        bytes_key: 16,
        bytes_value: 48,
        value_type: "struct flow",
        pinned_by_name: true,
      }),
      expect.objectContaining({ name: ".rodata", frozen: true, contents: "dc 05 00 00", value: { limit: 1500 } }),
      expect.objectContaining({ name: "outer", inner: expect.objectContaining({ type: "array", max_entries: 4 }) }),
    ]) as unknown,
    warnings: [],
  });
  const [, entry] = json.programs;
  expect(entry).toMatchObject({ name: "entry", section: "xdp", type: "xdp", attach_type: "xdp", insns: 110 });
  expect(entry!.instructions[0]).toMatchObject({ insn: 0, bytes: "bf 16 00 00 00 00 00 00", text: "r6 = r1", source: { line: 103 } });
  // A 16-byte load is one line of two slots.
  const slots = entry!.instructions.map(({ insn }) => insn);
  expect(slots.length).toBeLessThan(entry!.insns);
  expect(slots).toEqual([...slots].sort((a, b) => a - b));
});
