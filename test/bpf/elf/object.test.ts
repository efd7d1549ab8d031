import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { decodeMapValue, type ObjectFile, type OpenOptions, openObject, selectProgram, sizeMaps } from "../../../src/bpf/elf/index.ts";
import { BPF_F_XDP_HAS_FRAGS } from "../../../src/layout/index.ts";

const bytesOf = (name: string) => new Uint8Array(readFileSync(`test/bpf/elf/objects/${name}.o`));

function open(name: string, options: Partial<OpenOptions> = {}): ObjectFile {
  const opened = openObject(bytesOf(name), { file: `${name}.o`, ...options });
  if (!opened.ok) throw new Error(opened.problem.message);
  return opened.value;
}

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString("hex");

/** Instructions as the expectation writes them: map references by the map's name. */
function instructionsOf({ instructions, maps }: ObjectFile["programs"][number]): string[] {
  const list: string[] = [];
  const view = new DataView(instructions.buffer, instructions.byteOffset);
  for (let at = 0; at < instructions.length; at += 8) {
    const text = hex(instructions.subarray(at, at + 8));
    const source = instructions[at + 1]! >> 4;
    const wide = instructions[at] === 0x18;
    list.push(wide && (source === 1 || source === 2) ? `${text.slice(0, 8)} ${maps[view.getInt32(at + 4, true)]!.name}` : text);
    if (wide) {
      at += 8;
      list.push(hex(instructions.subarray(at, at + 8)));
    }
  }
  return list;
}

test("maps and instructions are what libbpf makes of the same object", () => {
  const expected = JSON.parse(readFileSync("test/bpf/elf/objects/everything.expected.json", "utf8")) as {
    maps: { name: string }[];
    programs: { name: string; section: string; expectedAttachType: number; instructions: string[] }[];
  };
  const object = open("everything.clang19");
  const maps = object.maps.map(({ name, type, keySize, valueSize, maxEntries, flags }) => ({
    ...{ name, type, keySize, valueSize, maxEntries, flags },
  }));
  expect(maps).toEqual(expected.maps);
  expect(object.programs.map(({ name }) => name)).toEqual(expected.programs.map(({ name }) => name));
  for (const { name, section, expectedAttachType, instructions } of expected.programs) {
    const program = object.programs.find((one) => one.name === name)!;
    expect({ section: program.section, expectedAttachType: program.expectedAttachType }).toEqual({ section, expectedAttachType });
    expect(instructionsOf(program)).toEqual(instructions);
  }
});

test.each(["everything.clang14", "everything.v4", "everything.be"])("%s has the programs, subprograms and maps of its source", (name) => {
  const object = open(name);
  expect(object.programs.map((program) => `${program.section} ${program.name}`)).toEqual(["xdp tail", "xdp entry", "tc classify"]);
  const entry = object.programs[1]!;
  expect(entry.functions.map((one) => one.name)).toEqual(["entry", "each", "leaf", "feeble", "middle"]);
  expect(entry.functions[0]).toMatchObject({ instruction: 0 });
  expect(object.license).toBe("Dual BSD/GPL");
  const flows = object.maps.find((map) => map.name === "flows");
  expect(flows).toMatchObject({ type: 1, keySize: 16, valueSize: 48, maxEntries: 1024, flags: 1, pinByName: true, section: ".maps" });
});

test("static slots name the inner maps and the program, by index", () => {
  const { maps } = open("everything.clang19");
  expect(maps.find(({ name }) => name === "outer")).toMatchObject({
    slots: [
      { index: 0, target: "second" },
      { index: 2, target: "first" },
    ],
    inner: { type: 2, keySize: 4, valueSize: 8, maxEntries: 4 },
  });
  expect(maps.find(({ name }) => name === "jumps")).toMatchObject({ slots: [{ index: 1, target: "tail" }] });
});

test("a program that the object itself puts into a slot is not one to choose from", () => {
  expect(selectProgram(open("everything.clang19"), { type: "xdp" })).toMatchObject({ ok: true, value: { name: "entry" } });
});

test("global data are arrays of one value, known by their variables", () => {
  const { maps } = open("everything.clang19");
  const value = (name: string) => {
    const map = maps.find((one) => one.name === name)!;
    return { value: decodeMapValue(map, map.contents ?? new Uint8Array(map.valueSize)), frozen: map.frozen ?? false };
  };
  expect(value(".rodata")).toEqual({ value: { limit: 1500 }, frozen: true });
  expect(value(".rodata.banner")).toEqual({ value: { banner: "xdplane" }, frozen: true });
  expect(value(".data.hot")).toEqual({ value: { hot: 0x1234 }, frozen: false });
  expect(value(".bss")).toEqual({ value: { seen: 0 }, frozen: false });
  expect(value(".data").value).toMatchObject({ hidden: 41, last: { port: 443, fate: "FATE_PASS", name: "eth0", packets: 0 } });
});

test("a big-endian object has the same data as its little-endian twin, and says what does not carry over", () => {
  const [little, big] = [open("everything.clang19"), open("everything.be")];
  for (const name of [".rodata", ".data.hot", ".data"]) {
    const [a, b] = [little, big].map(({ maps }) => maps.find((map) => map.name === name)!);
    expect(decodeMapValue(b!, b!.contents!)).toEqual(decodeMapValue(a!, a!.contents!));
  }
  expect(big.littleEndian).toBe(false);
  expect(big.warnings.map(({ code }) => code)).toEqual(["elf_big_endian"]);
  const opcodes = (object: ObjectFile) => object.programs[2]!.instructions.filter((_, at) => at % 8 === 0);
  expect(opcodes(big)).toEqual(opcodes(little));
});

test("kernel configuration is laid out by alignment and filled in", () => {
  const contents = (kconfig: ReadonlyMap<string, string> = new Map()) =>
    open("everything.clang19", { kconfig }).maps.find(({ name }) => name === ".kconfig")!.contents!;
  // CONFIG_HZ, CONFIG_NOT_THERE (weak), LINUX_KERNEL_VERSION, CONFIG_BPF_JIT
  expect(hex(contents())).toBe(`${"fa00000000000000"}${"00000000"}${"00120600"}01`);
  expect(hex(contents(new Map([["CONFIG_NOT_THERE", "-7"]])))).toBe(`${"fa00000000000000"}${"f9ffffff"}${"00120600"}01`);
  const kconfig = open("everything.clang19").maps.find(({ name }) => name === ".kconfig")!;
  expect(decodeMapValue(kconfig, kconfig.contents!)).toEqual({
    ...{ CONFIG_HZ: 250, CONFIG_NOT_THERE: 0, LINUX_KERNEL_VERSION: (6 << 16) | (18 << 8), CONFIG_BPF_JIT: true },
  });
});

test("what the kernel would have to provide is listed, and code that needs it is poisoned", () => {
  const object = open("externs");
  expect(object.externs).toEqual(
    expect.arrayContaining([
      { name: "bpf_xdp_metadata_rx_hash", kind: "kfunc", weak: false, known: true },
      { name: "bpf_made_up", kind: "kfunc", weak: true, known: false },
      { name: "bpf_prog_active", kind: "ksym", weak: true, known: true },
      { name: "no_such_variable", kind: "ksym", weak: false, known: false },
      { name: "CONFIG_MADE_UP", kind: "kconfig", weak: false, known: false },
    ]),
  );
  const [entry] = object.programs;
  expect([...entry!.kfuncs!.values()]).toEqual(["bpf_xdp_metadata_rx_hash", "bpf_made_up"]);
  expect([...entry!.poisoned!.values()].sort()).toEqual([
    "CONFIG_MADE_UP is not known",
    "bpf_prog_active is a variable of the kernel, which has no memory here",
    "function bpf_made_up is not one of the kernel's",
    "no_such_variable is not known",
  ]);
  expect(object.warnings.map(({ code, message }) => `${code} ${message.split(" ")[0]}`)).toEqual([
    "elf_kconfig_unresolved CONFIG_MADE_UP",
    "elf_symbol_unresolved no_such_variable",
  ]);
  const told = open("externs", { kconfig: new Map([["CONFIG_MADE_UP", "y"]]) });
  expect(hex(told.maps.find(({ name }) => name === ".kconfig")!.contents!)).toBe("79");
  expect(told.warnings.map(({ code }) => code)).toEqual(["elf_symbol_unresolved"]);
});

test("a section's name gives type, attach point and flags", () => {
  const object = open("sections");
  const all = [...object.programs, ...object.otherPrograms];
  const shown = Object.fromEntries(all.map((one) => [one.section, `${one.type} ${one.expectedAttachType} ${one.flags}`]));
  expect(shown).toEqual({
    xdp: "xdp 37 0",
    "xdp.frags": `xdp 37 ${BPF_F_XDP_HAS_FRAGS}`,
    "xdp/devmap": "xdp 33 0",
    "xdp.frags/devmap": `xdp 33 ${BPF_F_XDP_HAS_FRAGS}`,
    "xdp/cpumap": "xdp 35 0",
    "xdp.frags/cpumap": `xdp 35 ${BPF_F_XDP_HAS_FRAGS}`,
    tc: "sched_cls 0 0",
    classifier: "sched_cls 0 0",
    action: "sched_act 0 0",
    "tc/ingress": "sched_cls 46 0",
    "tc/egress": "sched_cls 47 0",
    "tcx/ingress": "sched_cls 46 0",
    "tcx/egress": "sched_cls 47 0",
    "netkit/primary": "sched_cls 54 0",
    "netkit/peer": "sched_cls 55 0",
    "?xdp": "xdp 37 0",
    xdp_firewall: "xdp 37 0",
    "classifier/egress": "sched_cls 0 0",
    "kprobe/ip_rcv": "kprobe 0 0",
    "from-container": "null 0 0",
  });
});

test("a program whose section says nothing takes the type of the hook; one of another type does not", () => {
  const object = open("sections");
  expect(selectProgram(object, { type: "sched_cls", name: "nameless" })).toMatchObject({ ok: true, value: { type: "sched_cls" } });
  expect(selectProgram(object, { type: "xdp", name: "nameless" })).toMatchObject({ ok: true, value: { type: "xdp" } });
  expect(selectProgram(object, { type: "sched_cls", name: "action_plain" })).toMatchObject({ ok: true });
  expect(selectProgram(object, { type: "xdp", name: "probe" })).toMatchObject({ ok: false, problem: { code: "elf_program_other_type" } });
  expect(selectProgram(object, { type: "xdp", name: "from-container" })).toMatchObject({ ok: true, value: { name: "nameless" } });
  expect(selectProgram(object, { type: "xdp", name: "absent" })).toMatchObject({ ok: false, problem: { code: "elf_program_unknown" } });
});

test.each([20, 28, 36, 40])("legacy maps of %i bytes", (size) => {
  const object = open(`legacy${size}`);
  expect(object.kernelVersion).toBe(0x041200);
  expect(object.btf).toBeNull();
  const [counters, denied, jumps] = object.maps;
  expect(counters).toMatchObject({
    name: "counters",
    type: size === 20 ? 6 : 2,
    keySize: 4,
    valueSize: 8,
    maxEntries: 16,
    section: "maps",
  });
  if (size === 20) expect(denied).toMatchObject({ name: "denied", type: 1, maxEntries: 1000, flags: 1 });
  else expect(denied).toMatchObject({ name: "denied", type: 12, inner: { name: "counters" } });
  if (size < 36) return;
  expect(counters).toMatchObject({ iproute2Id: 1, pinByName: true });
  expect(denied).toMatchObject({ slots: [{ index: 1, target: "counters" }] });
  expect(jumps).toMatchObject({ iproute2Id: 3, slots: [{ index: 5, target: "fifth" }] });
  // The tail call's target has the type of the program that the object is loaded for.
  expect(object.programs.map(({ name, type }) => `${name} ${type}`)).toEqual(["fifth sched_cls", "first sched_cls"]);
  expect(selectProgram(object, { type: "sched_cls" })).toMatchObject({ ok: true, value: { name: "first" } });
});

test("an instruction's source line is that of the C file", () => {
  const [, entry] = open("everything.clang19").programs;
  const first = entry!.lines[0]!;
  expect(first).toMatchObject({ instruction: 0, text: "int entry(struct xdp_md *ctx) {" });
  expect(first.file).toMatch(/everything\.c$/);
  const source = readFileSync("test/bpf/elf/objects/everything.c", "utf8").split("\n");
  for (const { line, text } of entry!.lines) expect(source[line - 1]).toBe(text);
  const starts = entry!.functions.map(({ instruction }) => instruction);
  for (const start of starts) expect(entry!.lines.some(({ instruction }) => instruction === start)).toBe(true);
});

test("the loader chooses the sizes that objects leave to it", () => {
  const spec = (type: number, maxEntries: number, keySize = 0, valueSize = 0) => ({
    ...{ name: "map", type, keySize, valueSize, maxEntries, flags: 0 },
  });
  const given = [spec(4, 0), spec(16, 0, 4, 4), spec(3, 8), spec(27, 5000), spec(1, 0, 4, 4)];
  // Records that are declared for their type's sake are no values.
  const withRecords = [spec(4, 0, 4, 84), spec(27, 4096, 0, 16), spec(31, 4096, 4, 16), spec(12, 2)];
  const sized = sizeMaps([...given, ...withRecords], { cpus: 6 });
  expect(sized.map(({ keySize, valueSize, maxEntries }) => [keySize, valueSize, maxEntries])).toEqual([
    [4, 4, 6],
    [4, 4, 6],
    [4, 4, 8],
    [0, 0, 8192],
    [4, 4, 0],
    [4, 4, 6],
    [0, 0, 4096],
    [0, 0, 4096],
    [4, 4, 2],
  ]);
});
