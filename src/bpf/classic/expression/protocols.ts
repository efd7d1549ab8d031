import type { Packet } from "./layers.ts";
import { carries, ETHERTYPE, SAP } from "./linkProtocol.ts";
import { always, and, type Condition, choice, never, or } from "./value.ts";

/** Numbers of IP protocols. */
export const IPPROTO = {
  icmp: 1,
  igmp: 2,
  tcp: 6,
  igrp: 9,
  udp: 17,
  routing: 43,
  fragment: 44,
  esp: 50,
  ah: 51,
  icmp6: 58,
  none: 59,
  destinationOptions: 60,
  pim: 103,
  vrrp: 112,
  sctp: 132,
} as const;
/** Protocols of the OSI network layer, and PDU types of IS-IS. */
const ESIS = 0x82;
const ISIS = 0x83;
const PDU = {
  l1Hello: 15,
  l2Hello: 16,
  helloPointToPoint: 17,
  l1Lsp: 18,
  l2Lsp: 20,
  l1Csnp: 24,
  l2Csnp: 25,
  l1Psnp: 26,
  l2Psnp: 27,
} as const;

/** Thrown where MPLS labels hide which protocol follows. */
export class HiddenProtocol extends Error {}

/** The packet carries this EtherType or SAP. Throws HiddenProtocol. */
export function linkCarries(packet: Packet, protocol: number): Condition {
  const condition = carries(packet, protocol);
  if (condition === undefined) throw new HiddenProtocol();
  return condition;
}

export const overIpv4 = (packet: Packet, protocol: number): Condition =>
  and(linkCarries(packet, ETHERTYPE.ip), packet.equals(packet.network(9, 1), protocol));

/** The next header is the protocol, or a fragment header whose own next header is. */
export function overIpv6(packet: Packet, protocol: number): Condition {
  const nextHeader = packet.network(6, 1);
  const fragmented = and(packet.equals(nextHeader, IPPROTO.fragment), packet.equals(packet.network(40, 1), protocol));
  return and(linkCarries(packet, ETHERTYPE.ip6), or(packet.equals(nextHeader, protocol), fragmented));
}

export const overIp = (packet: Packet, protocol: number): Condition => or(overIpv4(packet, protocol), overIpv6(packet, protocol));

export const overIso = (packet: Packet, protocol: number): Condition =>
  and(linkCarries(packet, SAP.iso), packet.equals(packet.osi(0, 1), protocol));

export const overIsis = (packet: Packet, type: number): Condition => and(overIso(packet, ISIS), packet.equals(packet.osi(4, 1), type));

const anyOf = (packet: Packet, ...types: readonly number[]): Condition =>
  types.map((type) => overIsis(packet, type)).reduce((all, one) => or(all, one));

const linked = (protocol: number) => (packet: Packet) => linkCarries(packet, protocol);
const inIpv4 = (protocol: number) => (packet: Packet) => overIpv4(packet, protocol);
const inIp = (protocol: number) => (packet: Packet) => overIp(packet, protocol);

/** What the name of a protocol alone stands for. */
const abbreviations: Readonly<Record<string, (packet: Packet) => Condition>> = {
  ip: linked(ETHERTYPE.ip),
  ip6: linked(ETHERTYPE.ip6),
  arp: linked(ETHERTYPE.arp),
  rarp: linked(ETHERTYPE.rarp),
  atalk: linked(ETHERTYPE.atalk),
  aarp: linked(ETHERTYPE.aarp),
  decnet: linked(ETHERTYPE.decnet),
  lat: linked(ETHERTYPE.lat),
  sca: linked(ETHERTYPE.sca),
  moprc: linked(ETHERTYPE.moprc),
  mopdl: linked(ETHERTYPE.mopdl),
  iso: linked(SAP.iso),
  stp: linked(SAP.stp),
  ipx: linked(SAP.ipx),
  netbeui: linked(SAP.netbeui),
  tcp: inIp(IPPROTO.tcp),
  udp: inIp(IPPROTO.udp),
  sctp: inIp(IPPROTO.sctp),
  pim: inIp(IPPROTO.pim),
  ah: inIp(IPPROTO.ah),
  esp: inIp(IPPROTO.esp),
  icmp: inIpv4(IPPROTO.icmp),
  igmp: inIpv4(IPPROTO.igmp),
  igrp: inIpv4(IPPROTO.igrp),
  // The number that VRRP and CARP share.
  vrrp: inIpv4(IPPROTO.vrrp),
  carp: inIpv4(IPPROTO.vrrp),
  icmp6: (packet) => overIpv6(packet, IPPROTO.icmp6),
  esis: (packet) => overIso(packet, ESIS),
  isis: (packet) => overIso(packet, ISIS),
  l1: (packet) => anyOf(packet, PDU.l1Hello, PDU.l1Lsp, PDU.l1Csnp, PDU.l1Psnp, PDU.helloPointToPoint),
  l2: (packet) => anyOf(packet, PDU.l2Hello, PDU.helloPointToPoint, PDU.l2Lsp, PDU.l2Csnp, PDU.l2Psnp),
  iih: (packet) => anyOf(packet, PDU.l1Hello, PDU.l2Hello, PDU.helloPointToPoint),
  lsp: (packet) => anyOf(packet, PDU.l1Lsp, PDU.l2Lsp),
  snp: (packet) => anyOf(packet, PDU.l1Csnp, PDU.l2Csnp, PDU.l1Psnp, PDU.l2Psnp),
  csnp: (packet) => anyOf(packet, PDU.l1Csnp, PDU.l2Csnp),
  psnp: (packet) => anyOf(packet, PDU.l1Psnp, PDU.l2Psnp),
};

export const abbreviation = (packet: Packet, name: string): Condition | undefined => abbreviations[name]?.(packet);

/** Extension headers that are passed, at most: a longer chain matches nothing. Linux's filters have no loops, so each step is written out. */
const IPV6_STEPS = 16;
const IPV4_STEPS = 4;
/** Scratch words of the header type and its offset, while a chain is followed. */
const TYPE_SLOT = 0;
const OFFSET_SLOT = 1;
export const CHAIN_SLOTS = 2;

/**
 * protochain: the protocol is somewhere in the chain of headers. As libpcap follows it: hop-by-hop, routing, fragment and destination options by their length in
 * units of 8; an authentication header by its length in units of 4, from which its offset is taken anew instead of added.
 */
export function chainOverIpv4(packet: Packet, protocol: number): Condition {
  const start = { type: packet.network(9, 1), offset: packet.ipv4RelativeLength };
  return and(linkCarries(packet, ETHERTYPE.ip), chain(packet, protocol, start, IPV4_STEPS, false));
}

export function chainOverIpv6(packet: Packet, protocol: number): Condition {
  const start = { type: packet.network(6, 1), offset: packet.values.constant(40) };
  return and(linkCarries(packet, ETHERTYPE.ip6), chain(packet, protocol, start, IPV6_STEPS, true));
}

interface ChainPlace {
  readonly type: ReturnType<Packet["network"]>;
  /** From the network header. */
  readonly offset: ReturnType<Packet["network"]>;
}

function chain(packet: Packet, protocol: number, { type, offset }: ChainPlace, steps: number, extensions: boolean): Condition {
  if (steps === 0) return never;
  const { values } = packet;
  const version = values.nextVersion();
  const next = { type: values.scratch(TYPE_SLOT, version), offset: values.scratch(OFFSET_SLOT, version) };
  const rest = chain(packet, protocol, next, steps - 1, extensions);
  /** Goes on behind a header of (length byte + `add`) units. */
  const pass = (add: number, unit: number, from: "here" | "anew"): Condition => {
    const units = values.operation("add", packet.networkBehind(offset, 1, 1), values.constant(add));
    const bytes = values.operation("mul", units, values.constant(unit));
    const behind = from === "here" ? values.operation("add", bytes, offset) : bytes;
    return {
      kind: "store",
      slot: TYPE_SLOT,
      version,
      value: packet.networkBehind(offset, 0, 1),
      after: { kind: "store", slot: OFFSET_SLOT, version, value: behind, after: rest },
    };
  };
  const is = (number: number) => packet.equals(type, number);
  const authentication = choice(is(IPPROTO.ah), pass(2, 4, "anew"), never);
  const extension = or(or(or(is(0), is(IPPROTO.destinationOptions)), is(IPPROTO.routing)), is(IPPROTO.fragment));
  const onward = extensions ? choice(extension, pass(1, 8, "here"), authentication) : authentication;
  return choice(is(protocol), always, choice(is(IPPROTO.none), never, onward));
}
