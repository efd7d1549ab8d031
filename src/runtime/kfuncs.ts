import { type KfuncRow, type KfuncSpec, kfuncTable } from "../bpf/spec.ts";

/** kfuncs that all networking program types share. Names and parameters: the kernel's own type information. */
const rows: readonly KfuncRow[] = [
  ["bpf_dynptr_adjust", "dynptrAdjust", "wii", "u32"],
  ["bpf_dynptr_clone", "dynptrClone", "ww", "u32"],
  ["bpf_dynptr_copy", "dynptrCopy", "wiwii", "u32"],
  ["bpf_dynptr_is_null", "dynptrIsNull", "w", "u32"],
  ["bpf_dynptr_is_rdonly", "dynptrIsRdonly", "w", "u32"],
  ["bpf_dynptr_memset", "dynptrMemset", "wiii", "u32"],
  ["bpf_dynptr_size", "dynptrSize", "w", "u32"],
  ["bpf_dynptr_slice", "dynptrSlice", "wioi", "u32"],
  ["bpf_dynptr_slice_rdwr", "dynptrSliceRdwr", "wioi", "u32"],
  ["bpf_get_kmem_cache", "findNothing", "", "u32"],
  ["bpf_iter_bits_destroy", "iterBitsDestroy", "w", "none"],
  ["bpf_iter_bits_new", "iterBitsNew", "wli", "u32"],
  ["bpf_iter_bits_next", "iterBitsNext", "w", "u32"],
  ["bpf_iter_num_destroy", "iterNumDestroy", "w", "none"],
  ["bpf_iter_num_new", "iterNumNew", "wii", "u32"],
  ["bpf_iter_num_next", "iterNumNext", "w", "u32"],
  ["bpf_local_irq_restore", "localIrqRestore", "w", "none"],
  ["bpf_local_irq_save", "localIrqSave", "w", "none"],
  ["bpf_preempt_disable", "noSection", "", "none"],
  ["bpf_preempt_enable", "noSection", "", "none"],
  ["bpf_rcu_read_lock", "noSection", "", "none"],
  ["bpf_rcu_read_unlock", "noSection", "", "none"],
  ["bpf_res_spin_lock", "resSpinLock", "w", "u32"],
  ["bpf_res_spin_lock_irqsave", "resSpinLockIrqsave", "ww", "u32"],
  ["bpf_res_spin_unlock", "resSpinUnlock", "w", "none"],
  ["bpf_res_spin_unlock_irqrestore", "resSpinUnlockIrqrestore", "ww", "none"],
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
  ["bpf_task_from_pid", "findNothing", "", "u32"],
  ["bpf_task_from_vpid", "findNothing", "", "u32"],
  ["bpf_wq_init", "wqInit", "wmi", "u32"],
  ["bpf_wq_set_callback_impl", "wqSetCallback", "wii", "u32"],
  ["bpf_wq_start", "wqStart", "wi", "u32"],
];

/** The engines end the run themselves: no function of the runtime is called. */
const bpfThrow: KfuncSpec = { name: "bpf_throw", call: { entry: "noSection", parameters: [], result: "none" }, throws: true };

export const generalKfuncs = kfuncTable(rows, [bpfThrow]);
