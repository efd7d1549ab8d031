/**
 * kfuncs that mark sections of a program in which the kernel may not do something: read-copy-update, preemption, interrupts. A program on a simulated CPU is never
 * interrupted, so there is nothing to hold back. kernel/bpf/helpers.c.
 */

/** bpf_rcu_read_lock, bpf_rcu_read_unlock, bpf_preempt_disable, bpf_preempt_enable */
export function noSection(): void {}

/** X86_EFLAGS_IF with the bit that is always set: what a kernel thread has in its flags while interrupts are on. */
const INTERRUPTS_ON: u64 = 0x202;

/** bpf_local_irq_save: the flags word on the program's stack remembers that interrupts were on. */
export function localIrqSave(flags: u32): void {
  store<u64>(flags, INTERRUPTS_ON);
}

/** bpf_local_irq_restore */
export function localIrqRestore(flags: u32): void {
  store<u64>(flags, 0);
}
