import { type KfuncRow, type KfuncSpec, kfuncTable } from "../bpf/spec.ts";

/** kfuncs that all networking program types share. Names and parameters: the kernel's own type information. */
const rows: readonly KfuncRow[] = [
  ["bpf_dynptr_adjust", "dynptrAdjust", "iii", "u32"],
  ["bpf_dynptr_clone", "dynptrClone", "ii", "u32"],
  ["bpf_dynptr_copy", "dynptrCopy", "iiiii", "u32"],
  ["bpf_dynptr_is_null", "dynptrIsNull", "i", "u32"],
  ["bpf_dynptr_is_rdonly", "dynptrIsRdonly", "i", "u32"],
  ["bpf_dynptr_memset", "dynptrMemset", "iiii", "u32"],
  ["bpf_dynptr_size", "dynptrSize", "i", "u32"],
  ["bpf_dynptr_slice", "dynptrSlice", "iiii", "u32"],
  ["bpf_dynptr_slice_rdwr", "dynptrSliceRdwr", "iiii", "u32"],
  ["bpf_iter_bits_destroy", "iterBitsDestroy", "i", "none"],
  ["bpf_iter_bits_new", "iterBitsNew", "ili", "u32"],
  ["bpf_iter_bits_next", "iterBitsNext", "i", "u32"],
  ["bpf_iter_num_destroy", "iterNumDestroy", "i", "none"],
  ["bpf_iter_num_new", "iterNumNew", "iii", "u32"],
  ["bpf_iter_num_next", "iterNumNext", "i", "u32"],
  ["bpf_local_irq_restore", "localIrqRestore", "i", "none"],
  ["bpf_local_irq_save", "localIrqSave", "i", "none"],
  ["bpf_preempt_disable", "noSection", "", "none"],
  ["bpf_preempt_enable", "noSection", "", "none"],
  ["bpf_rcu_read_lock", "noSection", "", "none"],
  ["bpf_rcu_read_unlock", "noSection", "", "none"],
  ["bpf_strcasecmp", "bpfStrcasecmp", "ll", "u32"],
  ["bpf_strchr", "bpfStrchr", "li", "u32"],
  ["bpf_strchrnul", "bpfStrchrnul", "li", "u32"],
  ["bpf_strcmp", "bpfStrcmp", "ll", "u32"],
  ["bpf_strcspn", "bpfStrcspn", "ll", "u32"],
  ["bpf_strlen", "bpfStrlen", "l", "u32"],
  ["bpf_strnchr", "bpfStrnchr", "lli", "u32"],
  ["bpf_strnlen", "bpfStrnlen", "ll", "u32"],
  ["bpf_strnstr", "bpfStrnstr", "lll", "u32"],
  ["bpf_strrchr", "bpfStrrchr", "li", "u32"],
  ["bpf_strspn", "bpfStrspn", "ll", "u32"],
  ["bpf_strstr", "bpfStrstr", "ll", "u32"],
  ["bpf_wq_init", "wqInit", "iii", "u32"],
  ["bpf_wq_set_callback_impl", "wqSetCallback", "iii", "u32"],
  ["bpf_wq_start", "wqStart", "ii", "u32"],
];

/** The engines end the run themselves: no function of the runtime is called. */
const bpfThrow: KfuncSpec = { name: "bpf_throw", call: { entry: "noSection", parameters: [], result: "none" }, throws: true };

export const generalKfuncs = kfuncTable(rows, [bpfThrow]);
