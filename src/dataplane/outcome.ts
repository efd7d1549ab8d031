/** What became of a packet in the end. */
export type Fate = "stack" | "tx" | "redirect" | "drop" | "aborted" | "xsk" | "consumed" | "forwarded";

/** A program that saw the packet. `hook`: xdp, devmap, cpumap, tcx/ingress, clsact/ingress, clsact/egress, … */
export interface OutcomeStep {
  readonly hook: string;
  /** native or generic at hook xdp; null elsewhere. */
  readonly mode: "native" | "generic" | null;
  readonly program: string;
  /** XDP_PASS, TC_ACT_OK, …, or the number where it has no name. */
  readonly verdict: string;
}

/** What became of one packet. Every key is always present; null where it does not apply. One line of JSONL. */
export interface Outcome {
  /** From 1, in the order of the capture; clones are "1.1", "1.2". */
  readonly id: number | string;
  /** Seconds since 1970 with nine decimals, or null for a packet without a time. */
  readonly ts: string | null;
  readonly dev: string;
  readonly queue: number;
  readonly cpu: number;
  readonly len: number;
  readonly steps: readonly OutcomeStep[];
  readonly fate: Fate;
  /** Device, CPU or socket that the packet went to. */
  readonly to: string | null;
  /** How Linux names a loss: `xdp_redirect_err:-95`, `rx_length_errors`, `tc_shot`; null for none. */
  readonly reason: string | null;
  readonly out_len: number | null;
}
