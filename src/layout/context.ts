import { array, bytes, defineStruct, u8, u32, u64 } from "./struct.ts";

/**
 * The context an XDP program sees (include/uapi/linux/bpf.h: struct xdp_md, the first 24 bytes), and behind it what the helpers need to know
 * of the buffer. All addresses are offsets in the memory. Helpers that move data rewrite the first three words.
 */
export const XdpContext = defineStruct(
  "xdp_context",
  {
    data: u32,
    data_end: u32,
    data_meta: u32,
    ingress_ifindex: u32,
    rx_queue_index: u32,
    egress_ifindex: u32,
    /** Lowest address of the buffer: headroom begins here; the first 40 bytes are struct xdp_frame's. */
    data_hard_start: u32,
    /** Bytes from data_hard_start to the end of the buffer, skb_shared_info (320) included. */
    frame_sz: u32,
    /** Fragments of a multi-buffer frame: how many, their bytes together, and the array of XdpFragment. 0 for one buffer. */
    frag_count: u32,
    frag_len: u32,
    frags: u32,
    /** 1 when the program runs in generic mode, on an skb. */
    generic: u32,
    /** Address of the SkBuff that a generic program runs on, or 0. */
    skb: u32,
    /** Address of the NetDevice that received the frame. */
    device: u32,
    reserved: array(u32, 2),
  },
  { rx_queue_index: 16, egress_ifindex: 20, size: 64 },
);

/** One fragment of a multi-buffer frame. `room`: bytes of its buffer from `address` on; 0 when the device cannot grow it. */
export const XdpFragment = defineStruct("xdp_fragment", { address: u32, length: u32, room: u32, reserved: u32 });

/**
 * The context a TC program sees (struct __sk_buff, the first 192 bytes), and behind it the rest of the skb. An skb is linear here: all its bytes
 * stand from `data` to `data_end`. `data` is where the program sees the packet begin: the MAC header.
 */
export const SkBuff = defineStruct(
  "sk_buff",
  {
    len: u32,
    pkt_type: u32,
    mark: u32,
    queue_mapping: u32,
    /** EtherType in network byte order, as the uapi has it. */
    protocol: u32,
    vlan_present: u32,
    vlan_tci: u32,
    vlan_proto: u32,
    priority: u32,
    ingress_ifindex: u32,
    ifindex: u32,
    tc_index: u32,
    cb: array(u32, 5),
    hash: u32,
    tc_classid: u32,
    data: u32,
    data_end: u32,
    napi_id: u32,
    family: u32,
    remote_ip4: u32,
    local_ip4: u32,
    remote_ip6: array(u32, 4),
    local_ip6: array(u32, 4),
    remote_port: u32,
    local_port: u32,
    data_meta: u32,
    flow_keys: u64,
    tstamp: u64,
    wire_len: u32,
    gso_segs: u32,
    sk: u64,
    gso_size: u32,
    tstamp_type: u8,
    uapi_pad: bytes(3),
    hwtstamp: u64,
    /** Lowest and highest address of the buffer (skb->head, skb->end). */
    head: u32,
    end: u32,
    /** Offsets from `head`, as struct sk_buff has them; transport_header is HEADER_UNSET until somebody sets it. */
    mac_header: u32,
    network_header: u32,
    transport_header: u32,
    mac_len: u32,
    /** skb->ip_summed, skb->csum (also csum_start | csum_offset << 16 when CHECKSUM_PARTIAL), skb->csum_level. */
    ip_summed: u32,
    csum: u32,
    csum_level: u32,
    /** 1 when `hash` is a software or hardware hash of the flow that has not been invalidated; l4_hash; sw_hash. */
    hash_valid: u32,
    l4_hash: u32,
    /** skb->redirected, skb->from_ingress, and tc_at_ingress (1 while an ingress hook runs). */
    redirected: u32,
    from_ingress: u32,
    at_ingress: u32,
    /** NetDevice that the skb is at, and address of the socket block or 0. */
    device: u32,
    socket: u32,
    gso_type: u32,
    cloned: u32,
    /** 1 after adjust_room put a tunnel header in front (skb->encapsulation). */
    encapsulation: u32,
    /** Address of the TunnelInfo that bpf_skb_set_tunnel_key left, or 0. */
    tunnel: u32,
    reserved: array(u32, 4),
  },
  {
    cb: 48,
    hash: 68,
    data: 76,
    data_meta: 140,
    flow_keys: 144,
    tstamp: 152,
    wire_len: 160,
    gso_segs: 164,
    sk: 168,
    gso_size: 176,
    tstamp_type: 180,
    hwtstamp: 184,
    head: 192,
    size: 288,
  },
);

/** skb->transport_header before anybody set it. include/linux/skbuff.h: (u16)~0. */
export const HEADER_UNSET = 0xffff;

/** skb->ip_summed. include/linux/skbuff.h. */
export const CHECKSUM_NONE = 0;
export const CHECKSUM_UNNECESSARY = 1;
export const CHECKSUM_COMPLETE = 2;
export const CHECKSUM_PARTIAL = 3;
