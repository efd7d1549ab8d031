import { array, bytes, defineStruct, u8, u16, u32, u64 } from "./struct.ts";

/**
 * A flow in one direction. struct nf_conntrack_tuple of Linux 6.18: addresses and ports in network byte order, an IPv4 address in the first four bytes. Two tuples are
 * the same when all but `dir` is.
 */
export const ConntrackTuple = defineStruct(
  "nf_conntrack_tuple",
  {
    src: bytes(16, 4),
    src_port: u16,
    /** AF_INET or AF_INET6. */
    l3num: u16,
    dst: bytes(16, 4),
    dst_port: u16,
    protonum: u8,
    /** IP_CT_DIR_* */
    dir: u8,
  },
  { src_port: 16, dst: 20, dst_port: 36, protonum: 38, dir: 39, size: 40 },
);

/**
 * A tracked connection as programs read it through BTF, in the layout of Linux 6.18's struct nf_conn. It stands in the programs' zone, because they may write `mark`.
 * Pointers in it are NULL.
 */
export const Connection = defineStruct(
  "nf_conn",
  {
    /** References: the table's, and one for each program that holds it. */
    use: u32,
    lock: u32,
    /** Jiffies at which it expires; before it is inserted, how many it will have. */
    timeout: u32,
    zone_id: u16,
    zone_flags: u8,
    /** Directions in which the zone's id counts, a bit each. */
    zone_dir: u8,
    original_node: array(u64, 2),
    original: bytes(ConntrackTuple.size, 4),
    reply_node: array(u64, 2),
    reply: bytes(ConntrackTuple.size, 4),
    /** IPS_* */
    status: u64,
    net: u64,
    nat_node: array(u64, 2),
    master: u64,
    mark: u32,
    secmark: u32,
    extensions: u64,
    /** union nf_conntrack_proto; of a TCP connection struct ip_ct_tcp. */
    proto: bytes(64, 8),
  },
  { timeout: 8, zone_id: 12, original: 32, reply: 88, status: 128, master: 160, mark: 168, extensions: 176, proto: 184, size: 248 },
);

/** From one Connection to the next. */
export const CONNECTION_STRIDE = 256;
/** Byte of `proto` that holds a TCP connection's state: struct ip_ct_tcp. */
export const CT_PROTO_TCP_STATE = 40;

/** What the engine keeps of a Connection, where no program can write. */
export const ConnectionSlot = defineStruct("connection_slot", {
  /** CONNECTION_*; free ones are chained through `next`. */
  state: u32,
  references: u32,
  /** Links of the two directions: number of the next ConnectionSlot * 2 + direction, plus 1; 0 ends a chain. And the buckets they hang in. */
  next: array(u32, 2),
  bucket: array(u32, 2),
});

export const CONNECTION_FREE = 0;
/** Allocated, and known to one program only. */
export const CONNECTION_NEW = 1;
export const CONNECTION_INSERTED = 2;
/** Out of the table; somebody still holds it. */
export const CONNECTION_REMOVED = 3;

/** Connections that one CPU can hold and a trap still gives back. */
export const CONNECTION_HOLDS = 31;

/** What the table keeps for one CPU, and only that CPU writes: the connections that its programs hold, and the tuple that it looks up. */
export const ConnectionHolds = defineStruct("connection_holds", {
  count: u32,
  held: array(u32, CONNECTION_HOLDS),
  tuple: bytes(ConntrackTuple.size, 4),
});

/**
 * The conntrack table of the namespace. All CPUs share it: whoever reads or changes a chain, a state, a reference count or the free list holds `lock`, for the length of
 * a chain at most. What programs see of a Connection changes under the lock too, except timeout and status, which whoever holds a reference stores with one atomic
 * operation, and the mark, which programs write as they like. A Connection that is out of the table stays as it is until the last reference is gone.
 */
export const ConntrackTable = defineStruct("conntrack_table", {
  /** Lock word of a map (runtime/lock.as.ts). */
  lock: u32,
  /** Chains by tuple: `bucket_mask` + 1 words, a power of two. */
  buckets: u32,
  bucket_mask: u32,
  /** `capacity` ConnectionSlots, and as many Connections, CONNECTION_STRIDE apart. */
  slots: u32,
  connections: u32,
  /** net.netfilter.nf_conntrack_max */
  capacity: u32,
  /** Connections in use, in the table or not. */
  count: u32,
  /** Slots from here on have never been used. */
  fresh: u32,
  /** Number of the first free slot plus 1; 0 for none. */
  free: u32,
  /** Jiffies of the last search for expired connections that a full table made. */
  swept: u32,
  /** ConnectionHolds by CpuBlock.slot. */
  holds: u32,
});

export const IP_CT_DIR_ORIGINAL = 0;
export const IP_CT_DIR_REPLY = 1;
/** Both directions. include/net/netfilter/nf_conntrack_zones.h: NF_CT_DEFAULT_ZONE_DIR. */
export const NF_CT_DEFAULT_ZONE_DIR = 3;
export const NF_NAT_MANIP_SRC = 0;

/** enum ip_conntrack_status. include/uapi/linux/netfilter/nf_conntrack_common.h. */
export const IPS_EXPECTED = 1;
export const IPS_SEEN_REPLY = 2;
export const IPS_ASSURED = 4;
export const IPS_CONFIRMED = 8;
export const IPS_SRC_NAT = 16;
export const IPS_DST_NAT = 32;
export const IPS_SRC_NAT_DONE = 128;
export const IPS_DST_NAT_DONE = 256;
export const IPS_DYING = 512;
export const IPS_FIXED_TIMEOUT = 1024;
export const IPS_OFFLOAD = 16384;
export const IPS_UNCHANGEABLE_MASK = 56313;
/** Bits of the status. */
export const IPS_MAX_BIT = 16;

/** struct bpf_ct_opts: what a program asks for, and what it is told. The short form ends before ct_zone_dir. */
export const ConntrackOptions = defineStruct(
  "bpf_ct_opts",
  { netns_id: u32, error: u32, l4proto: u8, dir: u8, ct_zone_id: u16, ct_zone_dir: u8, reserved: bytes(3) },
  { error: 4, l4proto: 8, ct_zone_id: 10, ct_zone_dir: 12, reserved: 13, size: 16 },
);
export const CONNTRACK_OPTIONS_SHORT = 12;
