/**
 * Numbers of the kernel's user-space interface, in the kernel's spelling. Unless said otherwise: include/uapi/linux/bpf.h of Linux 6.18.
 * Everything exported here is also a constant of the AssemblyScript runtime (scripts/layout.mjs writes it out).
 */

/** enum bpf_map_type. */
export const BPF_MAP_TYPE_HASH = 1;
export const BPF_MAP_TYPE_ARRAY = 2;
export const BPF_MAP_TYPE_PROG_ARRAY = 3;
export const BPF_MAP_TYPE_PERF_EVENT_ARRAY = 4;
export const BPF_MAP_TYPE_PERCPU_HASH = 5;
export const BPF_MAP_TYPE_PERCPU_ARRAY = 6;
export const BPF_MAP_TYPE_STACK_TRACE = 7;
export const BPF_MAP_TYPE_CGROUP_ARRAY = 8;
export const BPF_MAP_TYPE_LRU_HASH = 9;
export const BPF_MAP_TYPE_LRU_PERCPU_HASH = 10;
export const BPF_MAP_TYPE_LPM_TRIE = 11;
export const BPF_MAP_TYPE_ARRAY_OF_MAPS = 12;
export const BPF_MAP_TYPE_HASH_OF_MAPS = 13;
export const BPF_MAP_TYPE_DEVMAP = 14;
export const BPF_MAP_TYPE_SOCKMAP = 15;
export const BPF_MAP_TYPE_CPUMAP = 16;
export const BPF_MAP_TYPE_XSKMAP = 17;
export const BPF_MAP_TYPE_SOCKHASH = 18;
export const BPF_MAP_TYPE_CGROUP_STORAGE = 19;
export const BPF_MAP_TYPE_REUSEPORT_SOCKARRAY = 20;
export const BPF_MAP_TYPE_PERCPU_CGROUP_STORAGE = 21;
export const BPF_MAP_TYPE_QUEUE = 22;
export const BPF_MAP_TYPE_STACK = 23;
export const BPF_MAP_TYPE_SK_STORAGE = 24;
export const BPF_MAP_TYPE_DEVMAP_HASH = 25;
export const BPF_MAP_TYPE_STRUCT_OPS = 26;
export const BPF_MAP_TYPE_RINGBUF = 27;
export const BPF_MAP_TYPE_INODE_STORAGE = 28;
export const BPF_MAP_TYPE_TASK_STORAGE = 29;
export const BPF_MAP_TYPE_BLOOM_FILTER = 30;
export const BPF_MAP_TYPE_USER_RINGBUF = 31;
export const BPF_MAP_TYPE_CGRP_STORAGE = 32;
export const BPF_MAP_TYPE_ARENA = 33;

/** Flags of bpf_map_update_elem. */
export const BPF_ANY = 0;
export const BPF_NOEXIST = 1;
export const BPF_EXIST = 2;
export const BPF_F_LOCK = 4;

/** map_flags. */
export const BPF_F_NO_PREALLOC = 1;
export const BPF_F_NO_COMMON_LRU = 2;
export const BPF_F_NUMA_NODE = 4;
export const BPF_F_RDONLY = 8;
export const BPF_F_WRONLY = 16;
export const BPF_F_RDONLY_PROG = 128;
export const BPF_F_WRONLY_PROG = 256;
export const BPF_F_CLONE = 512;
export const BPF_F_MMAPABLE = 1024;
export const BPF_F_INNER_MAP = 4096;

/** Flag of bpf_sk_storage_get. */
export const BPF_SK_STORAGE_GET_F_CREATE = 1;

/** Clocks of bpf_timer_init, include/uapi/linux/time.h; flags of bpf_timer_start. */
export const CLOCK_REALTIME = 0;
export const CLOCK_MONOTONIC = 1;
export const CLOCK_BOOTTIME = 7;
export const BPF_F_TIMER_ABS = 1;
export const BPF_F_TIMER_CPU_PIN = 2;

/** Flags of bpf_redirect, bpf_redirect_map and bpf_clone_redirect. */
export const BPF_F_INGRESS = 1;
export const BPF_F_BROADCAST = 8;
export const BPF_F_EXCLUDE_INGRESS = 16;

/** Results and flag of bpf_check_mtu. */
export const BPF_MTU_CHK_SEGS = 1;
export const BPF_MTU_CHK_RET_SUCCESS = 0;
export const BPF_MTU_CHK_RET_FRAG_NEEDED = 1;
export const BPF_MTU_CHK_RET_SEGS_TOOBIG = 2;

/** Modes and flags of bpf_skb_adjust_room. */
export const BPF_ADJ_ROOM_NET = 0;
export const BPF_ADJ_ROOM_MAC = 1;
export const BPF_F_ADJ_ROOM_FIXED_GSO = 0x1;
export const BPF_F_ADJ_ROOM_ENCAP_L3_IPV4 = 0x2;
export const BPF_F_ADJ_ROOM_ENCAP_L3_IPV6 = 0x4;
export const BPF_F_ADJ_ROOM_ENCAP_L4_GRE = 0x8;
export const BPF_F_ADJ_ROOM_ENCAP_L4_UDP = 0x10;
export const BPF_F_ADJ_ROOM_NO_CSUM_RESET = 0x20;
export const BPF_F_ADJ_ROOM_ENCAP_L2_ETH = 0x40;
export const BPF_F_ADJ_ROOM_DECAP_L3_IPV4 = 0x80;
export const BPF_F_ADJ_ROOM_DECAP_L3_IPV6 = 0x100;
/** The length of the inner link-layer header stands in the top byte of the flags. */
export const BPF_ADJ_ROOM_ENCAP_L2_SHIFT = 56;

/** Level arguments of bpf_csum_level. */
export const BPF_CSUM_LEVEL_QUERY = 0;
export const BPF_CSUM_LEVEL_INC = 1;
export const BPF_CSUM_LEVEL_DEC = 2;
export const BPF_CSUM_LEVEL_RESET = 3;

/** Where bpf_skb_load_bytes_relative counts from. */
export const BPF_HDR_START_MAC = 0;
export const BPF_HDR_START_NET = 1;

/** Flags of bpf_perf_event_output. */
export const BPF_F_INDEX_MASK = 0xffffffff;
export const BPF_F_CURRENT_CPU = 0xffffffff;

/** Flags of the skb checksum and store helpers. */
export const BPF_F_RECOMPUTE_CSUM = 1;
export const BPF_F_INVALIDATE_HASH = 2;
export const BPF_F_HDR_FIELD_MASK = 0xf;
export const BPF_F_PSEUDO_HDR = 0x10;
export const BPF_F_MARK_MANGLED_0 = 0x20;
export const BPF_F_MARK_ENFORCE = 0x40;
export const BPF_F_IPV6 = 0x80;

/** Flags of the ring buffer helpers, and the bits in a record's length word. */
export const BPF_RB_NO_WAKEUP = 1;
export const BPF_RB_FORCE_WAKEUP = 2;
export const BPF_RB_AVAIL_DATA = 0;
export const BPF_RB_RING_SIZE = 1;
export const BPF_RB_CONS_POS = 2;
export const BPF_RB_PROD_POS = 3;
export const BPF_RINGBUF_BUSY_BIT = 0x80000000;
export const BPF_RINGBUF_DISCARD_BIT = 0x40000000;
export const BPF_RINGBUF_HDR_SZ = 8;
/** Records that one bpf_user_ringbuf_drain takes at most. kernel/bpf/ringbuf.c: BPF_MAX_USER_RINGBUF_SAMPLES. */
export const BPF_MAX_USER_RINGBUF_SAMPLES = 131072;

/** enum xdp_action. */
export const XDP_ABORTED = 0;
export const XDP_DROP = 1;
export const XDP_PASS = 2;
export const XDP_TX = 3;
export const XDP_REDIRECT = 4;

/** Return codes of a direct-action classifier. include/uapi/linux/pkt_cls.h. */
export const TC_ACT_UNSPEC = -1;
export const TC_ACT_OK = 0;
export const TC_ACT_RECLASSIFY = 1;
export const TC_ACT_SHOT = 2;
export const TC_ACT_PIPE = 3;
export const TC_ACT_STOLEN = 4;
export const TC_ACT_QUEUED = 5;
export const TC_ACT_REPEAT = 6;
export const TC_ACT_REDIRECT = 7;
export const TC_ACT_TRAP = 8;

/** enum tcx_action_base. */
export const TCX_NEXT = -1;
export const TCX_PASS = 0;
export const TCX_DROP = 2;
export const TCX_REDIRECT = 7;

/** Flags and results of bpf_fib_lookup. */
export const BPF_FIB_LOOKUP_DIRECT = 1;
export const BPF_FIB_LOOKUP_OUTPUT = 2;
export const BPF_FIB_LOOKUP_SKIP_NEIGH = 4;
export const BPF_FIB_LOOKUP_TBID = 8;
export const BPF_FIB_LOOKUP_SRC = 16;
export const BPF_FIB_LOOKUP_MARK = 32;
export const BPF_FIB_LKUP_RET_SUCCESS = 0;
export const BPF_FIB_LKUP_RET_BLACKHOLE = 1;
export const BPF_FIB_LKUP_RET_UNREACHABLE = 2;
export const BPF_FIB_LKUP_RET_PROHIBIT = 3;
export const BPF_FIB_LKUP_RET_NOT_FWDED = 4;
export const BPF_FIB_LKUP_RET_FWD_DISABLED = 5;
export const BPF_FIB_LKUP_RET_UNSUPP_LWT = 6;
export const BPF_FIB_LKUP_RET_NO_NEIGH = 7;
export const BPF_FIB_LKUP_RET_FRAG_NEEDED = 8;
export const BPF_FIB_LKUP_RET_NO_SRC_ADDR = 9;

/** Load flags of a program. */
export const BPF_F_STRICT_ALIGNMENT = 1;
export const BPF_F_TEST_STATE_FREQ = 8;
export const BPF_F_XDP_HAS_FRAGS = 32;

/** enum xdp_rss_hash_type: what of a frame went into its hash. include/net/xdp.h. */
export const XDP_RSS_L3_IPV4 = 1;
export const XDP_RSS_L3_IPV6 = 2;
export const XDP_RSS_L4 = 8;
export const XDP_RSS_L4_TCP = 16;
export const XDP_RSS_L4_UDP = 32;

/** skb->pkt_type. include/uapi/linux/if_packet.h. */
export const PACKET_HOST = 0;
export const PACKET_BROADCAST = 1;
export const PACKET_MULTICAST = 2;
export const PACKET_OTHERHOST = 3;
export const PACKET_OUTGOING = 4;

/** EtherTypes, host order. include/uapi/linux/if_ether.h. */
export const ETH_P_802_2 = 0x0004;
export const ETH_P_IP = 0x0800;
export const ETH_P_ARP = 0x0806;
export const ETH_P_8021Q = 0x8100;
export const ETH_P_8021AD = 0x88a8;
export const ETH_P_IPV6 = 0x86dd;
export const ETH_HLEN = 14;

export const AF_INET = 2;
export const AF_INET6 = 10;

/** Errno values, x86-64. include/uapi/asm-generic/errno{-base,}.h. */
export const EPERM = 1;
export const ENOENT = 2;
export const ENXIO = 6;
export const E2BIG = 7;
export const EBADF = 9;
export const EAGAIN = 11;
export const ENOMEM = 12;
export const EACCES = 13;
export const EFAULT = 14;
export const EBUSY = 16;
export const EEXIST = 17;
export const ENODEV = 19;
export const EINVAL = 22;
export const ENOSPC = 28;
export const ERANGE = 34;
export const EDEADLK = 35;
export const EBADRQC = 56;
export const EPROTO = 71;
export const ENODATA = 61;
export const ETIME = 62;
export const ENONET = 64;
export const EBADMSG = 74;
export const EOVERFLOW = 75;
export const EPROTONOSUPPORT = 93;
export const EMSGSIZE = 90;
export const EOPNOTSUPP = 95;
export const EAFNOSUPPORT = 97;
export const ENETDOWN = 100;
export const ENOBUFS = 105;
export const ENETUNREACH = 101;
export const ETIMEDOUT = 110;
export const EHOSTUNREACH = 113;
export const EALREADY = 114;
export const ENOTSUPP = 524;
