import { type HelperRow, type HelperSpec, helperTable } from "../bpf/spec.ts";

/** Helpers that all networking program types share. Names and numbers: include/uapi/linux/bpf.h. */
const rows: readonly HelperRow[] = [
  [1, "bpf_map_lookup_elem", "mapLookupElem", "ii", "u32"],
  [2, "bpf_map_update_elem", "mapUpdateElem", "iiil", "s32"],
  [3, "bpf_map_delete_elem", "mapDeleteElem", "ii", "s32"],
  [5, "bpf_ktime_get_ns", "ktimeGetNs", "", "i64"],
  [7, "bpf_get_prandom_u32", "getPrandomU32", "", "u32"],
  [8, "bpf_get_smp_processor_id", "getSmpProcessorId", "", "u32"],
  [42, "bpf_get_numa_node_id", "getNumaNodeId", "", "u32"],
  [93, "bpf_spin_lock", "spinLock", "i", "none"],
  [94, "bpf_spin_unlock", "spinUnlock", "i", "none"],
  [118, "bpf_jiffies64", "jiffies64", "", "i64"],
  [125, "bpf_ktime_get_boot_ns", "ktimeGetBootNs", "", "i64"],
  [160, "bpf_ktime_get_coarse_ns", "ktimeGetCoarseNs", "", "i64"],
  [197, "bpf_dynptr_from_mem", "dynptrFromMem", "iili", "s32"],
  [201, "bpf_dynptr_read", "dynptrRead", "iiiil", "s32"],
  [202, "bpf_dynptr_write", "dynptrWrite", "iiiil", "s32"],
  [203, "bpf_dynptr_data", "dynptrData", "iii", "u32"],
  [208, "bpf_ktime_get_tai_ns", "ktimeGetTaiNs", "", "i64"],
];

export const generalHelpers: ReadonlyMap<number, HelperSpec> = helperTable(rows);
