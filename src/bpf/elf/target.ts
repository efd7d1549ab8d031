import { failure, ProblemError, type Result, success } from "../../problem/index.ts";
import { FileRange, parseBtf, TargetTypes } from "../btf/index.ts";
import { readElf } from "./image.ts";
import { elfProblems } from "./problems.ts";

/**
 * Reads the types of a kernel to relocate against: BTF as it is (/sys/kernel/btf/vmlinux, what `bpftool gen min_core_btf` writes), or an ELF file with a
 * section .BTF (vmlinux). They are taken for all types that the kernel has.
 */
export function readTargetTypes(bytes: Uint8Array, file: string): Result<TargetTypes> {
  try {
    const { btf } = parseBtf(typesIn(bytes, file));
    return success(new TargetTypes(btf, { name: `the types of ${file}`, complete: true }));
  } catch (error) {
    if (!(error instanceof ProblemError)) throw error;
    return failure({ ...error.problem, at: { offset: 0, ...error.problem.at, file } });
  }
}

function typesIn(bytes: Uint8Array, file: string): FileRange {
  const isElf = bytes[0] === 0x7f && bytes[1] === 0x45 && bytes[2] === 0x4c && bytes[3] === 0x46;
  if (!isElf) return new FileRange(bytes, file, 0, true);
  const section = readElf(bytes, file, "any").sections.find(({ name }) => name === ".BTF");
  if (section === undefined) throw new ProblemError(elfProblems.elf_no_types({}, { file, offset: 0 }));
  return section.data;
}
