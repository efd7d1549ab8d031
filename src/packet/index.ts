export { formatIpAddress, formatMac, parseIpAddress, parseMac } from "./address.ts";
export {
  type ArpOptions,
  arp,
  ethernet,
  type IcmpOptions,
  type IpOptions,
  icmp,
  ip,
  type LinkOptions,
  type TcpOptions,
  tcp,
  type UdpOptions,
  udp,
  type VlanTag,
} from "./build.ts";
export { internetChecksum, onesComplementSum, pseudoHeaderSum } from "./checksum.ts";
export { ETHERTYPE, IP_PROTOCOL } from "./numbers.ts";
export type { PacketSource, ReleaseWindows, SourceInterface } from "./source.ts";
