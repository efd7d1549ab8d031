import { bytes, defineStruct, u8, u16, u32 } from "./struct.ts";

/** What TC programs tell a tunnel device. include/uapi/linux/bpf.h: struct bpf_tunnel_key. IPv4 addresses stand in host byte order in the first word. */
export const TunnelKey = defineStruct(
  "bpf_tunnel_key",
  { tunnel_id: u32, remote: bytes(16, 4), tunnel_tos: u8, tunnel_ttl: u8, tunnel_flags: u16, tunnel_label: u32, local: bytes(16, 4) },
  { remote: 4, tunnel_flags: 22, tunnel_label: 24, local: 28, size: 44 },
);

/** Longest options of a tunnel header. include/net/ip_tunnels.h: IP_TUNNEL_OPTS_MAX. */
export const TUNNEL_OPTIONS_MAX = 255;

/**
 * A CPU's metadata destination for tunnels: what bpf_skb_set_tunnel_key wrote last. There is one a CPU, and all skbs that got a key there share it, as in Linux
 * (net/core/filter.c: md_dst). Written by the CPU that owns it.
 */
export const TunnelInfo = defineStruct("tunnel_info", {
  tunnel_id: u32,
  tos: u8,
  ttl: u8,
  /** TUNNEL_* */
  flags: u16,
  /** 1: the addresses are IPv6. */
  ipv6: u32,
  label: u32,
  /** As the program gave them: `remote` is where the packet goes. */
  remote: bytes(16, 4),
  local: bytes(16, 4),
  options_length: u32,
  options: bytes(TUNNEL_OPTIONS_MAX),
});

/** Flags of bpf_skb_set_tunnel_key; of bpf_skb_get_tunnel_key only the first, and TUNINFO_FLAGS. include/uapi/linux/bpf.h. */
export const BPF_F_TUNINFO_IPV6 = 1;
export const BPF_F_ZERO_CSUM_TX = 2;
export const BPF_F_DONT_FRAGMENT = 4;
export const BPF_F_SEQ_NUMBER = 8;
export const BPF_F_NO_TUNNEL_KEY = 16;
export const BPF_F_TUNINFO_FLAGS = 16;

/** Flags of a tunnel key. include/uapi/linux/if_tunnel.h; in the kernel they are bits of a bitmap. */
export const TUNNEL_CSUM = 0x0001;
export const TUNNEL_KEY = 0x0004;
export const TUNNEL_SEQ = 0x0008;
export const TUNNEL_DONT_FRAGMENT = 0x0100;
export const TUNNEL_NOCACHE = 0x2000;
/** Options of Geneve, VXLAN, ERSPAN and GTP. */
export const TUNNEL_OPTIONS_PRESENT = 0xd800;
