import type { KfuncRow } from "../bpf/spec.ts";

/** kfuncs of TC programs beside the general ones. Names and parameters: the kernel's own type information. */
export const tcKfuncRows: readonly KfuncRow[] = [
  ["bpf_dynptr_copy", "skbDynptrCopy", "wiwii", "u32"],
  ["bpf_dynptr_from_skb", "dynptrFromSkb", "clw", "u32"],
  ["bpf_dynptr_from_skb_meta", "dynptrFromSkbMeta", "clw", "u32"],
  ["bpf_dynptr_memset", "skbDynptrMemset", "wiii", "u32"],
  ["bpf_dynptr_slice", "skbDynptrSlice", "wioi", "u32"],
  ["bpf_dynptr_slice_rdwr", "skbDynptrSliceRdwr", "wioi", "u32"],
  ["bpf_probe_read_kernel_dynptr", "skbProbeReadKernelDynptr", "wiil", "i64"],
  ["bpf_probe_read_kernel_str_dynptr", "skbProbeReadKernelStrDynptr", "wiil", "i64"],
  ["bpf_probe_read_user_dynptr", "skbProbeReadUserDynptr", "wiil", "i64"],
  ["bpf_probe_read_user_str_dynptr", "skbProbeReadUserDynptr", "wiil", "i64"],
  ["bpf_sk_assign_tcp_reqsk", "skAssignTcpReqsk", "ciii", "u32"],
  ["bpf_skb_ct_alloc", "ctAlloc", "ciioi", "u32"],
  ["bpf_skb_ct_lookup", "ctLookup", "ciioi", "u32"],
];
