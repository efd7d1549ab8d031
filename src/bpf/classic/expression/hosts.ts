import type { Packet } from "./layers.ts";
import { ETHERTYPE } from "./linkProtocol.ts";
import type { Direction } from "./syntax.ts";
import { and, type Condition, or } from "./value.ts";

/** Joins what is said of source and destination. */
export function directed(direction: Direction, source: () => Condition, destination: () => Condition): Condition {
  if (direction === "src") return source();
  if (direction === "dst") return destination();
  return direction === "both" ? and(source(), destination()) : or(source(), destination());
}

/** Offsets of source and destination IPv4 address in IPv4 and in (R)ARP packets. */
const ipv4Offsets = { ip: [12, 16], arp: [14, 24], rarp: [14, 24] } as const;

/** An IPv4 address or network in packets of one protocol. `carried` says that the packet is of that protocol. */
export function ipv4Host(
  packet: Packet,
  carried: Condition,
  protocol: "ip" | "arp" | "rarp",
  { address, mask }: { readonly address: number; readonly mask: number },
  direction: Direction,
): Condition {
  const [source, destination] = ipv4Offsets[protocol];
  const at = (offset: number) => () => and(carried, packet.maskedEquals(packet.network(offset, 4), address, mask));
  return directed(direction, at(source), at(destination));
}

/** An IPv6 address or network, as four words; words that the mask leaves out are not looked at. */
export function ipv6Host(
  packet: Packet,
  carried: Condition,
  address: readonly number[],
  mask: readonly number[],
  direction: Direction,
): Condition {
  const at = (offset: number) => () =>
    address.reduce((all, word, index) => and(all, packet.maskedEquals(packet.network(offset + index * 4, 4), word, mask[index]!)), carried);
  return directed(direction, at(8), at(24));
}

/** An Ethernet address. The last four bytes are compared first, as libpcap does. */
export function ethernetHost(packet: Packet, address: readonly number[], direction: Direction): Condition {
  const [high, low] = [address.slice(0, 2), address.slice(2)].map((bytes) => bytes.reduce((sum, byte) => sum * 256 + byte, 0)) as [
    number,
    number,
  ];
  const at = (offset: number) => () =>
    and(packet.equals(packet.linkHeader(offset + 2, 4), low), packet.equals(packet.linkHeader(offset, 2), high));
  return directed(direction, at(6), at(0));
}

/**
 * A DECnet address: area and node, in little endian. Four forms of the header: short or long (the low three bits of the flags, 2 or 6), each with or without a byte of
 * padding (0x81) in front.
 */
export function decnetHost(packet: Packet, carried: Condition, address: number, direction: Direction): Condition {
  const swapped = ((address & 0xff) << 8) | ((address >> 8) & 0xff);
  const form = (flags: Condition, offset: number) => and(flags, packet.equals(packet.network(offset, 2), swapped));
  const plain = (flags: number) => packet.maskedEquals(packet.network(2, 1), flags, 0x07);
  const padded = (flags: number) => packet.maskedEquals(packet.network(2, 2), 0x8100 | flags, 0xff07);
  const at = (short: number, long: number) => () =>
    and(carried, or(or(or(form(plain(2), short), form(padded(2), short + 1)), form(plain(6), long)), form(padded(6), long + 1)));
  return directed(direction, at(5, 17), at(3, 9));
}

/** EtherTypes by the protocols that may stand before a host. */
export const hostProtocols = { ip: ETHERTYPE.ip, arp: ETHERTYPE.arp, rarp: ETHERTYPE.rarp } as const;
