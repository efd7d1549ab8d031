import type { KfuncRow } from "../bpf/spec.ts";

/** kfuncs of TC programs beside the general ones. Names and parameters: the kernel's own type information. */
export const tcKfuncRows: readonly KfuncRow[] = [
  ["bpf_dynptr_copy", "skbDynptrCopy", "iiiii", "u32"],
  ["bpf_dynptr_from_skb", "dynptrFromSkb", "ili", "u32"],
  ["bpf_dynptr_from_skb_meta", "dynptrFromSkbMeta", "ili", "u32"],
  ["bpf_dynptr_memset", "skbDynptrMemset", "iiii", "u32"],
  ["bpf_dynptr_slice", "skbDynptrSlice", "iiii", "u32"],
  ["bpf_dynptr_slice_rdwr", "skbDynptrSliceRdwr", "iiii", "u32"],
];
