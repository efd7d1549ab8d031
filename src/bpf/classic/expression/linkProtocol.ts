import type { Packet } from "./layers.ts";
import { always, and, type Condition, never, or } from "./value.ts";

/** EtherTypes, and service access points of 802.2, which are below 256. */
export const ETHERTYPE = {
  ip: 0x0800,
  arp: 0x0806,
  moprc: 0x6002,
  mopdl: 0x6001,
  decnet: 0x6003,
  lat: 0x6004,
  sca: 0x6007,
  rarp: 0x8035,
  atalk: 0x809b,
  aarp: 0x80f3,
  vlan: 0x8100,
  ipx: 0x8137,
  ip6: 0x86dd,
  mpls: 0x8847,
  pppoed: 0x8863,
  pppoes: 0x8864,
  serviceVlan: 0x88a8,
  oldQinq: 0x9100,
} as const;
export const SAP = { ip: 0x06, stp: 0x42, ipx: 0xe0, netbeui: 0xf0, iso: 0xfe } as const;

/** AF_INET, and AF_INET6 as macOS, NetBSD and OpenBSD, and FreeBSD number it: what BSD's loopback headers hold. */
const AF_INET = [2];
const AF_INET6 = [30, 24, 28];
/** The protocol field of Linux cooked captures where no EtherType stands. include/uapi/linux/if_ether.h: ETH_P_802_3, ETH_P_802_2. */
const COOKED_802_3 = 1;
const COOKED_802_2 = 4;

/** Protocol numbers of PPP for EtherTypes and SAPs; what has none stays as it is. */
const pppProtocols: ReadonlyMap<number, number> = new Map([
  [ETHERTYPE.ip, 0x21],
  [ETHERTYPE.ip6, 0x57],
  [ETHERTYPE.decnet, 0x27],
  [ETHERTYPE.atalk, 0x29],
  [ETHERTYPE.mpls, 0x281],
  [SAP.iso, 0x23],
  [SAP.stp, 0x31],
  [ETHERTYPE.ipx, 0x2b],
  [SAP.ipx, 0x2b],
]);

/** The link layer carries this protocol, an EtherType or a SAP. Undefined where its header cannot say so: behind MPLS labels. */
export function carries(packet: Packet, protocol: number): Condition | undefined {
  const { layers } = packet;
  if (layers.labels > 0) return behindLabels(packet, protocol);
  switch (layers.link) {
    case "ethernet":
      return onEthernet(packet, protocol);
    case "sll":
    case "sll2":
      return onCooked(packet, protocol);
    case "ppp":
      return packet.equals(packet.linkType, pppProtocols.get(protocol) ?? protocol);
    case "raw":
      return byVersion(packet, protocol) ?? never;
    case "ipv4":
      return protocol === ETHERTYPE.ip ? always : never;
    case "ipv6":
      return protocol === ETHERTYPE.ip6 ? always : never;
    case "chdlc":
      return packet.equals(packet.linkType, protocol === SAP.iso ? SAP.iso * 0x101 : protocol);
    case "null":
    case "loop":
      return onLoopback(packet, protocol);
  }
}

/** The last label, and the version of IP in front of which it stands: nothing else tells. */
function behindLabels(packet: Packet, protocol: number): Condition | undefined {
  const version = byVersion(packet, protocol);
  if (version === undefined) return undefined;
  const { values } = packet;
  return and(packet.equals(values.operation("and", packet.network(-2, 1), values.constant(1)), 1), version);
}

function byVersion(packet: Packet, protocol: number): Condition | undefined {
  const version = protocol === ETHERTYPE.ip ? 0x40 : protocol === ETHERTYPE.ip6 ? 0x60 : undefined;
  return version === undefined ? undefined : packet.maskedEquals(packet.network(0, 1), version, 0xf0);
}

const bothSaps = (packet: Packet, sap: number): Condition => packet.equals(packet.llc(0, 2), sap * 0x101);

function onEthernet(packet: Packet, protocol: number): Condition {
  const type = packet.equals(packet.linkType, protocol);
  switch (protocol) {
    case SAP.iso:
    case SAP.ip:
    case SAP.netbeui:
      return and(packet.hasLength, bothSaps(packet, protocol));
    case SAP.ipx: {
      // Four encapsulations: EtherType, SNAP, 802.2, and 802.3 without 802.2, whose checksum field is all ones.
      const plain = or(packet.equals(packet.llc(0, 1), SAP.ipx), packet.equals(packet.llc(0, 2), 0xffff));
      return or(packet.equals(packet.linkType, ETHERTYPE.ipx), and(packet.hasLength, or(packet.snap(0, ETHERTYPE.ipx), plain)));
    }
    case ETHERTYPE.atalk:
      return or(type, and(packet.hasLength, packet.snap(0x080007, protocol)));
    case ETHERTYPE.aarp:
      return or(type, and(packet.hasLength, packet.snap(0, protocol)));
    default:
      return protocol > 1500 ? type : and(packet.hasLength, packet.equals(packet.llc(0, 1), protocol));
  }
}

function onCooked(packet: Packet, protocol: number): Condition {
  const type = packet.equals(packet.linkType, protocol);
  const llc = packet.equals(packet.linkType, COOKED_802_2);
  switch (protocol) {
    case SAP.iso:
    case SAP.ip:
    case SAP.netbeui:
      return and(llc, bothSaps(packet, protocol));
    case SAP.ipx: {
      const inLlc = and(llc, or(packet.equals(packet.llc(0, 1), SAP.ipx), packet.snap(0, ETHERTYPE.ipx)));
      return or(packet.equals(packet.linkType, ETHERTYPE.ipx), or(packet.equals(packet.linkType, COOKED_802_3), inLlc));
    }
    case ETHERTYPE.atalk:
      return or(type, and(llc, packet.snap(0x080007, protocol)));
    case ETHERTYPE.aarp:
      return or(type, and(llc, packet.snap(0, protocol)));
    default:
      return protocol > 1500 ? type : and(llc, packet.equals(packet.llc(0, 1), protocol));
  }
}

function onLoopback(packet: Packet, protocol: number): Condition {
  const families = protocol === ETHERTYPE.ip ? AF_INET : protocol === ETHERTYPE.ip6 ? AF_INET6 : [];
  // LOOP is in network order, NULL in that of the machine that captured.
  const swapped = packet.layers.link === "null" && !packet.layers.bigEndian;
  return families
    .map((family) => packet.equals(packet.linkHeader(0, 4), swapped ? (family << 24) >>> 0 : family))
    .reduce((all, one) => or(all, one), never);
}
