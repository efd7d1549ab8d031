import { defineStruct, i64, u16, u32, u64 } from "./struct.ts";

/** Bits of `PacketDescriptor.flags`. */
/** The capture says the packet came in (epb_flags, Linux cooked types 0 to 3). */
export const PACKET_FLAG_INBOUND = 1;
/** The capture says the packet went out (epb_flags, Linux cooked type 4). */
export const PACKET_FLAG_OUTBOUND = 2;
/** Fewer bytes were captured than were on the wire (caplen < length). */
export const PACKET_FLAG_SNAPPED = 4;
/** The record has no time (simple packet block); `ts_ns` repeats that of the packet before, 0 for the first. */
export const PACKET_FLAG_NO_TIME = 8;
/** The time does not fit a signed 64-bit count of nanoseconds; `ts_ns` is the nearest that does. */
export const PACKET_FLAG_TIME_CLAMPED = 16;
/** The capture had another link type; the Ethernet header at `address` was made by xdplane. */
export const PACKET_FLAG_MADE_ETHERNET = 32;
/** The record carries options (pcapng) that this descriptor does not show. */
export const PACKET_FLAG_HAS_OPTIONS = 64;

/**
 * One packet of a source, while it is on its way to a receive queue. An array of these is the batch that the capture walker fills (packet/capture.as.ts) and steering
 * completes: the walker writes every field but `hash` and `queue`, which it leaves at 0. The bytes at `address` stay where they are until the source reuses
 * that window (packet/source.ts).
 */
export const PacketDescriptor = defineStruct(
  "packet_descriptor",
  {
    /** Address of the first byte of the link-layer header in the memory; no alignment. */
    address: u32,
    /** Bytes that stand there. */
    caplen: u32,
    /** Bytes on the wire, as the capture has it. Less than caplen in damaged captures: trust caplen for access. */
    length: u32,
    /** PACKET_FLAG_* */
    flags: u32,
    /** Nanoseconds since 1970, signed. */
    ts_ns: i64,
    /** Number of the packet in its run, from 1; goes on when a capture is repeated. */
    id: u64,
    /** Index into the source's interfaces, over all sections of a file. */
    interface: u32,
    /** Address of the record or block the packet came from. */
    record: u32,
    /** Steering: the RSS hash, and the queue (rx_queue_index) it leads to. */
    hash: u32,
    queue: u16,
    reserved: u16,
  },
  // The walker writes neighbours in pairs, as 64-bit words.
  { address: 0, caplen: 4, length: 8, flags: 12, ts_ns: 16, id: 24, interface: 32, record: 36, hash: 40, queue: 44, size: 48 },
);

/**
 * A filter in front of steering: packets that it returns 0 for are left out, as a packet socket's filter does. Set up by TypeScript; only the main thread runs it
 * (dataplane/filter.as.ts).
 */
export const FilterState = defineStruct("filter_state", {
  /** Table slot of the filter, and the SkBuff that it sees. */
  program: u32,
  skb: u32,
  /** NetDevices by capture interface, and how many interfaces there are; the entry behind them is for all others. */
  interfaces: u32,
  interface_count: u32,
  /** What was left out so far. */
  packets: u64,
  bytes: u64,
});
