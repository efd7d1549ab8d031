/** What BPF_PROG_TEST_RUN is given: include/uapi/linux/bpf.h, union bpf_attr.test. repeat is 1, and no flag is set. */
export interface TestRunInput {
  /** data_in */
  readonly data: Uint8Array;
  /**
   * ctx_in by field names of struct xdp_md or struct __sk_buff, cb[] as cb0 to cb4; fields not named are 0. Numbers, or digits where 64 bits need them. Absent: no ctx_in.
   */
  readonly context?: Readonly<Record<string, number | string>>;
  /** data_size_out: a longer result is refused with ENOSPC. */
  readonly dataSizeOut: number;
}

/** What came of it: an errno, or return value, data and context. */
export type TestRunOutput =
  | { readonly errno: number }
  | {
      /** Low 32 bits of r0, unsigned. */
      readonly retval: number;
      readonly out: Uint8Array;
      /** ctx_out by field names; 64-bit fields as bigints. */
      readonly context: Readonly<Record<string, number | bigint>>;
    };

/** Runs the loaded program on a context at this address and gives r0. Traps come through as exceptions. */
export type RunProgram = (context: number) => bigint;

/** A page of the kernel's memory: a test run's buffer is one. */
export const PAGE_SIZE = 4096;
