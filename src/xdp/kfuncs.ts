import type { KfuncRow } from "../bpf/spec.ts";

/** kfuncs of XDP programs beside the general ones. Names and parameters: the kernel's own type information. */
export const xdpKfuncRows: readonly KfuncRow[] = [
  ["bpf_dynptr_copy", "xdpDynptrCopy", "wiwii", "u32"],
  ["bpf_dynptr_from_xdp", "dynptrFromXdp", "clw", "u32"],
  ["bpf_dynptr_memset", "xdpDynptrMemset", "wiii", "u32"],
  ["bpf_dynptr_slice", "xdpDynptrSlice", "wioi", "u32"],
  ["bpf_dynptr_slice_rdwr", "xdpDynptrSliceRdwr", "wioi", "u32"],
  ["bpf_probe_read_kernel_dynptr", "xdpProbeReadKernelDynptr", "wiil", "i64"],
  ["bpf_probe_read_kernel_str_dynptr", "xdpProbeReadKernelStrDynptr", "wiil", "i64"],
  ["bpf_probe_read_user_dynptr", "xdpProbeReadUserDynptr", "wiil", "i64"],
  ["bpf_probe_read_user_str_dynptr", "xdpProbeReadUserDynptr", "wiil", "i64"],
  ["bpf_xdp_ct_alloc", "ctAlloc", "ciioi", "u32"],
  ["bpf_xdp_ct_lookup", "ctLookup", "ciioi", "u32"],
  ["bpf_xdp_get_xfrm_state", "xdpGetXfrmState", "coi", "u32"],
  ["bpf_xdp_metadata_rx_hash", "xdpMetadataRxHash", "cww", "u32"],
  ["bpf_xdp_metadata_rx_timestamp", "xdpMetadataRxTimestamp", "cw", "u32"],
  ["bpf_xdp_metadata_rx_vlan_tag", "xdpMetadataRxVlanTag", "cww", "u32"],
  ["bpf_xdp_pull_data", "xdpPullData", "ci", "u32"],
  ["bpf_xdp_xfrm_state_release", "xdpXfrmStateRelease", "i", "none"],
];
