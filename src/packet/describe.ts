/** One line a packet, in tcpdump's manner, without the time. */
import { readLink, word } from "./headersLink.ts";
import { type IpHeader, readArp, readIp, readIpv4, readIpv6 } from "./headersNetwork.ts";
import { readIcmp, readTcp, readUdp } from "./headersTransport.ts";
import { linkTypeName } from "./linkTypes.ts";
import { ETHERTYPE, IP_PROTOCOL } from "./numbers.ts";

/** Packets in packets are shown so deep. */
const MAX_DEPTH = 6;

const ETHERTYPE_NAMES: ReadonlyMap<number, string> = new Map([
  [ETHERTYPE.mpls, "MPLS unicast"],
  [ETHERTYPE.mplsMulticast, "MPLS multicast"],
  [ETHERTYPE.pppoeDiscovery, "PPPoE D"],
  [ETHERTYPE.pppoeSession, "PPPoE S"],
  [ETHERTYPE.lldp, "LLDP"],
]);

const PROTOCOL_NAMES: ReadonlyMap<number, string> = new Map([
  [IP_PROTOCOL.igmp, "igmp"],
  [IP_PROTOCOL.gre, "GRE"],
  [IP_PROTOCOL.esp, "ESP"],
  [IP_PROTOCOL.authentication, "AH"],
  [IP_PROTOCOL.sctp, "sctp"],
  [IP_PROTOCOL.noNext, "no next header"],
]);

const ICMP_TYPES: Readonly<Record<number, string>> = {
  0: "echo reply",
  3: "unreachable",
  5: "redirect",
  8: "echo request",
  9: "router advertisement",
  10: "router solicitation",
  11: "time exceeded",
  12: "parameter problem",
};
const ICMPV6_TYPES: Readonly<Record<number, string>> = {
  1: "destination unreachable",
  2: "packet too big",
  3: "time exceeded",
  4: "parameter problem",
  128: "echo request",
  129: "echo reply",
  130: "multicast listener query",
  131: "multicast listener report",
  133: "router solicitation",
  134: "router advertisement",
  135: "neighbor solicitation",
  136: "neighbor advertisement",
  143: "multicast listener report v2",
};

/** `IP 10.0.0.1.53 > 10.0.0.2.4000: UDP, length 12`. `length`: bytes on the wire. `[|ip]` and the like mark where the captured bytes end. */
export function describePacket(bytes: Uint8Array, linkType: number, length: number): string {
  const link = readLink(bytes, linkType);
  if (link === undefined) return `[|${linkTypeName(linkType)}], length ${length}`;
  const tags = link.vlans.map(({ id, priority }) => `vlan ${id}, p ${priority}, `).join("");
  return tags + describePayload(bytes, link.end, link.type, length);
}

function describePayload(bytes: Uint8Array, at: number, type: number, length: number): string {
  switch (type) {
    case ETHERTYPE.ipv4:
    case ETHERTYPE.ipv6: {
      const ip = readIp(bytes, at, type);
      return ip === undefined ? `[|${type === ETHERTYPE.ipv4 ? "ip" : "ip6"}], length ${length}` : describeIp(bytes, ip, 0);
    }
    case ETHERTYPE.arp:
      return describeArp(bytes, at);
    default: {
      if (type < 1536) return `802.3, length ${type}`;
      const hex = `0x${type.toString(16).padStart(4, "0")}`;
      return `ethertype ${ETHERTYPE_NAMES.get(type) ?? "Unknown"} (${hex}), length ${length}`;
    }
  }
}

function describeArp(bytes: Uint8Array, at: number): string {
  const arp = readArp(bytes, at);
  const length = bytes.length - at;
  if (arp === undefined) return `[|arp], length ${length}`;
  if (arp.operation === 1) return `ARP, Request who-has ${arp.targetIp} tell ${arp.senderIp}, length ${length}`;
  if (arp.operation === 2) return `ARP, Reply ${arp.senderIp} is-at ${arp.senderMac}, length ${length}`;
  return `ARP, operation ${arp.operation}, length ${length}`;
}

function describeIp(bytes: Uint8Array, ip: IpHeader, depth: number): string {
  const family = ip.version === 4 ? "IP" : "IP6";
  const between = `${family} ${ip.source} > ${ip.destination}:`;
  const rest = Math.max(ip.packetEnd - ip.end, 0);
  if (ip.fragmentOffset > 0) return `${between} ip-proto-${ip.protocol}, fragment at ${ip.fragmentOffset}, length ${rest}`;
  switch (ip.protocol) {
    case IP_PROTOCOL.udp: {
      const udp = readUdp(bytes, ip.end);
      if (udp === undefined) return `${between} [|udp]`;
      return `${family} ${ip.source}.${udp.sourcePort} > ${ip.destination}.${udp.destinationPort}: UDP, length ${Math.max(udp.length - 8, 0)}`;
    }
    case IP_PROTOCOL.tcp:
      return describeTcp(bytes, ip, family);
    case IP_PROTOCOL.icmp:
    case IP_PROTOCOL.icmpv6:
      return `${between} ${describeIcmp(bytes, ip.end, ip.protocol, rest)}`;
    case IP_PROTOCOL.ipip:
    case IP_PROTOCOL.ipv6: {
      const inner = ip.protocol === IP_PROTOCOL.ipip ? readIpv4(bytes, ip.end) : readIpv6(bytes, ip.end);
      return inner === undefined || depth >= MAX_DEPTH ? `${between} [|ip]` : `${between} ${describeIp(bytes, inner, depth + 1)}`;
    }
    default:
      return `${between} ${PROTOCOL_NAMES.get(ip.protocol) ?? `ip-proto-${ip.protocol}`}, length ${rest}`;
  }
}

function describeTcp(bytes: Uint8Array, ip: IpHeader, family: string): string {
  const tcp = readTcp(bytes, ip.end);
  if (tcp === undefined) return `${family} ${ip.source} > ${ip.destination}: [|tcp]`;
  const length = Math.max(ip.packetEnd - tcp.end, 0);
  const parts = [`Flags [${tcp.flags}]`];
  // tcpdump shows the sequence number of segments that take up sequence space.
  if (length > 0) parts.push(`seq ${tcp.sequence}:${(tcp.sequence + length) % 2 ** 32}`);
  else if (/[SFR]/.test(tcp.flags)) parts.push(`seq ${tcp.sequence}`);
  if (tcp.flags.includes(".")) parts.push(`ack ${tcp.acknowledgement}`);
  parts.push(`win ${tcp.window}`);
  if (tcp.flags.includes("U")) parts.push(`urg ${tcp.urgent}`);
  parts.push(`length ${length}`);
  return `${family} ${ip.source}.${tcp.sourcePort} > ${ip.destination}.${tcp.destinationPort}: ${parts.join(", ")}`;
}

function describeIcmp(bytes: Uint8Array, at: number, protocol: number, length: number): string {
  const six = protocol === IP_PROTOCOL.icmpv6;
  const name = six ? "ICMP6" : "ICMP";
  const icmp = readIcmp(bytes, at);
  if (icmp === undefined) return `[|${name.toLowerCase()}]`;
  const type = (six ? ICMPV6_TYPES : ICMP_TYPES)[icmp.type] ?? `type-#${icmp.type}`;
  const echo = six ? icmp.type === 128 || icmp.type === 129 : icmp.type === 0 || icmp.type === 8;
  return `${name}, ${type}${echo ? `, id ${icmp.identifier}, seq ${icmp.sequence}` : ""}, length ${length}`;
}

/** Bytes as rows of 16, as tcpdump -xx prints them. */
export function hexRows(bytes: Uint8Array): string[] {
  return Array.from({ length: Math.ceil(bytes.length / 16) }, (_, row) => {
    const cells: string[] = [];
    for (let at = 16 * row; at < Math.min(bytes.length, 16 * row + 16); at += 2)
      cells.push(at + 1 < bytes.length ? word(bytes, at).toString(16).padStart(4, "0") : (bytes[at] ?? 0).toString(16).padStart(2, "0"));
    return `0x${(16 * row).toString(16).padStart(4, "0")}:  ${cells.join(" ")}`;
  });
}
