import { bytes, defineStruct, u8, u16, u32, u64 } from "./struct.ts";

/**
 * A declared socket as the kernel has it, for programs that read it through BTF: what a declaration says, in the places of Linux 6.18's struct sock_common, sock and tcp_sock; the rest is
 * zeros. Long enough for a struct tcp6_sock, the longest of those that helpers hand out. Of the remains of a connection (struct tcp_timewait_sock) only sock_common counts. Constant, and in
 * the engine's zone.
 */
export const KernelSocket = defineStruct(
  "kernel_socket",
  {
    /** Addresses and the peer's port in network byte order, the own port in host byte order. */
    skc_daddr: u32,
    skc_rcv_saddr: u32,
    skc_hash: u32,
    skc_dport: u16,
    skc_num: u16,
    skc_family: u16,
    /** TCP_* */
    skc_state: u8,
    /** Bit 5: skc_ipv6only. */
    skc_bits: u8,
    skc_bound_dev_if: u32,
    skc_nodes: bytes(32, 8),
    skc_v6_daddr: bytes(16, 8),
    skc_v6_rcv_saddr: bytes(16, 8),
    skc_cookie: u64,
    skc_flags: u64,
    skc_node: bytes(16, 8),
    skc_tx_queue_mapping: u16,
    /** All ones: not known. */
    skc_rx_queue_mapping: u16,
    skc_incoming_cpu: u32,
    skc_refcnt: u32,
    skc_rxhash: u32,
    before_priority: bytes(384, 8),
    sk_priority: u32,
    sk_mark: u32,
    sk_uid: u32,
    sk_protocol: u16,
    sk_type: u16,
    before_saddr: bytes(272, 8),
    /** The own address once more. */
    inet_saddr: u32,
    before_mss: bytes(628, 4),
    mss_cache: u32,
    snd_cwnd: u32,
    before_ssthresh: bytes(44, 4),
    snd_ssthresh: u32,
    behind: bytes(936, 8),
  },
  {
    ...{ skc_dport: 12, skc_family: 16, skc_state: 18, skc_bound_dev_if: 20, skc_v6_daddr: 56, skc_cookie: 88, skc_rx_queue_mapping: 122 },
    ...{
      sk_priority: 520,
      sk_mark: 524,
      sk_uid: 528,
      sk_protocol: 532,
      sk_type: 534,
      inet_saddr: 808,
      mss_cache: 1440,
      snd_cwnd: 1444,
      snd_ssthresh: 1492,
      size: 2432,
    },
  },
);

/** Bit of `skc_bits`. */
export const SKC_IPV6ONLY = 0x20;

/** Behind the declared sockets stand two more, the beginnings of connections to IPv4 and IPv6 listeners: what bpf_sk_assign_tcp_reqsk gives to an skb. */
export const REQUEST_SOCKETS = 2;

/** struct bpf_tcp_req_attrs: what a program tells of a connection that it answered for the listener. */
export const TcpRequestAttributes = defineStruct(
  "bpf_tcp_req_attrs",
  {
    rcv_tsval: u32,
    rcv_tsecr: u32,
    mss: u16,
    rcv_wscale: u8,
    snd_wscale: u8,
    ecn_ok: u8,
    wscale_ok: u8,
    sack_ok: u8,
    tstamp_ok: u8,
    usec_ts_ok: u8,
    reserved: bytes(3),
  },
  { mss: 8, wscale_ok: 13, reserved: 17, size: 20 },
);
