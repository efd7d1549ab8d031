import type { KfuncRow } from "../bpf/spec.ts";

/** kfuncs of XDP programs beside the general ones. Names and parameters: the kernel's own type information. */
export const xdpKfuncRows: readonly KfuncRow[] = [
  ["bpf_dynptr_copy", "xdpDynptrCopy", "iiiii", "u32"],
  ["bpf_dynptr_from_xdp", "dynptrFromXdp", "ili", "u32"],
  ["bpf_dynptr_memset", "xdpDynptrMemset", "iiii", "u32"],
  ["bpf_dynptr_slice", "xdpDynptrSlice", "iiii", "u32"],
  ["bpf_dynptr_slice_rdwr", "xdpDynptrSliceRdwr", "iiii", "u32"],
  ["bpf_xdp_pull_data", "xdpPullData", "ii", "u32"],
];
