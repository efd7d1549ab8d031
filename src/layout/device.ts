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
export const TcChain = defineStruct("tc_chain", {
  count: u32,
  entries: array(u32, CHAIN_LIMIT),
  /** For each entry the address of its TcFilter; 0 for tcx, and for a direct-action filter of class 0. */
  filters: array(u32, CHAIN_LIMIT),
});

/** What a cls_bpf filter has beside its program. net/sched/cls_bpf.c, net/sched/act_mirred.c. */
export const TcFilter = defineStruct("tc_filter", {
  /** 1: the program's return value is the verdict (direct-action); 0: it is a class, and the action decides. */
  direct: u32,
  classid: u32,
  /** The mirred action: TCA_EGRESS_REDIR and the like, 0 for none; NetDevice that it sends to; the verdict that it gives. */
  mirred: u32,
  device: u32,
  verdict: u32,
});

/** What a mirred action does. include/uapi/linux/tc_act/tc_mirred.h. */
export const TCA_EGRESS_REDIR = 1;
export const TCA_EGRESS_MIRROR = 2;
export const TCA_INGRESS_REDIR = 3;
export const TCA_INGRESS_MIRROR = 4;
/** Mirred actions that may be nested. net/sched/act_mirred.c. */
export const MIRRED_NEST_LIMIT = 4;

/** EtherTypes that packet sockets may be bound to on one device. */
export const PACKET_SOCKETS = 8;

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
    /** 1: GRO was asked for (`ethtool -K gro on`). */
    gro: u32,
    /** 1: a packet socket for all protocols (ETH_P_ALL) is bound to it. */
    tapped: u32,
    /** 1: tags in skb metadata go out as they are (tx-vlan-offload). */
    vlan_offload: u32,
    /** Where the next piece of its page pool begins in the current page; PAGE_SIZE: a new page is needed. */
    pool_offset: u32,
    /** EtherTypes, in network order, that packet sockets are bound to on it; how many. */
    socket_count: u32,
    sockets: array(u16, PACKET_SOCKETS),
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
