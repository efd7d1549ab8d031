/**
 * What programs have cost on this worker so far, in picoseconds: programs that were compiled with prices (bpf/verifier/prices.ts) add to it block by block. Whoever wants to know
 * what a run cost compares before and after.
 */
export let spent: i64 = 0;

/** 1 once a program has got hold of the packet's bytes. Whoever wants to know clears it before. */
export let touched: i32 = 0;

export function clearTouched(): void {
  touched = 0;
}
