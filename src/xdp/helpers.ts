import type { HelperRow } from "../bpf/spec.ts";

/** Helpers of XDP programs beside the general ones. Names and numbers: include/uapi/linux/bpf.h. */
export const xdpHelperRows: readonly HelperRow[] = [
  [23, "bpf_redirect", "xdpRedirect", "il", "u32"],
  [25, "bpf_perf_event_output", "xdpEventOutput", "cmlii", "s32"],
  [28, "bpf_csum_diff", "csumDiff", "iiiii", "u32"],
  [44, "bpf_xdp_adjust_head", "xdpAdjustHead", "ci", "s32"],
  [51, "bpf_redirect_map", "xdpRedirectMap", "mll", "u32"],
  [54, "bpf_xdp_adjust_meta", "xdpAdjustMeta", "ci", "s32"],
  [65, "bpf_xdp_adjust_tail", "xdpAdjustTail", "ci", "s32"],
  [69, "bpf_fib_lookup", "xdpFibLookup", "cwii", "s32"],
  [84, "bpf_sk_lookup_tcp", "xdpSkLookupTcp", "ciill", "u32"],
  [85, "bpf_sk_lookup_udp", "xdpSkLookupUdp", "ciill", "u32"],
  [99, "bpf_skc_lookup_tcp", "xdpSkcLookupTcp", "ciill", "u32"],
  [163, "bpf_check_mtu", "xdpCheckMtu", "ciwil", "s32"],
  [188, "bpf_xdp_get_buff_len", "xdpGetBuffLen", "c", "u32"],
  [189, "bpf_xdp_load_bytes", "xdpLoadBytes", "ciwi", "s32"],
  [190, "bpf_xdp_store_bytes", "xdpStoreBytes", "ciii", "s32"],
  [201, "bpf_dynptr_read", "xdpDynptrRead", "wiwil", "s32"],
  [202, "bpf_dynptr_write", "xdpDynptrWrite", "wiiil", "s32"],
  [203, "bpf_dynptr_data", "xdpDynptrData", "wii", "u32"],
];
