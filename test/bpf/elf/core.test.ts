import { existsSync, readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { FileRange, linux618, parseBtf, TargetTypes } from "../../../src/bpf/btf/index.ts";
import { type ObjectFile, openObject } from "../../../src/bpf/elf/index.ts";
import { readSlots } from "../../../src/bpf/isa/index.ts";

const OBJECTS = "test/bpf/elf/objects";
const VMLINUX = "/sys/kernel/btf/vmlinux";

/** What libbpf decided for one instruction; without `to` it was poisoned. */
interface Expected {
  readonly program: string;
  readonly kind: string;
  readonly insn: number;
  readonly from?: number;
  readonly to?: number;
  readonly width?: number;
}
const expected = JSON.parse(readFileSync(`${OBJECTS}/core.expected.json`, "utf8")) as Expected[];

function open(name: string, target?: TargetTypes): ObjectFile {
  const opened = openObject(new Uint8Array(readFileSync(`${OBJECTS}/${name}.o`)), { file: `${name}.o`, ...(target && { target }) });
  if (!opened.ok) throw new Error(opened.problem.message);
  return opened.value;
}

const BAD_RELOCATION = 195896080;

/** The value that an instruction holds where relocations put theirs, or why it traps. */
function valueAt({ programs }: ObjectFile, { program, insn }: Expected): number | string {
  const spec = programs.find(({ name }) => name === program)!;
  const slot = readSlots(spec.instructions)[insn]!;
  const why = spec.poisoned?.get(insn);
  if (why !== undefined) {
    expect(slot).toMatchObject({ code: 0x85, dst: 0, src: 0, offset: 0, imm: BAD_RELOCATION });
    return why;
  }
  return [1, 2, 3].includes(slot.code & 7) ? slot.offset : slot.imm;
}

const runningKernel = () => {
  const types = parseBtf(new FileRange(new Uint8Array(readFileSync(VMLINUX)), VMLINUX, 0, true)).btf;
  return new TargetTypes(types, { name: "the types of the running kernel", complete: true });
};

const targets: readonly (readonly [string, boolean, () => TargetTypes])[] = [
  ["the built-in types", true, linux618],
  [
    "the running kernel's types",
    existsSync(VMLINUX) && readFileSync("/proc/version", "utf8").startsWith("Linux version 6.18"),
    runningKernel,
  ],
];

for (const [name, there, target] of targets) {
  test.skipIf(!there)(`every kind of relocation gives what libbpf gives, against ${name}`, () => {
    const object = open("core", target());
    for (const one of expected) {
      const got = valueAt(object, one);
      if (one.to === undefined) expect(got, `${one.program} ${one.insn}`).toContain(`CO-RE ${one.kind} of `);
      else expect(got, `${one.program} ${one.insn}`).toBe(one.to);
      if (one.width === undefined) continue;
      const code = object.programs.find((program) => program.name === one.program)!.instructions[one.insn * 8]!;
      expect([4, 2, 1, 8][(code & 0x18) >> 3]).toBe(one.width);
    }
    const poisoned = object.programs.flatMap((program) => [...(program.poisoned?.keys() ?? [])].map((insn) => `${program.name} ${insn}`));
    const expectedly = expected.filter(({ to }) => to === undefined).map(({ program, insn }) => `${program} ${insn}`);
    expect(poisoned.sort()).toEqual(expectedly.sort());
  });
}

test("what the built-in types do not hold is said, a whole kernel's types are believed", () => {
  const told = (object: ObjectFile) => object.warnings.map(({ code, message }) => `${code} ${message}`);
  expect(told(open("core"))).toEqual([
    "elf_core_type_unknown the built-in types of Linux 6.18 do not hold struct no_such_struct, no_such_typedef: " +
      "the object's questions about them are answered as if the kernel had none",
  ]);
  expect(told(open("core", new TargetTypes(linux618().btf, { name: "all types", complete: true })))).toEqual([]);
});

test("the built-in types hold the headers that programs read through unions and options", () => {
  const names = new Set(linux618().btf.types.map((type) => ("name" in type ? `${type.kind} ${type.name}` : "")));
  for (const name of ["union tcp_word_hdr", "struct ipv6_sr_hdr", "struct ip_comp_hdr", "struct sctp_chunkhdr", "struct mld_msg"])
    expect(names).toContain(name);
});

test("a relocation is listed with what it asks for and what it became", () => {
  const listed = open("core").coreRelocations.map(({ kind, subject, decision }) => {
    if (decision.action === "poison") return `${kind} ${subject}: poisoned`;
    return `${kind} ${subject}: ${decision.before} -> ${decision.after}`;
  });
  expect(listed).toContain("byte_off struct net_device::name[3]: 11 -> 283");
  expect(listed).toContain("byte_off struct ipv6hdr___mine::daddr.in6_u.u6_addr32[2]: 24 -> 32");
  expect(listed).toContain("byte_off struct sk_buff___mine::no_such_field: poisoned");
  expect(listed).toContain("enumval_value enum bpf_func_id___mine::BPF_FUNC_loop___mine: 5 -> 181");
});

test("a damaged relocation traps where it stands and leaves the rest of the object alone", () => {
  const bytes = new Uint8Array(readFileSync(`${OBJECTS}/core.o`));
  const { sections } = open("core");
  const code = sections.find(({ name }) => name === "tc")!;
  // The instruction of the first relocation holds another value than the object's own types give.
  bytes[code.fileOffset + 4] = 99;
  const damaged = openObject(bytes, { file: "damaged.o" });
  if (!damaged.ok) throw new Error(damaged.problem.message);
  const spec = damaged.value.programs.find(({ name }) => name === "fields")!;
  expect(spec.poisoned?.get(0)).toBe("CO-RE byte_off of struct sk_buff___mine::len: the instruction holds 99, expected 0");
  expect(valueAt(damaged.value, expected[1]!)).toBe(expected[1]!.to);
});
