import { writeBtf } from "../bpf/btf/index.ts";
import type { MapSpec } from "../bpf/spec.ts";
import { BPF_MAP_TYPE_SK_STORAGE } from "../layout/index.ts";
import { BPF_BTF_LOAD } from "./commands.ts";
import type { Libc } from "./libc.node.ts";

/** Structs in values that belong to the kernel, which finds them by the map's types and lets programs use them only there. kernel/bpf/btf.c. */
const kernelStructs: ReadonlySet<string> = new Set([
  "bpf_spin_lock",
  "bpf_res_spin_lock",
  "bpf_timer",
  "bpf_wq",
  "bpf_list_head",
  "bpf_rb_root",
]);

/**
 * Loads the type information that a map was declared with: a descriptor, to be closed. Undefined where the object's types name none of the kernel's structs, for no
 * other map but SK_STORAGE needs its types, and when the kernel does not take them: libbpf too makes such a map without.
 */
export function loadMapTypes(libc: Libc, { type, btf, valueTypeId }: MapSpec): number | undefined {
  if (btf === undefined || !valueTypeId) return undefined;
  const named = btf.types.some((one) => one.kind === "struct" && kernelStructs.has(one.name));
  if (!named && type !== BPF_MAP_TYPE_SK_STORAGE) return undefined;
  const bytes = writeBtf(btf.types, true);
  libc.begin();
  const at = libc.reserve(32);
  libc.view.setBigUint64(at, libc.address(libc.place(bytes)), true);
  libc.view.setUint32(at + 16, bytes.length, true);
  const fd = libc.bpf(BPF_BTF_LOAD, at, 32);
  return fd < 0 ? undefined : fd;
}
