import type { HelperRow } from "../bpf/spec.ts";

/** Helpers of XDP programs beside the general ones. Names and numbers: include/uapi/linux/bpf.h. */
export const xdpHelperRows: readonly HelperRow[] = [
  [23, "bpf_redirect", "xdpRedirect", "il", "u32"],
  [25, "bpf_perf_event_output", "xdpEventOutput", "iilii", "s32"],
  [28, "bpf_csum_diff", "csumDiff", "iiiii", "u32"],
  [44, "bpf_xdp_adjust_head", "xdpAdjustHead", "ii", "s32"],
  [51, "bpf_redirect_map", "xdpRedirectMap", "ill", "u32"],
  [54, "bpf_xdp_adjust_meta", "xdpAdjustMeta", "ii", "s32"],
  [65, "bpf_xdp_adjust_tail", "xdpAdjustTail", "ii", "s32"],
  [69, "bpf_fib_lookup", "xdpFibLookup", "iiii", "s32"],
  [163, "bpf_check_mtu", "xdpCheckMtu", "iiiil", "s32"],
  [188, "bpf_xdp_get_buff_len", "xdpGetBuffLen", "i", "u32"],
  [189, "bpf_xdp_load_bytes", "xdpLoadBytes", "iiii", "s32"],
  [190, "bpf_xdp_store_bytes", "xdpStoreBytes", "iiii", "s32"],
  [201, "bpf_dynptr_read", "xdpDynptrRead", "iiiil", "s32"],
  [202, "bpf_dynptr_write", "xdpDynptrWrite", "iiiil", "s32"],
  [203, "bpf_dynptr_data", "xdpDynptrData", "iii", "u32"],
];
