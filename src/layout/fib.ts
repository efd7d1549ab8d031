import { bytes, defineStruct, u8, u16, u32 } from "./struct.ts";

/**
 * What bpf_fib_lookup takes and gives. include/uapi/linux/bpf.h: struct bpf_fib_lookup. Unions are named by what is read first: `tot_len` comes back as
 * mtu_result, `tos` (byte) or flow label as rt_metric, `tbid` as h_vlan_proto and h_vlan_TCI, the mark as the MAC addresses.
 */
export const FibLookup = defineStruct(
  "bpf_fib_lookup",
  {
    family: u8,
    l4_protocol: u8,
    sport: u16,
    dport: u16,
    tot_len: u16,
    ifindex: u32,
    rt_metric: u32,
    src: bytes(16),
    dst: bytes(16),
    tbid: u32,
    smac: bytes(6),
    dmac: bytes(6),
  },
  { tot_len: 6, ifindex: 8, src: 16, dst: 32, tbid: 48, smac: 52, dmac: 58, size: 64 },
);

/** Tables that bpf_fib_lookup may be asked for. include/uapi/linux/rtnetlink.h. */
export const RT_TABLE_MAIN = 254;
export const RT_TABLE_LOCAL = 255;
/** Largest MTUs of the protocols. include/net/ip.h, include/net/ip6_route.h. */
export const IP_MAX_MTU = 0xffff;
export const IP6_MAX_MTU = 0xffff + 40;
/** Smallest MTU that IPv6 works with. include/uapi/linux/ipv6.h. */
export const IPV6_MIN_MTU = 1280;
