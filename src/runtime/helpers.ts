import { type HelperRow, type HelperSpec, helperTable } from "../bpf/spec.ts";
import { coldHelperSpecs } from "./coldHelpers.ts";

/** Helpers that all networking program types share. Names and numbers: include/uapi/linux/bpf.h. */
const rows: readonly HelperRow[] = [
  [1, "bpf_map_lookup_elem", "mapLookupElem", "mi", "u32"],
  [2, "bpf_map_update_elem", "mapUpdateElem", "miil", "s32"],
  [3, "bpf_map_delete_elem", "mapDeleteElem", "mi", "s32"],
  [5, "bpf_ktime_get_ns", "ktimeGetNs", "", "i64"],
  [7, "bpf_get_prandom_u32", "getPrandomU32", "", "u32"],
  [8, "bpf_get_smp_processor_id", "getSmpProcessorId", "", "u32"],
  [12, "bpf_tail_call", "tailCallSlot", "ii", "none"],
  [14, "bpf_get_current_pid_tgid", "idleTaskIds", "", "i64"],
  [15, "bpf_get_current_uid_gid", "idleTaskIds", "", "i64"],
  [16, "bpf_get_current_comm", "getCurrentComm", "wi", "s32"],
  [17, "bpf_get_cgroup_classid", "getCgroupClassid", "", "u32"],
  [22, "bpf_perf_event_read", "perfEventRead", "ml", "i64"],
  [42, "bpf_get_numa_node_id", "getNumaNodeId", "", "u32"],
  [55, "bpf_perf_event_read_value", "perfEventReadValue", "mlwi", "i64"],
  [80, "bpf_get_current_cgroup_id", "getCurrentCgroupId", "", "i64"],
  [87, "bpf_map_push_elem", "mapPushElem", "mil", "s32"],
  [88, "bpf_map_pop_elem", "mapPopElem", "mw", "s32"],
  [89, "bpf_map_peek_elem", "mapPeekElem", "mw", "s32"],
  [93, "bpf_spin_lock", "spinLock", "w", "none"],
  [94, "bpf_spin_unlock", "spinUnlock", "w", "none"],
  [105, "bpf_strtol", "strtol", "iilw", "s32"],
  [106, "bpf_strtoul", "strtoul", "iilw", "s32"],
  [109, "bpf_send_signal", "sendSignal", "", "s32"],
  [112, "bpf_probe_read_user", "probeReadUser", "wi", "s32"],
  [113, "bpf_probe_read_kernel", "probeReadKernel", "wil", "s32"],
  [114, "bpf_probe_read_user_str", "probeReadUser", "wi", "s32"],
  [115, "bpf_probe_read_kernel_str", "probeReadKernelStr", "wil", "s32"],
  [117, "bpf_send_signal_thread", "sendSignal", "", "s32"],
  [118, "bpf_jiffies64", "jiffies64", "", "i64"],
  [120, "bpf_get_ns_current_pid_tgid", "getNsCurrentPidTgid", "llwi", "s32"],
  [123, "bpf_get_current_ancestor_cgroup_id", "getCurrentAncestorCgroupId", "i", "i64"],
  [125, "bpf_ktime_get_boot_ns", "ktimeGetBootNs", "", "i64"],
  [130, "bpf_ringbuf_output", "ringbufOutput", "mill", "s32"],
  [131, "bpf_ringbuf_reserve", "ringbufReserve", "mll", "u32"],
  [132, "bpf_ringbuf_submit", "ringbufSubmit", "wl", "none"],
  [133, "bpf_ringbuf_discard", "ringbufDiscard", "wl", "none"],
  [134, "bpf_ringbuf_query", "ringbufQuery", "ml", "i64"],
  [160, "bpf_ktime_get_coarse_ns", "ktimeGetCoarseNs", "", "i64"],
  [169, "bpf_timer_init", "timerInit", "wml", "s32"],
  [170, "bpf_timer_set_callback", "timerSetCallback", "wi", "s32"],
  [171, "bpf_timer_start", "timerStart", "wll", "s32"],
  [172, "bpf_timer_cancel", "timerCancel", "w", "s32"],
  [176, "bpf_get_branch_snapshot", "getBranchSnapshot", "wil", "i64"],
  [182, "bpf_strncmp", "strncmp", "iii", "s32"],
  [195, "bpf_map_lookup_percpu_elem", "mapLookupPercpuElem", "mii", "u32"],
  [197, "bpf_dynptr_from_mem", "dynptrFromMem", "wilw", "s32"],
  [198, "bpf_ringbuf_reserve_dynptr", "ringbufReserveDynptr", "milw", "s32"],
  [199, "bpf_ringbuf_submit_dynptr", "ringbufSubmitDynptr", "wl", "none"],
  [200, "bpf_ringbuf_discard_dynptr", "ringbufDiscardDynptr", "wl", "none"],
  [201, "bpf_dynptr_read", "dynptrRead", "wiwil", "s32"],
  [202, "bpf_dynptr_write", "dynptrWrite", "wiiil", "s32"],
  [203, "bpf_dynptr_data", "dynptrData", "wii", "u32"],
  [208, "bpf_ktime_get_tai_ns", "ktimeGetTaiNs", "", "i64"],
];

/** Helpers that call back: r2 is a function table slot. */
const callbacks: ReadonlyMap<number, HelperSpec> = new Map(
  [
    ...helperTable([
      [164, "bpf_for_each_map_elem", "forEachMapElem", "mill", "s32"],
      [181, "bpf_loop", "loop", "iill", "s32"],
      [209, "bpf_user_ringbuf_drain", "userRingbufDrain", "mill", "s32"],
    ]),
  ].map(([id, helper]) => [id, { ...helper, callback: true }]),
);

export const generalHelpers: ReadonlyMap<number, HelperSpec> = helperTable(rows, callbacks, coldHelperSpecs);
