/** The kernel's own limits, nobody's to tune, each with its source. */

/** Bytes of stack a function may use, and a chain of calls together. include/linux/filter.h. */
export const MAX_BPF_STACK = 512;
/** Functions that may be active at once. include/linux/bpf_verifier.h. */
export const MAX_CALL_FRAMES = 8;
/** Tail calls that one run may make: the 34th falls through. include/linux/bpf.h. */
export const MAX_TAIL_CALL_CNT = 33;
/** Instructions a privileged program may have, and the verifier may process. include/linux/bpf.h. */
export const BPF_COMPLEXITY_LIMIT_INSNS = 1_000_000;
/**
 * Iterations of bpf_loop, and turns that may_goto allows from one function entry. include/linux/bpf.h. Linux on x86-64 ends a loop of may_goto after 250 ms of the host's time (240
 * million turns of the smallest one, measured), which says nothing of virtual time; where it has no clock at hand it counts up to this limit, and so does xdplane: the same loop
 * ends at the same turn everywhere.
 */
export const BPF_MAX_LOOPS = 8 * 1024 * 1024;
/** Bytes kept free in front of a frame for bpf_xdp_adjust_head. include/uapi/linux/bpf.h. */
export const XDP_PACKET_HEADROOM = 256;
/** struct xdp_frame, kept at the start of the headroom: adjust_head may not enter it. Measured: lowest accepted delta is -216. */
export const XDP_FRAME_SIZE = 40;
/** struct skb_shared_info, kept behind the data. Measured: 4,096 - 256 - 3,520. */
export const SKB_SHARED_INFO_SIZE = 320;
/** Longest metadata in front of a frame. Measured through bpf_xdp_adjust_meta. */
export const XDP_METADATA_MAX = 216;
/** Frames that a devmap bulk queue holds before it is flushed. include/net/xdp.h. */
export const DEV_MAP_BULK_SIZE = 16;
/** Frames that a cpumap bulk queue holds before it is flushed. kernel/bpf/cpumap.c. */
export const CPU_MAP_BULK_SIZE = 8;
/** Largest queue of a cpumap entry. kernel/bpf/cpumap.c. */
export const CPU_MAP_MAX_QSIZE = 16384;
/** Packets that one NAPI poll may take. include/linux/netdevice.h. */
export const NAPI_POLL_WEIGHT = 64;
/** Frames that the receive ring of a veth device holds. drivers/net/veth.c: VETH_RING_SIZE. */
export const VETH_RING_SIZE = 256;
/** XDP_TX frames that veth sends at once, and frames that it makes skbs of at once. drivers/net/veth.c. */
export const VETH_XDP_BATCH = 16;
/** Frames that a cpumap thread takes from its queue at once. kernel/bpf/cpumap.c: CPUMAP_BATCH. */
export const CPUMAP_BATCH = 8;
/** skbs that GRO's list of normal packets holds back. net/core/hotdata.c: gro_normal_batch. */
export const GRO_NORMAL_BATCH = 8;
/** Packets that the backlog holds. net/core/hotdata.c: max_backlog. */
export const MAX_BACKLOG = 1000;
export const PAGE_SIZE = 4096;
/** Nested transmits of a TC redirect before the frame is dropped. net/core/filter.c. */
export const XMIT_RECURSION_LIMIT = 8;
/** Longest skb that helpers make (BPF_SKB_MAX_LEN): four pages less skb_shared_info. net/core/filter.c. */
export const BPF_SKB_MAX_LEN = 16384 - SKB_SHARED_INFO_SIZE;
/** Highest skb->csum_level. include/linux/skbuff.h. */
export const SKB_MAX_CSUM_LEVEL = 3;
/** Ticks a second (CONFIG_HZ), and what jiffies are at boot: 5 minutes before they wrap in 32 bits. include/linux/jiffies.h. */
export const HZ = 250;
export const INITIAL_JIFFIES = 0x1_0000_0000 - 300 * HZ;
/** What ktime_get_ns shows at the first packet of a run: one hour after boot. */
export const FIRST_PACKET_NS = 3_600_000_000_000;
