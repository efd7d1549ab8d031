import { readFileSync } from "node:fs";
import { FileRange, parseBtf } from "../bpf/btf/index.ts";

/** The type information of the running kernel itself, without modules. */
const KERNEL_BTF = "/sys/kernel/btf/vmlinux";

let functions: ReadonlyMap<string, number> | undefined;

/** Type id of a function of the running kernel, as a kfunc call names it; undefined for one that it does not have. Reads the kernel's types once. */
export function kernelFunctionId(name: string): number | undefined {
  functions ??= readFunctions();
  return functions.get(name);
}

function readFunctions(): ReadonlyMap<string, number> {
  const { btf } = parseBtf(new FileRange(readFileSync(KERNEL_BTF), KERNEL_BTF, 0, true));
  const ids = new Map<string, number>();
  for (const [id, type] of btf.types.entries()) if (type.kind === "func") ids.set(type.name, id);
  return ids;
}
