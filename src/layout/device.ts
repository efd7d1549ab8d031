import { NetDevice } from "./network.ts";
import { array, bytes, defineStruct, u16, u32 } from "./struct.ts";

/** Entries of an RSS indirection table. Microsoft's RSS specification allows up to 128, and drivers of that size keep to it. */
export const INDIRECTION_ENTRIES = 128;
/** Bytes of the RSS key: 40 serve the longest tuple, two IPv6 addresses and two ports. */
export const RSS_KEY_SIZE = 40;
/** Programs that one hook of a device takes. */
export const CHAIN_LIMIT = 16;
/** Marks an entry of a TcChain as tcx; without it the entry is a direct-action cls_bpf filter. The rest is the program's table index. */
export const CHAIN_TCX = 0x80000000;

/** The programs at one TC hook of a device, in the order in which they run: tcx before clsact, then by priority. */
export const TcChain = defineStruct("tc_chain", { count: u32, entries: array(u32, CHAIN_LIMIT) });

/**
 * A simulated device: the kernel's view of it first, then what the NIC needs. Written by the main thread while no worker runs; queues refer to it by
 * address, outcomes by `index`.
 */
export const Device = defineStruct(
  "device",
  {
    net: bytes(NetDevice.size, 4),
    /** Its place among the machine's devices, from 0. */
    index: u32,
    /** Table index of the native and of the generic XDP program; 0 for none. At most one of them is set. */
    xdp: u32,
    generic: u32,
    ingress: bytes(TcChain.size, 4),
    egress: bytes(TcChain.size, 4),
    /** Number of its queue 0 among the queues of all devices. */
    first_queue: u32,
    queue_count: u32,
    /** 1: the driver takes frames redirected to it (ndo_xdp_xmit). */
    takes_redirects: u32,
    /** Toeplitz tables for its key (nic/toeplitz.ts), and the queue of each value of the hash's low bits. */
    toeplitz: u32,
    indirection: array(u16, INDIRECTION_ENTRIES),
  },
  { net: 0 },
);

/** A receive queue. The array of these holds the queues of all devices, in order of devices. */
export const RxQueue = defineStruct("rx_queue", {
  /** Address of its Device. */
  device: u32,
  /** Number within the device: rx_queue_index. */
  index: u32,
  /** Number of the simulated CPU that polls it. */
  cpu: u32,
  reserved: u32,
});
