import { atomic, bytes, defineStruct, i32, u16, u32, u64 } from "./struct.ts";

/** What programs read of a TCP socket. include/uapi/linux/bpf.h: struct bpf_tcp_sock. */
export const TcpSock = defineStruct(
  "bpf_tcp_sock",
  {
    snd_cwnd: u32,
    srtt_us: u32,
    rtt_min: u32,
    snd_ssthresh: u32,
    rcv_nxt: u32,
    snd_nxt: u32,
    snd_una: u32,
    mss_cache: u32,
    ecn_flags: u32,
    rate_delivered: u32,
    rate_interval_us: u32,
    packets_out: u32,
    retrans_out: u32,
    total_retrans: u32,
    segs_in: u32,
    data_segs_in: u32,
    segs_out: u32,
    data_segs_out: u32,
    lost_out: u32,
    sacked_out: u32,
    bytes_received: u64,
    bytes_acked: u64,
    dsack_dups: u32,
    delivered: u32,
    delivered_ce: u32,
    icsk_retransmits: u32,
  },
  { mss_cache: 28, bytes_received: 80, dsack_dups: 96, size: 112 },
);

/**
 * A declared socket: what programs read of it (include/uapi/linux/bpf.h: struct bpf_sock, the first 80 bytes), then what helpers ask. It stands in the engine's zone,
 * so no program writes it, and is constant but for `overflow` and `omem`, words that any CPU may change at any time.
 */
export const Socket = defineStruct(
  "socket",
  {
    bound_dev_if: u32,
    /** AF_INET or AF_INET6. */
    family: u32,
    /** SOCK_STREAM or SOCK_DGRAM. */
    type: u32,
    protocol: u32,
    mark: u32,
    priority: u32,
    /** Own address, network byte order; 0 for any. Both are there only for an IPv4 socket's, or an IPv6 socket's own family. */
    src_ip4: u32,
    src_ip6: bytes(16, 4),
    /** Own port, host byte order; the peer's in network byte order. */
    src_port: u32,
    dst_port: u16,
    uapi_pad: u16,
    dst_ip4: u32,
    dst_ip6: bytes(16, 4),
    /** TCP_* */
    state: u32,
    rx_queue_mapping: i32,
    /** Address of the next socket of its bucket, 0 at the end. */
    next: u32,
    /** 1: an IPv6 socket that takes no IPv4. */
    v6only: u32,
    uid: u32,
    /** bpf_get_socket_cookie: never 0. */
    cookie: u64,
    /** Jiffies at which bpf_tcp_gen_syncookie last made a cookie for this listener; 0 before the first. */
    overflow: u64,
    tcp: bytes(TcpSock.size, 8),
    /** Bytes that SK_STORAGE maps keep for it (sk_omem_alloc), at most OPTMEM_MAX. */
    omem: atomic("whoever creates or deletes a value of an SK_STORAGE map"),
    /** Id of its cgroup. */
    cgroup: u32,
  },
  { src_ip4: 24, src_port: 44, dst_port: 48, dst_ip4: 52, state: 72, rx_queue_mapping: 76 },
);

/** net.core.optmem_max. net/core/sock.c. */
export const OPTMEM_MAX = 131072;

/** Buckets of the socket table, a power of two: by protocol and own port. */
export const SOCKET_BUCKETS = 256;

/** States of a socket. include/net/tcp_states.h. */
export const TCP_ESTABLISHED = 1;
export const TCP_TIME_WAIT = 6;
export const TCP_CLOSE = 7;
export const TCP_LISTEN = 10;
export const TCP_NEW_SYN_RECV = 12;

export const IPPROTO_TCP = 6;
export const IPPROTO_UDP = 17;
export const SOCK_STREAM = 1;
export const SOCK_DGRAM = 2;
