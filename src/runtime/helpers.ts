import { type HelperRow, type HelperSpec, helperTable } from "../bpf/spec.ts";
import { coldHelperSpecs } from "./coldHelpers.ts";

/** Helpers that all networking program types share. Names and numbers: include/uapi/linux/bpf.h. */
const rows: readonly HelperRow[] = [
  [1, "bpf_map_lookup_elem", "mapLookupElem", "ii", "u32"],
  [2, "bpf_map_update_elem", "mapUpdateElem", "iiil", "s32"],
  [3, "bpf_map_delete_elem", "mapDeleteElem", "ii", "s32"],
  [5, "bpf_ktime_get_ns", "ktimeGetNs", "", "i64"],
  [7, "bpf_get_prandom_u32", "getPrandomU32", "", "u32"],
  [8, "bpf_get_smp_processor_id", "getSmpProcessorId", "", "u32"],
  [12, "bpf_tail_call", "tailCallSlot", "ii", "none"],
  [42, "bpf_get_numa_node_id", "getNumaNodeId", "", "u32"],
  [87, "bpf_map_push_elem", "mapPushElem", "iil", "s32"],
  [88, "bpf_map_pop_elem", "mapPopElem", "ii", "s32"],
  [89, "bpf_map_peek_elem", "mapPeekElem", "ii", "s32"],
  [93, "bpf_spin_lock", "spinLock", "i", "none"],
  [94, "bpf_spin_unlock", "spinUnlock", "i", "none"],
  [105, "bpf_strtol", "strtol", "iili", "s32"],
  [106, "bpf_strtoul", "strtoul", "iili", "s32"],
  [118, "bpf_jiffies64", "jiffies64", "", "i64"],
  [125, "bpf_ktime_get_boot_ns", "ktimeGetBootNs", "", "i64"],
  [130, "bpf_ringbuf_output", "ringbufOutput", "iill", "s32"],
  [131, "bpf_ringbuf_reserve", "ringbufReserve", "ill", "u32"],
  [132, "bpf_ringbuf_submit", "ringbufSubmit", "il", "none"],
  [133, "bpf_ringbuf_discard", "ringbufDiscard", "il", "none"],
  [134, "bpf_ringbuf_query", "ringbufQuery", "il", "i64"],
  [160, "bpf_ktime_get_coarse_ns", "ktimeGetCoarseNs", "", "i64"],
  [169, "bpf_timer_init", "timerInit", "iil", "s32"],
  [170, "bpf_timer_set_callback", "timerSetCallback", "ii", "s32"],
  [171, "bpf_timer_start", "timerStart", "ill", "s32"],
  [172, "bpf_timer_cancel", "timerCancel", "i", "s32"],
  [182, "bpf_strncmp", "strncmp", "iii", "s32"],
  [195, "bpf_map_lookup_percpu_elem", "mapLookupPercpuElem", "iii", "u32"],
  [197, "bpf_dynptr_from_mem", "dynptrFromMem", "iili", "s32"],
  [198, "bpf_ringbuf_reserve_dynptr", "ringbufReserveDynptr", "iili", "s32"],
  [199, "bpf_ringbuf_submit_dynptr", "ringbufSubmitDynptr", "il", "none"],
  [200, "bpf_ringbuf_discard_dynptr", "ringbufDiscardDynptr", "il", "none"],
  [201, "bpf_dynptr_read", "dynptrRead", "iiiil", "s32"],
  [202, "bpf_dynptr_write", "dynptrWrite", "iiiil", "s32"],
  [203, "bpf_dynptr_data", "dynptrData", "iii", "u32"],
  [208, "bpf_ktime_get_tai_ns", "ktimeGetTaiNs", "", "i64"],
];

/** Helpers that call back: r2 is a function table slot. */
const callbacks: ReadonlyMap<number, HelperSpec> = new Map(
  [
    ...helperTable([
      [164, "bpf_for_each_map_elem", "forEachMapElem", "iill", "s32"],
      [181, "bpf_loop", "loop", "iill", "s32"],
    ]),
  ].map(([id, helper]) => [id, { ...helper, callback: true }]),
);

export const generalHelpers: ReadonlyMap<number, HelperSpec> = helperTable(rows, callbacks, coldHelperSpecs);
