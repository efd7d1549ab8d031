import { tcp, udp } from "../../packet/index.ts";

/** Bytes of an Ethernet, IPv4, IPv6, TCP and UDP header. */
const ETHERNET = 14;
const IPV4 = 20;
const IPV6 = 40;
const TCP = 20;
const UDP = 8;

const CLIENT = "10.9.0.5:40000";
const CLIENT6 = "[2001:db8:1::5]:40000";

/** What the programs are measured with: the shortest frames of TCP, UDP and IPv6, and the longest of an Ethernet of MTU 1,500. */
export const benchPackets = {
  tcp64: () => tcp({ from: CLIENT, to: "198.51.100.80:443", flags: ".", payload: 64 - ETHERNET - IPV4 - TCP }),
  udp64: () => udp({ from: "203.0.113.7:4000", to: "198.51.100.53:53", payload: 64 - ETHERNET - IPV4 - UDP }),
  ipv6: () => tcp({ from: CLIENT6, to: "[2001:db8:100::80]:443", flags: ".", payload: 78 - ETHERNET - IPV6 - TCP }),
  tcp1500: () => tcp({ from: CLIENT, to: "198.51.100.80:443", flags: "P.", payload: 1500 - IPV4 - TCP }),
  /** The other direction of tcp64, for what is decided at egress. */
  reply64: () => tcp({ from: "198.51.100.80:443", to: CLIENT, flags: ".", payload: 64 - ETHERNET - IPV4 - TCP }),
} as const satisfies Record<string, () => Uint8Array>;

export type BenchPacketName = keyof typeof benchPackets;
