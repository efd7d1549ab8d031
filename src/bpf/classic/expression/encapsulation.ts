import type { Layers, LinkKind, Packet, Place } from "./layers.ts";
import { ETHERTYPE } from "./linkProtocol.ts";
import { udpDestination } from "./ports.ts";
import { CHAIN_SLOTS, linkCarries } from "./protocols.ts";
import { always, and, type Condition, choice, never, not, or, type Value } from "./value.ts";

/** A condition, and the layers for what is written behind it. */
export interface Entered {
  readonly condition: Condition;
  readonly layers: Layers;
}

const moved = ({ base, offset }: Place, by: number): Place => ({ base, offset: offset + by });

/** A VLAN tag in the frame, of any of the three types, perhaps with this id. Behind it everything is 4 bytes farther. */
export function enterVlan(packet: Packet, id: number | undefined): Entered {
  const tagged = or(
    or(linkCarries(packet, ETHERTYPE.vlan), linkCarries(packet, ETHERTYPE.serviceVlan)),
    linkCarries(packet, ETHERTYPE.oldQinq),
  );
  const { layers } = packet;
  const condition = id === undefined ? tagged : and(tagged, packet.maskedEquals(packet.llc(layers.network, 2), id, 0x0fff));
  return { condition, layers: { ...layers, linkType: moved(layers.linkType, 4), payload: moved(layers.payload, 4) } };
}

/** An MPLS label: the first behind its EtherType, another where the one before was not the last. */
export function enterMpls(packet: Packet, label: number | undefined): Entered {
  const { layers } = packet;
  const follows = layers.labels > 0 ? packet.maskedEquals(packet.network(-2, 1), 0, 0x01) : linkCarries(packet, ETHERTYPE.mpls);
  const condition =
    label === undefined ? follows : and(follows, packet.maskedEquals(packet.network(0, 4), (label << 12) >>> 0, 0xfffff000));
  return { condition, layers: { ...layers, network: layers.network + 4, noSnap: layers.noSnap + 4, labels: layers.labels + 1 } };
}

/** A PPPoE session. Behind its header of 6 bytes stands PPP, which is the link layer from here on. */
export function enterPppoe(packet: Packet, session: number | undefined): Entered {
  const { layers } = packet;
  const follows = linkCarries(packet, ETHERTYPE.pppoes);
  const condition = session === undefined ? follows : and(follows, packet.maskedEquals(packet.network(0, 4), session, 0x0000ffff));
  const start = moved(layers.payload, layers.network + 6);
  return {
    condition,
    layers: { ...layers, link: "ppp", linkHeader: start, linkType: start, payload: moved(start, 2), network: 0, noSnap: 0 },
  };
}

/** Scratch words that a Geneve header's places are kept in. Several tunnels within each other need more. */
const GENEVE_SLOTS = 3;
const GENEVE_PORT = 6081;
/** Protocol type of Geneve for Ethernet frames. RFC 8926. */
const TRANSPARENT_ETHERNET = 0x6558;

/**
 * A Geneve tunnel in UDP over IPv4 or IPv6, perhaps of this network. Its options make what it carries stand at a place that only the packet tells: the places are
 * kept in scratch words. `nesting`: Geneve headers entered before.
 */
export function enterGeneve(packet: Packet, network: number | undefined, nesting: number): Entered {
  const { values } = packet;
  const version = values.nextVersion();
  const slots = CHAIN_SLOTS + nesting * GENEVE_SLOTS;
  const [type, header, payload] = [0, 1, 2].map((slot) => values.scratch(slots + slot, version)) as [Value, Value, Value];
  const keep = (slot: number, value: Value, after: Condition): Condition => ({ kind: "store", slot: slots + slot, version, value, after });
  const plus = (value: Value, k: number): Value => values.operation("add", value, values.constant(k));
  const through = (version: 4 | 6): Condition => {
    const start = version === 4 ? plus(packet.ipv4Length, packet.networkPlace.offset + 8) : plus(behindIpv6(packet), 8);
    const byte = (offset: number): Value => values.load(1, offset, start);
    const units = values.operation("and", byte(0), values.constant(0x3f));
    const inner = plus(values.operation("add", values.operation("mul", units, values.constant(4)), start), 8);
    const carriesEthernet = packet.equals(values.load(2, 2, start), TRANSPARENT_ETHERNET);
    const asEthernet = keep(0, plus(header, 12), keep(2, plus(header, 14), always));
    const asItself = keep(0, plus(start, 2), keep(2, header, always));
    const places = keep(1, inner, choice(carriesEthernet, asEthernet, asItself));
    const known = packet.maskedEquals(byte(0), 0, 0xc0);
    const wanted = network === undefined ? always : packet.maskedEquals(values.load(4, 4, start), (network << 8) >>> 0, 0xffffff00);
    return and(udpDestination(packet, GENEVE_PORT, version), and(known, and(wanted, places)));
  };
  // Where there is no tunnel, what is asked of its inside looks at the frame itself.
  const zero = values.constant(0);
  const outside = keep(0, zero, keep(1, zero, keep(2, zero, never)));
  const layers: Layers = {
    ...packet.layers,
    link: "ethernet",
    linkHeader: { base: header, offset: 0 },
    linkType: { base: type, offset: 0 },
    payload: { base: payload, offset: 0 },
    network: 0,
    noSnap: 3,
    labels: 0,
    inner: true,
  };
  return { condition: or(or(through(4), through(6)), outside), layers };
}

function behindIpv6(packet: Packet): Value {
  const { base, offset } = packet.networkPlace;
  const { values } = packet;
  return base === undefined ? values.constant(offset + 40) : values.operation("add", base, values.constant(offset + 40));
}

const llcTypes: Readonly<Record<string, { readonly value: number; readonly mask: number }>> = {
  s: { value: 0x01, mask: 0x03 },
  rr: { value: 0x01, mask: 0x0f },
  rnr: { value: 0x05, mask: 0x0f },
  rej: { value: 0x09, mask: 0x0f },
  u: { value: 0x03, mask: 0x03 },
  ui: { value: 0x03, mask: 0xef },
  ua: { value: 0x63, mask: 0xef },
  disc: { value: 0x43, mask: 0xef },
  sabme: { value: 0x6f, mask: 0xef },
  test: { value: 0xe3, mask: 0xef },
  xid: { value: 0xaf, mask: 0xef },
  frmr: { value: 0x87, mask: 0xef },
};

/** An 802.2 frame, perhaps of this type; undefined for a type that there is none of. */
export function llcFrame(packet: Packet, type: string | undefined): Condition | undefined {
  // 802.3 without 802.2, as NetWare wrote it, begins with a checksum of all ones.
  const is = and(packet.hasLength, not(packet.equals(packet.llc(0, 2), 0xffff)));
  if (type === undefined) return is;
  const control = packet.llc(2, 1);
  if (type === "i") return and(is, packet.maskedEquals(control, 0, 0x01));
  const known = llcTypes[type];
  return known === undefined ? undefined : and(is, packet.maskedEquals(control, known.value, known.mask));
}

/** Link layers that can carry VLAN tags and MPLS labels. */
export const carriesTags = (link: LinkKind): boolean => link === "ethernet";
export const carriesLabels = (link: LinkKind): boolean => link === "ethernet" || link === "ppp" || link === "chdlc";
