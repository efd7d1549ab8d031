import type { RateAction } from "../../../src/lab/findRate/programs.ts";

/** A figure of the XDP paper, or of its benchmark notes (github.com/tohojo/xdp-paper, bench01_baseline.org, bench02_xdp_drop.org, bench05_xdp_redirect.org). */
export interface MeasuredCell {
  readonly action: RateAction;
  readonly ring: number;
  readonly queues: number;
  /** Packets a second, millions. */
  readonly measured: number;
  /** What of the profile was set by this cell. */
  readonly fits?: string;
}

const row = (action: RateAction, ring: number, measured: readonly number[], fits: Readonly<Record<number, string>> = {}): MeasuredCell[] =>
  measured.map((rate, index) => {
    const queues = index + 1;
    const constant = fits[queues];
    return { action, ring, queues, measured: rate, ...(constant === undefined ? {} : { fits: constant }) };
  });

/** Packets dropped without a look at them; the paper's notes do not say the ring's size, which makes no difference then. */
export const drops: readonly MeasuredCell[] = [
  { action: "drop", ring: 1024, queues: 1, measured: 25.58, fits: "receive" },
  { action: "drop", ring: 1024, queues: 6, measured: 86.3 },
];

export const redirects: readonly MeasuredCell[] = [
  ...row("redirect", 1024, [8.65, 15.98, 19.22, 21.54, 25.46, 29.83], { 6: "miss" }),
  ...row("redirect", 512, [8.67, 16.63, 25.23, 28.81, 31.31, 33.97]),
  ...row("redirect", 256, [8.64, 16.74, 25.74, 34.19, 41.46, 46.06], { 1: "redirect" }),
  ...row("redirect", 128, [7.58, 14.27, 22.09, 29.51, 36.65, 43.38], { 1: "poll" }),
];

/** What the paper says of XDP_TX is that it meets the limit of PCI Express at 70 Mpps; its notes have the cells. */
export const transmits: readonly MeasuredCell[] = [
  ...row("tx", 1024, [16.23, 31.23, 32.34, 32.6, 37.49, 43.23]),
  ...row("tx", 512, [17.01, 33.93, 45.52, 50.98, 50.62, 52.32]),
  ...row("tx", 256, [16.9, 34.85, 51.88, 68.95, 70.16, 68.74], { 1: "transmit" }),
];

/** XDP_PASS into the drop of iptables' raw table. */
export const passes: readonly MeasuredCell[] = [{ action: "pass", ring: 1024, queues: 1, measured: 4.55, fits: "pass" }];
