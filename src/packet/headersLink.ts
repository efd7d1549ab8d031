/** Views of link-layer headers. Every reader takes the bytes of a frame and gives undefined where they end too early. */
import { formatMac } from "./address.ts";
import { isEthernet, isRawIp, LINKTYPE } from "./linkTypes.ts";
import { ETHERTYPE } from "./numbers.ts";

export interface VlanHeader {
  /** TPID: 0x8100, 0x88a8, … */
  readonly type: number;
  readonly id: number;
  readonly priority: number;
  readonly dropEligible: boolean;
}

/** What a frame's link layer says, of whichever type it is. */
export interface LinkHeader {
  readonly kind: "ethernet" | "cooked" | "loopback" | "raw";
  readonly source?: string;
  readonly destination?: string;
  /** From the outermost in. */
  readonly vlans: readonly VlanHeader[];
  /** EtherType of the payload; below 1,536 a length (IEEE 802.3). */
  readonly type: number;
  /** Offset of the payload. */
  readonly end: number;
}

const TAGS: readonly number[] = [ETHERTYPE.vlan, ETHERTYPE.serviceVlan, ETHERTYPE.oldServiceVlan];
/** Address families of loopback headers: IPv4, and IPv6 as Linux, NetBSD, FreeBSD and macOS number it. */
const FAMILIES: ReadonlyMap<number, number> = new Map([
  [2, ETHERTYPE.ipv4],
  [10, ETHERTYPE.ipv6],
  [24, ETHERTYPE.ipv6],
  [28, ETHERTYPE.ipv6],
  [30, ETHERTYPE.ipv6],
]);

/** The link-layer header of a captured frame; undefined when it is cut off, or the link type is none that xdplane reads. */
export function readLink(bytes: Uint8Array, linkType: number): LinkHeader | undefined {
  if (isEthernet(linkType)) return readEthernet(bytes);
  if (isRawIp(linkType)) return readRaw(bytes);
  if (linkType === LINKTYPE.linuxSll || linkType === LINKTYPE.linuxSll2) return readCooked(bytes, linkType);
  if (linkType === LINKTYPE.null || linkType === LINKTYPE.loop) return readLoopback(bytes);
  return undefined;
}

export function readEthernet(bytes: Uint8Array): LinkHeader | undefined {
  if (bytes.length < 14) return undefined;
  const tagged = readTags(bytes, 12);
  if (tagged === undefined) return undefined;
  return { kind: "ethernet", destination: formatMac(bytes, 0), source: formatMac(bytes, 6), ...tagged };
}

/** VLAN tags and the EtherType behind them; `at`: where the first TPID or the EtherType stands. */
function readTags(bytes: Uint8Array, at: number): Pick<LinkHeader, "vlans" | "type" | "end"> | undefined {
  const vlans: VlanHeader[] = [];
  for (;;) {
    if (bytes.length < at + 2) return undefined;
    const type = word(bytes, at);
    if (!TAGS.includes(type)) return { vlans, type, end: at + 2 };
    if (bytes.length < at + 4) return undefined;
    const tci = word(bytes, at + 2);
    vlans.push({ type, id: tci & 0xfff, priority: tci >> 13, dropEligible: (tci & 0x1000) !== 0 });
    at += 4;
  }
}

function readRaw(bytes: Uint8Array): LinkHeader | undefined {
  const type = typeByVersion(bytes, 0);
  return type === undefined ? undefined : { kind: "raw", vlans: [], type, end: 0 };
}

function typeByVersion(bytes: Uint8Array, at: number): number | undefined {
  const version = (bytes[at] ?? 0) >> 4;
  return version === 4 ? ETHERTYPE.ipv4 : version === 6 ? ETHERTYPE.ipv6 : undefined;
}

/** Linux cooked capture, versions 1 (16 bytes) and 2 (20 bytes). tcpdump.org: LINKTYPE_LINUX_SLL, LINKTYPE_LINUX_SLL2. */
function readCooked(bytes: Uint8Array, linkType: number): LinkHeader | undefined {
  const first = linkType === LINKTYPE.linuxSll;
  const length = first ? 16 : 20;
  if (bytes.length < length) return undefined;
  const addressLength = first ? word(bytes, 4) : (bytes[11] ?? 0);
  const tagged = first ? readTags(bytes, 14) : readTagsBehind(bytes, word(bytes, 0), length);
  if (tagged === undefined) return undefined;
  return { kind: "cooked", ...(addressLength === 6 ? { source: formatMac(bytes, first ? 6 : 12) } : {}), ...tagged };
}

/** Version 2 has the EtherType at its beginning; tags, if it is one, follow the header. */
function readTagsBehind(bytes: Uint8Array, type: number, at: number): Pick<LinkHeader, "vlans" | "type" | "end"> | undefined {
  if (!TAGS.includes(type)) return { vlans: [], type, end: at };
  if (bytes.length < at + 4) return undefined;
  const tci = word(bytes, at);
  const inner = readTags(bytes, at + 2);
  if (inner === undefined) return undefined;
  return { ...inner, vlans: [{ type, id: tci & 0xfff, priority: tci >> 13, dropEligible: (tci & 0x1000) !== 0 }, ...inner.vlans] };
}

/** Four bytes of address family, in the byte order of the machine that captured, or in network order. */
function readLoopback(bytes: Uint8Array): LinkHeader | undefined {
  if (bytes.length < 4) return undefined;
  const big = word(bytes, 0) * 65536 + word(bytes, 2);
  const little = (bytes[3] ?? 0) * 2 ** 24 + (bytes[2] ?? 0) * 65536 + (bytes[1] ?? 0) * 256 + (bytes[0] ?? 0);
  const type = FAMILIES.get(Math.min(big, little)) ?? typeByVersion(bytes, 4);
  return type === undefined ? undefined : { kind: "loopback", vlans: [], type, end: 4 };
}

/** The 16-bit number at `at`, network order. */
export function word(bytes: Uint8Array, at: number): number {
  return ((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0);
}

/** The 32-bit number at `at`, network order, unsigned. */
export function doubleWord(bytes: Uint8Array, at: number): number {
  return word(bytes, at) * 65536 + word(bytes, at + 2);
}
