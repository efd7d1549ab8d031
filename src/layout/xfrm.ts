import { array, bytes, defineStruct, u8, u16, u32, u64 } from "./struct.ts";

/**
 * A security association as programs read it through BTF: the parts of Linux 6.18's struct xfrm_state that a declaration says something about, each in its place; the rest is zeros.
 * Constant while programs run, and in the engine's zone, so that none writes it.
 */
export const XfrmState = defineStruct(
  "xfrm_state",
  {
    before: bytes(104, 8),
    refcnt: u32,
    lock: u32,
    /** The CPU that it belongs to; all ones for any. */
    pcpu_num: u32,
    /** struct xfrm_id; SPI in network byte order. */
    id_daddr: bytes(16, 4),
    id_spi: u32,
    id_proto: u8,
    id_pad: bytes(3),
    /** struct xfrm_selector: whose packets it is for; ports in network byte order. */
    sel_daddr: bytes(16, 4),
    sel_saddr: bytes(16, 4),
    sel_dport: u16,
    sel_dport_mask: u16,
    sel_sport: u16,
    sel_sport_mask: u16,
    sel_family: u16,
    sel_prefixlen_d: u8,
    sel_prefixlen_s: u8,
    sel_proto: u8,
    sel_pad: bytes(3),
    sel_ifindex: u32,
    sel_user: u32,
    mark_value: u32,
    mark_mask: u32,
    if_id: u32,
    tfcpad: u32,
    genid: u32,
    km_list: array(u64, 2),
    /** XFRM_STATE_* */
    km_state: u8,
    km_dying: u8,
    km_proto: u8,
    km_pad: u8,
    km_seq: u32,
    km_filter: u64,
    props_reqid: u32,
    /** XFRM_MODE_* */
    props_mode: u8,
    props_replay_window: u8,
    props_aalgo: u8,
    props_ealgo: u8,
    props_calgo: u8,
    /** XFRM_STATE_* flags of the user's interface. */
    props_flags: u8,
    props_family: u16,
    props_saddr: bytes(16, 4),
    props_lengths: array(u32, 3),
    props_extra_flags: u32,
    props_smark: array(u32, 2),
    lft_soft_byte: u64,
    lft_hard_byte: u64,
    lft_soft_packet: u64,
    lft_hard_packet: u64,
    lft_times: array(u64, 4),
    algorithms: array(u64, 4),
    names_and_mappings: array(u64, 8),
    tunnel_users: u32,
    replay_oseq: u32,
    replay_seq: u32,
    replay_bitmap: u32,
    replay_esn: u64,
    preplay: array(u32, 3),
    preplay_pad: u32,
    preplay_esn: u64,
    /** enum xfrm_replay_mode */
    repl_mode: u32,
    xflags: u32,
    behind: bytes(296, 8),
  },
  {
    ...{
      refcnt: 104,
      pcpu_num: 112,
      id_daddr: 116,
      id_spi: 132,
      id_proto: 136,
      sel_daddr: 140,
      sel_family: 180,
      mark_value: 196,
      if_id: 204,
    },
    ...{ km_state: 232, props_reqid: 248, props_family: 258, props_saddr: 260, lft_soft_byte: 304, algorithms: 368, tunnel_users: 464 },
    ...{ replay_oseq: 468, replay_esn: 480, repl_mode: 512, size: 816 },
  },
);

/** struct xfrm_replay_state_esn, the words of the bitmap behind it. */
export const XfrmReplayEsn = defineStruct(
  "xfrm_replay_state_esn",
  { bmp_len: u32, oseq: u32, seq: u32, oseq_hi: u32, seq_hi: u32, replay_window: u32 },
  { replay_window: 20, size: 24 },
);

/** A declared state, and the next one of its bucket (0 at the end), which was declared before. */
export const XfrmEntry = defineStruct("xfrm_entry", { next: u32, pad: u32, state: bytes(XfrmState.size, 8) });

/** Buckets of the table of states, a power of two: by the last byte of the SPI. */
export const XFRM_BUCKETS = 256;

/** struct bpf_xfrm_state_opts: what a program asks for. */
export const XfrmOptions = defineStruct(
  "bpf_xfrm_state_opts",
  { error: u32, netns_id: u32, mark: u32, daddr: bytes(16, 4), spi: u32, proto: u8, family: u16 },
  { daddr: 12, spi: 28, proto: 32, family: 34, size: 36 },
);

export const XFRM_MODE_TRANSPORT = 0;
export const XFRM_MODE_TUNNEL = 1;
export const XFRM_MODE_ROUTEOPTIMIZATION = 2;
export const XFRM_MODE_BEET = 4;
export const XFRM_STATE_VALID = 2;
/** Flag of the user's interface: sequence numbers of 64 bits. */
export const XFRM_STATE_ESN = 128;
export const XFRM_REPLAY_MODE_BMP = 1;
export const XFRM_REPLAY_MODE_ESN = 2;
