import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { linux618, writeBtf } from "../../../src/bpf/btf/index.ts";
import {
  decodeMapValue,
  type ObjectFile,
  type OpenOptions,
  openObject,
  readKernelConfiguration,
  readTargetTypes,
} from "../../../src/bpf/elf/index.ts";
import { readSlots, wideImmediate } from "../../../src/bpf/isa/index.ts";
import { buildElf } from "./buildElf.ts";

function open(name: string, options: Partial<OpenOptions> = {}): ObjectFile {
  const bytes = new Uint8Array(readFileSync(`test/bpf/elf/objects/${name}.o`));
  const opened = openObject(bytes, { file: `${name}.o`, ...options });
  if (!opened.ok) throw new Error(opened.problem.message);
  return opened.value;
}

/** The types of a kernel that has nothing but these. */
const noTypes = () => writeBtf([{ kind: "void" }], true);

test("types of a kernel are read raw or out of an ELF file of any machine", () => {
  const raw = writeBtf(linux618().btf.types, true);
  const elf = buildElf({ sections: [{ name: ".BTF", data: raw }], machine: 62 });
  for (const bytes of [raw, elf]) {
    const target = readTargetTypes(bytes, "kernel.btf");
    if (!target.ok) throw new Error(target.problem.message);
    expect(target.value.complete).toBe(true);
    expect(target.value.btf.types).toEqual(linux618().btf.types);
    expect(target.value.hasFunction("bpf_dynptr_from_skb")).toBe(true);
    expect(target.value.hasVariable("bpf_prog_active")).toBe(true);
  }
  const without = readTargetTypes(buildElf({ sections: [{ name: ".text", data: new Uint8Array(8) }] }), "vmlinux");
  expect(without).toMatchObject({ ok: false, problem: { code: "elf_no_types", exit: 3, at: { file: "vmlinux" } } });
  expect(readTargetTypes(Uint8Array.of(1, 2, 3), "noise")).toMatchObject({ ok: false, problem: { at: { file: "noise" } } });
});

/** The value of the first ld_imm64 that the source line asks a symbol for. */
function loadedAt({ programs: [program] }: ObjectFile, text: string): bigint | string {
  const slots = readSlots(program!.instructions);
  const line = program!.lines.find((one) => one.text.includes(text))!;
  const slot = slots.find(({ index, code }) => index >= line.instruction && code === 0x18)!;
  return program!.poisoned?.get(slot.index) ?? wideImmediate(slot);
}

test("a kernel function has an address where the kernel has it, a weak one none where it has not", () => {
  const kernel = readTargetTypes(noTypes(), "empty.btf");
  if (!kernel.ok) throw new Error(kernel.problem.message);
  const [with618, withNone] = [open("externs"), open("externs", { target: kernel.value })];
  expect(loadedAt(with618, "if (bpf_made_up)")).toBe(0n);
  expect(loadedAt(withNone, "&bpf_prog_active")).toBe(0n);
  expect(loadedAt(with618, "&bpf_prog_active")).toBe("bpf_prog_active is a variable of the kernel, which has no memory here");
  const known = ({ externs }: ObjectFile) => externs.filter((one) => one.known).map(({ name }) => name);
  expect(known(with618)).toEqual(["bpf_xdp_metadata_rx_hash", "bpf_prog_active"]);
  expect(known(withNone)).toEqual([]);
  expect([...withNone.programs[0]!.poisoned!.values()]).toContain("function bpf_xdp_metadata_rx_hash is not one of the kernel's");
});

test("kernel settings are those of 6.18 unless others are given", () => {
  const settings = (kconfig?: ReadonlyMap<string, string>) => {
    const map = open("everything.clang19", kconfig && { kconfig }).maps.find(({ name }) => name === ".kconfig")!;
    return decodeMapValue(map, map.contents!);
  };
  expect(settings()).toMatchObject({ CONFIG_HZ: 250, CONFIG_BPF_JIT: true });
  const given = readKernelConfiguration("# CONFIG_NUMA is not set\nCONFIG_HZ=1000\n\nCONFIG_NOT_THERE=-3\nLINUX_KERNEL_VERSION=0x50a00\n");
  if (!given.ok) throw new Error(given.problem.message);
  expect(settings(given.value)).toEqual({
    ...{ CONFIG_HZ: 1000, CONFIG_NOT_THERE: -3, LINUX_KERNEL_VERSION: 0x50a00, CONFIG_BPF_JIT: true },
  });
  expect(readKernelConfiguration("CONFIG_HZ=250\nHZ 250", "my.config")).toMatchObject({
    ok: false,
    problem: { code: "kconfig_malformed", exit: 2, at: { file: "my.config", line: 2 } },
  });
});

test("settings of every type: bool, tristate, char, integers and text; what does not fit traps", () => {
  const object = open("kconfig");
  const map = object.maps.find(({ name }) => name === ".kconfig")!;
  expect(decodeMapValue(map, map.contents!)).toEqual({
    ...{ LINUX_KERNEL_VERSION: (6 << 16) | (18 << 8), CONFIG_HZ: 250, CONFIG_BRIDGE: "TRI_YES", CONFIG_BPF_JIT: "y".charCodeAt(0) },
    ...{ LINUX_HAS_SYSCALL_WRAPPER: true, CONFIG_NF_CONNTRACK: true, CONFIG_DEFAULT_HOSTNAME: "(none", CONFIG_WEAK_ABSENT: "TRI_NO" },
    ...{ CONFIG_NR_CPUS: 0 },
  });
  expect([...object.programs[0]!.poisoned!.values()]).toEqual([
    "CONFIG_NR_CPUS is 256 in the kernel's configuration, which does not fit its type",
  ]);
});
