import { ancillaryOffset } from "../instruction.ts";
import { compare } from "./arithmetic.ts";
import { carriesLabels, carriesTags, type Entered, enterGeneve, enterMpls, enterPppoe, enterVlan, llcFrame } from "./encapsulation.ts";
import { ethernetHost } from "./hosts.ts";
import { Ids } from "./ids.ts";
import { type Layers, Packet } from "./layers.ts";
import { ETHERTYPE } from "./linkProtocol.ts";
import type { Expression, Span } from "./problems.ts";
import { abbreviation, HiddenProtocol, linkCarries } from "./protocols.ts";
import type { Node } from "./syntax.ts";
import { and, type Condition, not, or, test, type Values } from "./value.ts";

/** skb->pkt_type of what leaves the machine, and the same in Linux cooked headers. include/uapi/linux/if_packet.h. */
const PACKET_OUTGOING = 4;
const BROADCAST = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff];
const ALL_ONES = 0xffffffff;

/** The condition that a tree stands for, on packets with these layers. Primitives that enter a header move the layers for all that is written behind them. */
export function generate(expression: Expression, tree: Node, values: Values, layers: Layers): Condition {
  return new Generator(expression, values, layers).condition(tree);
}

class Generator {
  readonly #expression: Expression;
  readonly #values: Values;
  readonly #ids: Ids;
  #layers: Layers;
  #tunnels = 0;

  constructor(expression: Expression, values: Values, layers: Layers) {
    this.#expression = expression;
    this.#values = values;
    this.#ids = new Ids(expression);
    this.#layers = layers;
  }

  condition(node: Node): Condition {
    switch (node.kind) {
      case "and":
      case "or": {
        const left = this.condition(node.left);
        const right = this.condition(node.right);
        return node.kind === "and" ? and(left, right) : or(left, right);
      }
      case "not":
        return not(this.condition(node.of));
      default:
        return this.#primitive(node);
    }
  }

  #primitive(node: Exclude<Node, { readonly kind: "and" | "or" | "not" }>): Condition {
    const packet = new Packet(this.#values, this.#layers);
    try {
      switch (node.kind) {
        case "relation":
          return compare(this.#expression, packet, node.relation, node.left, node.right);
        case "id":
          return this.#ids.condition(packet, node.id, node.qualifiers);
        case "protocol":
          return this.#protocol(packet, node.name, node);
        case "cast":
          return this.#cast(packet, node);
        case "llc":
          return this.#llc(packet, node);
        case "word":
          return this.#word(packet, node);
      }
    } catch (error) {
      if (!(error instanceof HiddenProtocol)) throw error;
      throw this.#expression.syntax("behind MPLS labels only IPv4 and IPv6 can be told apart", node, "ask for ip or ip6 there");
    }
  }

  #protocol(packet: Packet, name: string, span: Span): Condition {
    const condition = abbreviation(packet, name);
    if (condition !== undefined) return condition;
    throw this.#expression.syntax(`${name} alone is no condition`, span, "put a type or an offset behind it: ether host MAC, ether[0] = 1");
  }

  #foreign(what: string, span: Span): Error {
    const { link } = this.#layers;
    return this.#expression.problem("filter_link", span, {
      what,
      link,
      todo: "leave it out, or write it before what enters other headers",
    });
  }

  #cast(packet: Packet, node: Node & { readonly kind: "cast" }): Condition {
    const { cast, protocol } = node;
    if (protocol === undefined || protocol === "ether") {
      if (packet.layers.link !== "ethernet") throw this.#foreign(cast, node);
      if (cast === "broadcast") return ethernetHost(packet, BROADCAST, "dst");
      return test("jset", packet.linkHeader(0, 1), this.#values.constant(1));
    }
    if (protocol === "ip") {
      const destination = packet.network(16, 4);
      const is = linkCarries(packet, ETHERTYPE.ip);
      if (cast === "multicast") return and(is, test("jge", packet.network(16, 1), this.#values.constant(224)));
      // A capture has no netmask: only the two addresses that are broadcast everywhere are known.
      return and(is, or(packet.equals(destination, 0), packet.equals(destination, ALL_ONES)));
    }
    if (protocol === "ip6" && cast === "multicast") {
      return and(linkCarries(packet, ETHERTYPE.ip6), packet.equals(packet.network(24, 1), 255));
    }
    throw this.#expression.problem("filter_qualifier", node, {
      qualifier: protocol,
      what: cast,
      todo: `write ether ${cast} or ip ${cast}`,
    });
  }

  #llc(packet: Packet, node: Node & { readonly kind: "llc" }): Condition {
    if (packet.layers.link !== "ethernet") throw this.#foreign("llc", node);
    const condition = llcFrame(packet, node.type);
    if (condition !== undefined) return condition;
    const todo = "i, s, u, rr, rnr, rej, ui, ua, disc, sabme, test, xid or frmr";
    throw this.#expression.syntax(`${node.type} is no type of an LLC frame`, node.typeSpan ?? node, todo);
  }

  #word(packet: Packet, node: Node & { readonly kind: "word" }): Condition {
    const { word, number = 0 } = node;
    const constant = this.#values.constant(number);
    switch (word) {
      case "less":
        return not(test("jgt", this.#values.length, constant));
      case "greater":
        return test("jge", this.#values.length, constant);
      case "inbound":
        return not(this.#outbound(packet, node));
      case "outbound":
        return this.#outbound(packet, node);
      case "ifindex":
        return this.#interface(packet, number, node);
      case "pppoed":
        return linkCarries(packet, ETHERTYPE.pppoed);
      default: {
        const { condition, layers } = this.#enter(packet, node);
        this.#layers = layers;
        return condition;
      }
    }
  }

  #enter(packet: Packet, node: Node & { readonly kind: "word" }): Entered {
    const { link, labels } = packet.layers;
    const within = (what: string, most: number): number | undefined => {
      const { number, numberSpan = node } = node;
      if (number === undefined || number <= most) return number;
      throw this.#expression.problem("filter_number", numberSpan, { what, value: number, least: 0, most });
    };
    switch (node.word) {
      case "vlan":
        if (labels > 0) throw this.#expression.syntax("no VLAN tag stands behind an MPLS label", node, "write vlan before mpls");
        if (!carriesTags(link)) throw this.#foreign("vlan", node);
        return enterVlan(packet, within("the VLAN id", 0x0fff));
      case "mpls":
        if (labels === 0 && !carriesLabels(link)) throw this.#foreign("mpls", node);
        return enterMpls(packet, within("the MPLS label", 0xfffff));
      case "pppoes":
        return enterPppoe(packet, within("the PPPoE session", 0xffff));
      default: {
        const network = within("the Geneve network", 0xffffff);
        if (this.#tunnels === MAX_TUNNELS) throw this.#expression.problem("filter_complex", node, { what: `${MAX_TUNNELS} tunnels` });
        return enterGeneve(packet, network, this.#tunnels++);
      }
    }
  }

  #outbound(packet: Packet, span: Span): Condition {
    switch (packet.layers.link) {
      case "sll":
        return packet.equals(this.#values.load(2, 0), PACKET_OUTGOING);
      case "sll2":
        return packet.equals(this.#values.load(1, 10), PACKET_OUTGOING);
      case "ethernet":
        return packet.equals(this.#values.ancillary(ancillaryOffset("type")), PACKET_OUTGOING);
      default:
        throw this.#foreign("the direction of a packet", span);
    }
  }

  #interface(packet: Packet, index: number, span: Span): Condition {
    switch (packet.layers.link) {
      case "sll2":
        return packet.equals(this.#values.load(4, 4), index);
      case "ethernet":
        return packet.equals(this.#values.ancillary(ancillaryOffset("ifidx")), index);
      default:
        throw this.#foreign("ifindex", span);
    }
  }
}

/** Geneve headers within each other: what there are scratch words for. */
const MAX_TUNNELS = 3;
