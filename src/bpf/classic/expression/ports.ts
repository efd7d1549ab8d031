import { directed } from "./hosts.ts";
import type { Packet } from "./layers.ts";
import { ETHERTYPE } from "./linkProtocol.ts";
import { IPPROTO, linkCarries } from "./protocols.ts";
import type { Direction } from "./syntax.ts";
import { and, type Condition, or, test, type Value } from "./value.ts";

export type PortProtocol = "tcp" | "udp" | "sctp";

/**
 * A port, or the ports from `first` to `last`, of one protocol or of all that have ports, in IPv6 (without extension headers) or IPv4 (in the first fragment).
 */
export function anyPort(
  packet: Packet,
  first: number,
  last: number | undefined,
  protocol: PortProtocol | undefined,
  direction: Direction,
): Condition {
  const inRange = (port: Value): Condition => {
    if (last === undefined) return packet.equals(port, first);
    const { values } = packet;
    return and(test("jge", port, values.constant(first)), { kind: "not", of: test("jgt", port, values.constant(last)) });
  };
  const of = (carried: Value, wanted: PortProtocol, port: (offset: number) => Value, extra?: Condition): Condition => {
    const ports = directed(
      direction,
      () => inRange(port(0)),
      () => inRange(port(2)),
    );
    const is = packet.equals(carried, IPPROTO[wanted]);
    return and(extra === undefined ? is : and(is, extra), ports);
  };
  const each = (make: (wanted: PortProtocol) => Condition): Condition =>
    protocol === undefined ? or(make("sctp"), or(make("tcp"), make("udp"))) : make(protocol);
  const inIpv6 = each((wanted) => of(packet.network(6, 1), wanted, (offset) => packet.transport6(offset, 2)));
  const inIpv4 = each((wanted) => of(packet.network(9, 1), wanted, (offset) => packet.transport4(offset, 2), packet.firstFragment));
  return or(and(linkCarries(packet, ETHERTYPE.ip6), inIpv6), and(linkCarries(packet, ETHERTYPE.ip), inIpv4));
}

/** What the text of a filter may ask of UDP alone: Geneve's tunnels. */
export function udpDestination(packet: Packet, port: number, version: 4 | 6): Condition {
  if (version === 6) {
    const carried = and(linkCarries(packet, ETHERTYPE.ip6), packet.equals(packet.network(6, 1), IPPROTO.udp));
    return and(carried, packet.equals(packet.transport6(2, 2), port));
  }
  const carried = and(linkCarries(packet, ETHERTYPE.ip), packet.equals(packet.network(9, 1), IPPROTO.udp));
  return and(carried, and(packet.firstFragment, packet.equals(packet.transport4(2, 2), port)));
}
