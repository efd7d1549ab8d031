import {
  CAPTURE_LINK_NULL,
  CAPTURE_LINK_PLAIN,
  CAPTURE_LINK_RAW,
  CAPTURE_LINK_REFUSED,
  CAPTURE_LINK_SLL,
  CAPTURE_LINK_SLL2,
} from "../layout/index.ts";

/** Link types that xdplane understands, by the numbers of tcpdump.org/linktypes.html. */
export const LINKTYPE = { null: 0, ethernet: 1, raw: 101, loop: 108, linuxSll: 113, ipv4: 228, ipv6: 229, linuxSll2: 276 } as const;

/** Numbers that BSD systems wrote for raw IP before LINKTYPE_RAW had one: DLT_RAW. */
const OLD_RAW = [12, 14];

/** Names for messages and dumps, as tcpdump.org has them without LINKTYPE_. */
const NAMES: ReadonlyMap<number, string> = new Map([
  [0, "NULL"],
  [1, "EN10MB"],
  [6, "IEEE802_5"],
  [9, "PPP"],
  [12, "RAW"],
  [14, "RAW"],
  [50, "PPP_HDLC"],
  [51, "PPP_ETHER"],
  [101, "RAW"],
  [104, "C_HDLC"],
  [105, "IEEE802_11"],
  [107, "FRELAY"],
  [108, "LOOP"],
  [113, "LINUX_SLL"],
  [117, "PFLOG"],
  [127, "IEEE802_11_RADIOTAP"],
  [147, "USER0"],
  [187, "BLUETOOTH_HCI_H4"],
  [189, "USB_LINUX"],
  [195, "IEEE802_15_4_WITHFCS"],
  [220, "USB_LINUX_MMAPPED"],
  [227, "CAN_SOCKETCAN"],
  [228, "IPV4"],
  [229, "IPV6"],
  [239, "NFLOG"],
  [242, "IPOIB"],
  [249, "USBPCAP"],
  [253, "NETLINK"],
  [276, "LINUX_SLL2"],
  [284, "DSA_TAG_DSA"],
]);

/** `EN10MB`, or `LINKTYPE 4711`. */
export function linkTypeName(linkType: number): string {
  return NAMES.get(linkType) ?? `LINKTYPE ${linkType}`;
}

export function isEthernet(linkType: number): boolean {
  return linkType === LINKTYPE.ethernet;
}

export function isRawIp(linkType: number): boolean {
  return linkType === LINKTYPE.raw || linkType === LINKTYPE.ipv4 || linkType === LINKTYPE.ipv6 || OLD_RAW.includes(linkType);
}

/** Whether packets of this link type can be given an Ethernet header. */
export function canBecomeEthernet(linkType: number): boolean {
  return convertibleKind(linkType) !== undefined;
}

function convertibleKind(linkType: number): number | undefined {
  if (isRawIp(linkType)) return CAPTURE_LINK_RAW;
  if (linkType === LINKTYPE.linuxSll) return CAPTURE_LINK_SLL;
  if (linkType === LINKTYPE.linuxSll2) return CAPTURE_LINK_SLL2;
  if (linkType === LINKTYPE.null || linkType === LINKTYPE.loop) return CAPTURE_LINK_NULL;
  return undefined;
}

/**
 * What to do with packets that are not Ethernet. `as-is`: hand them out as they are (dump). `refuse`: stop with a Problem at the first. `as-ethernet`: make an
 * Ethernet header where that is possible, else stop.
 */
export type LinkPolicy = "as-is" | "refuse" | "as-ethernet";

/** What the walker does with a link type (CAPTURE_LINK_*), and whether it makes Ethernet headers. */
export function linkTreatment(linkType: number, policy: LinkPolicy): { readonly kind: number; readonly convert: boolean } {
  if (isEthernet(linkType)) return { kind: CAPTURE_LINK_PLAIN, convert: false };
  const kind = convertibleKind(linkType);
  if (policy === "as-is") {
    const cooked = kind === CAPTURE_LINK_SLL || kind === CAPTURE_LINK_SLL2;
    return { kind: cooked ? kind : CAPTURE_LINK_PLAIN, convert: false };
  }
  if (policy === "refuse" || kind === undefined) return { kind: CAPTURE_LINK_REFUSED, convert: false };
  return { kind, convert: true };
}
