import { FATE_COUNT } from "./outcome.ts";
import { array, defineStruct, type FieldType, type Struct, u64 } from "./struct.ts";

export interface CounterRow {
  readonly unit: "packets" | "bytes";
  readonly help: string;
}

/** Counters of one subject: their rows, and the struct of 64-bit words that holds them, in the order of the rows. */
export interface Counters<Name extends string> {
  readonly rows: Readonly<Record<Name, CounterRow>>;
  readonly names: readonly Name[];
  readonly struct: Struct<Name>;
}

/** Declares counters, once: memory slot, JSON key and manual entry follow from the row. */
export function defineCounters<const Rows extends Record<string, CounterRow>>(name: string, rows: Rows): Counters<keyof Rows & string> {
  const names = Object.keys(rows) as (keyof Rows & string)[];
  const fields = Object.fromEntries(names.map((key) => [key, u64])) as Record<keyof Rows & string, FieldType>;
  return { rows, names, struct: defineStruct(name, fields) as Struct<keyof Rows & string> };
}

/** What a receive queue counts. `ethtool -S` shows the device's sums under these names. */
export const queueCounters = defineCounters("queue_counters", {
  rx_packets: { unit: "packets", help: "Frames received." },
  rx_bytes: { unit: "bytes", help: "Bytes received, Ethernet header included." },
  rx_length_errors: { unit: "packets", help: "Frames dropped by the NIC: longer than the MTU allows, or shorter than an Ethernet header." },
  rx_out_of_buffer: { unit: "packets", help: "Timing: frames lost because no buffer of the receive ring was free." },
  rx_discards_phy: { unit: "packets", help: "Timing: frames lost in the NIC because PCI Express did not take them in time." },
  xdp_pass: { unit: "packets", help: "Frames whose native XDP program returned XDP_PASS." },
  xdp_drop: { unit: "packets", help: "Frames whose native XDP program returned XDP_DROP." },
  xdp_tx: { unit: "packets", help: "Frames whose native XDP program returned XDP_TX." },
  xdp_redirect: { unit: "packets", help: "Frames whose native XDP program redirected them successfully." },
  xdp_redirect_err: { unit: "packets", help: "Frames lost because a native redirect failed." },
  xdp_exception: { unit: "packets", help: "Frames lost to XDP_ABORTED, an unknown action, or a program that was stopped." },
});

/** What a device counts besides its queues. */
export const deviceCounters = defineCounters("device_counters", {
  tx_packets: { unit: "packets", help: "Frames transmitted, from wherever they came." },
  tx_bytes: { unit: "bytes", help: "Bytes transmitted, Ethernet header included." },
  tx_xdp_xmit: { unit: "packets", help: "Frames transmitted that a native redirect brought." },
  tx_dropped: { unit: "packets", help: "Frames lost at transmission because the device is down." },
});

/** What a veth device counts, as drivers/net/veth.c and the core keep it; rtnl_link_stats64 and `ethtool -S` are made of these (nic/vethStatistics.ts). */
export const vethCounters = defineCounters("veth_counters", {
  tx_packets: { unit: "packets", help: "skbs handed to the peer's backlog." },
  tx_bytes: { unit: "bytes", help: "Their bytes, Ethernet header included." },
  rx_packets: { unit: "packets", help: "skbs that bpf_redirect_peer brought." },
  rx_bytes: { unit: "bytes", help: "Their bytes, without Ethernet header." },
  dropped: { unit: "packets", help: "skbs that the peer did not take." },
  xdp_packets: { unit: "packets", help: "Frames taken from the receive ring." },
  xdp_bytes: { unit: "bytes", help: "Their bytes; those of skbs without Ethernet header." },
  rx_drops: { unit: "packets", help: "Frames lost in the receive ring's poll: failed XDP_TX and redirects." },
  xdp_redirect: { unit: "packets", help: "Frames that the native program redirected successfully." },
  xdp_drops: { unit: "packets", help: "Frames that the native program dropped or aborted." },
  xdp_tx: { unit: "packets", help: "XDP_TX frames that the peer took." },
  xdp_tx_err: { unit: "packets", help: "XDP_TX frames that the peer did not take." },
  xdp_xmit: { unit: "packets", help: "Redirected frames that the peer took." },
  xdp_xmit_err: { unit: "packets", help: "Redirected frames that the peer had no room for, or that were too long for it." },
  core_rx_dropped: { unit: "packets", help: "Frames that nobody took, or that came while the device was down." },
  core_tx_dropped: { unit: "packets", help: "Frames sent while the device was down, or nested too deep." },
  core_rx_otherhost_dropped: { unit: "packets", help: "IP packets for other hosts." },
});

/** Offsets for the runtime. */
export const VethCounters = vethCounters.struct;
export const QueueCounters = queueCounters.struct;
export const DeviceCounters = deviceCounters.struct;

/** What one CPU counts of one receive queue: its counters, then the packets of the queue that ended on this CPU, by fate. */
export const QueueTally = defineStruct(
  "queue_tally",
  { counters: array(u64, QueueCounters.size / 8), fates: array(u64, FATE_COUNT) },
  { counters: 0 },
);

/** Entries of a CPU's tables of outcomes and verdicts, a power of two. */
export const TALLY_ENTRIES = 1024;
/** Further slots that a key may take when its own is taken; then the last entry of the table counts it as one of many. */
export const TALLY_PROBES = 64;

/**
 * One line of a CPU's summary, keyed by what the packets have in common. Outcomes: fate | reason << 8 | detail (low 16 bits) << 16, and `to`. Verdicts: the first word
 * of an OutcomeStep, and the verdict. An entry with `packets` 0 is free.
 */
export const TallyEntry = defineStruct("tally_entry", { key: u64, packets: u64, bytes: u64, reserved: u64 }, { size: 32 });
