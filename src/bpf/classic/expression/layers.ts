import type { LoadSize } from "../instruction.ts";
import { and, type Condition, not, test, type Value, type Values } from "./value.ts";

/** What a packet's link-layer header is. `ppp` stands inside PPPoE only. */
export type LinkKind = "ethernet" | "raw" | "ipv4" | "ipv6" | "null" | "loop" | "sll" | "sll2" | "chdlc" | "ppp";

/** An offset in the packet: a constant, behind a value where it is not known in advance. */
export interface Place {
  readonly base: Value | undefined;
  readonly offset: number;
}

const at = (offset: number, base?: Value): Place => ({ base, offset });

/**
 * Where the headers stand that the next primitive is about. vlan, mpls, pppoes and geneve move them for all that is written behind, whether that stands in an
 * alternative or not: pcap-filter(7).
 */
export interface Layers {
  readonly link: LinkKind;
  /** NULL: its 32 bits stand in big endian, the byte order of the capture. */
  readonly bigEndian: boolean;
  readonly linkHeader: Place;
  /** The field that tells the protocol of what follows. */
  readonly linkType: Place;
  /** What the link layer carries, and the network header from there: behind MPLS labels; `noSnap`: behind an 802.2 header without SNAP. */
  readonly payload: Place;
  readonly network: number;
  readonly noSnap: number;
  /** MPLS labels passed. */
  readonly labels: number;
  /** The packet is inside of Geneve, which may carry no Ethernet. */
  readonly inner: boolean;
}

const outermost = (link: LinkKind, linkType: number, payload: number, noSnap = 0): Layers => ({
  link,
  bigEndian: false,
  linkHeader: at(0),
  linkType: at(linkType),
  payload: at(payload),
  network: 0,
  noSnap,
  labels: 0,
  inner: false,
});

/** Layers of a captured packet by LINKTYPE_*; undefined for a link type whose expressions are not known. */
export function layersOf(linkType: number, bigEndian = false): Layers | undefined {
  switch (linkType) {
    case 0:
      return { ...outermost("null", 0, 4), bigEndian };
    case 1:
      return outermost("ethernet", 12, 14, 3);
    case 12:
    case 14:
    case 101:
      return outermost("raw", 0, 0);
    case 104:
      return outermost("chdlc", 2, 4);
    case 108:
      return outermost("loop", 0, 4);
    case 113:
      return outermost("sll", 14, 16);
    case 228:
      return outermost("ipv4", 0, 0);
    case 229:
      return outermost("ipv6", 0, 0);
    case 276:
      return outermost("sll2", 0, 20);
    default:
      return undefined;
  }
}

/** Loads relative to the layers. */
export class Packet {
  readonly values: Values;
  readonly layers: Layers;

  constructor(values: Values, layers: Layers) {
    this.values = values;
    this.layers = layers;
  }

  #load(place: Place, offset: number, size: LoadSize): Value {
    return this.values.load(size, place.offset + offset, place.base);
  }

  linkHeader(offset: number, size: LoadSize): Value {
    return this.#load(this.layers.linkHeader, offset, size);
  }

  get linkType(): Value {
    return this.#load(this.layers.linkType, 0, 2);
  }

  /** The 802.2 header. */
  llc(offset: number, size: LoadSize): Value {
    return this.#load(this.layers.payload, offset, size);
  }

  /** Behind an 802.2 header without SNAP. */
  osi(offset: number, size: LoadSize): Value {
    return this.#load(this.layers.payload, this.layers.noSnap + offset, size);
  }

  get networkPlace(): Place {
    const { payload, network } = this.layers;
    return { base: payload.base, offset: payload.offset + network };
  }

  network(offset: number, size: LoadSize): Value {
    return this.#load(this.networkPlace, offset, size);
  }

  /** Length of the IPv4 header, to which a variable beginning of the network header is added. */
  get ipv4Length(): Value {
    const { base } = this.networkPlace;
    const length = this.ipv4RelativeLength;
    return base === undefined ? length : this.values.operation("add", length, base);
  }

  /** The same from the network header on. */
  get ipv4RelativeLength(): Value {
    const { base, offset } = this.networkPlace;
    const { values } = this;
    if (base === undefined) return values.headerLength(offset);
    const length = values.operation("and", values.load(1, offset, base), values.constant(15));
    return values.operation("mul", length, values.constant(4));
  }

  /** `from` + `offset` bytes behind the beginning of the network header. */
  networkBehind(from: Value, offset: number, size: LoadSize): Value {
    const { base, offset: start } = this.networkPlace;
    return this.values.load(size, start + offset, base === undefined ? from : this.values.operation("add", from, base));
  }

  /** Behind the IPv4 header. `index` is added to the offset. */
  transport4(offset: number, size: LoadSize, index?: Value): Value {
    const base = index === undefined ? this.ipv4Length : this.values.operation("add", this.ipv4Length, index);
    return this.values.load(size, this.networkPlace.offset + offset, base);
  }

  /** Behind the fixed IPv6 header; extension headers are not passed. */
  transport6(offset: number, size: LoadSize): Value {
    return this.network(40 + offset, size);
  }

  equals(value: Value, k: number): Condition {
    return test("jeq", value, this.values.constant(k));
  }

  /** The bits under a mask; a mask of 0 tests nothing. */
  maskedEquals(value: Value, k: number, mask: number): Condition {
    const masked = mask === 0xffffffff ? value : this.values.operation("and", value, this.values.constant(mask));
    return mask === 0 ? { kind: "always", value: k === 0 } : this.equals(masked, k);
  }

  /** Not a fragment but the first. */
  get firstFragment(): Condition {
    return not(test("jset", this.network(6, 2), this.values.constant(0x1fff)));
  }

  /** Whether the field that tells the protocol is a length: an 802.3 frame. */
  get hasLength(): Condition {
    return not(test("jgt", this.linkType, this.values.constant(ETHERMTU)));
  }

  /** An 802.2 SNAP header of this organisation and protocol. */
  snap(organisation: number, protocol: number): Condition {
    const first = (0xaaaa0300 | (organisation >> 16)) >>> 0;
    const second = (((organisation & 0xffff) << 16) | protocol) >>> 0;
    return and(this.equals(this.llc(4, 4), second), this.equals(this.llc(0, 4), first));
  }
}

/** Largest payload of Ethernet; what is more in the place of the length is an EtherType. */
export const ETHERMTU = 1500;
