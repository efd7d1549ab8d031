import { maskOf, parseDotted, parseEthernet, parseIpv6 } from "./address.ts";
import { decnetHost, ethernetHost, hostProtocols, ipv4Host, ipv6Host } from "./hosts.ts";
import type { Packet } from "./layers.ts";
import { ETHERTYPE } from "./linkProtocol.ts";
import { ipProtocols, isoProtocols, linkProtocols, services } from "./names.ts";
import { anyPort, type PortProtocol } from "./ports.ts";
import type { Expression, Span } from "./problems.ts";
import { chainOverIpv4, chainOverIpv6, linkCarries, overIp, overIpv4, overIpv6, overIsis, overIso } from "./protocols.ts";
import type { Id, Qualifiers } from "./syntax.ts";
import { type Condition, or } from "./value.ts";

/** What an id means with its qualifiers. */
export class Ids {
  readonly #expression: Expression;

  constructor(expression: Expression) {
    this.#expression = expression;
  }

  condition(packet: Packet, id: Id, qualifiers: Qualifiers): Condition {
    switch (qualifiers.type) {
      case "host":
      case "net":
        return this.#host(packet, id, qualifiers);
      case "port":
      case "portrange":
        return this.#port(packet, id, qualifiers);
      case "proto":
      case "protochain":
        return this.#protocol(packet, id, qualifiers);
      case "gateway":
        throw this.#expression.syntax(
          "gateway needs a machine's Ethernet and IP address from /etc/ethers and /etc/hosts",
          id,
          "write ether host MAC and not host ADDRESS",
        );
    }
  }

  #text({ from, to }: Span): string {
    return this.#expression.text.slice(from, to);
  }

  #misfit(id: Id, qualifiers: Qualifiers, what: string, todo: string): Error {
    return this.#expression.problem("filter_qualifier", id, { qualifier: qualifiers.protocol ?? qualifiers.type, what, todo });
  }

  #host(packet: Packet, id: Id, qualifiers: Qualifiers): Condition {
    const { protocol, direction, type } = qualifiers;
    switch (id.kind) {
      case "mac":
        if (protocol !== "ether" || type !== "host")
          throw this.#misfit(id, { ...qualifiers, protocol }, "an Ethernet address", "write ether host, ether src or ether dst");
        if (packet.layers.link !== "ethernet") throw this.#noEthernet(packet, id);
        return ethernetHost(packet, parseEthernet(id.text), direction);
      case "ip6":
        return this.#ipv6(packet, id, qualifiers);
      case "name":
        throw this.#expression.problem("filter_host_name", id, { name: id.text });
      default: {
        if (protocol === "ether")
          throw this.#misfit(id, qualifiers, "this address", "write an Ethernet address, as in ether host 02:00:00:00:00:01");
        if (protocol === "decnet") return decnetHost(packet, linkCarries(packet, ETHERTYPE.decnet), this.#decnetAddress(id), direction);
        const network = this.#ipv4Network(id, type);
        if (protocol === undefined) return this.#anyHost(packet, network, direction);
        if (protocol !== "ip" && protocol !== "arp" && protocol !== "rarp")
          throw this.#misfit(id, qualifiers, "an IPv4 address", "leave it out, or join it: tcp and host ADDRESS");
        return ipv4Host(packet, linkCarries(packet, hostProtocols[protocol]), protocol, network, direction);
      }
    }
  }

  /** In IPv4, ARP and RARP; behind MPLS labels only IPv4 can be told. */
  #anyHost(packet: Packet, network: { readonly address: number; readonly mask: number }, direction: Qualifiers["direction"]): Condition {
    const inIp = ipv4Host(packet, linkCarries(packet, ETHERTYPE.ip), "ip", network, direction);
    if (packet.layers.labels > 0) return inIp;
    const inArp = ipv4Host(packet, linkCarries(packet, ETHERTYPE.arp), "arp", network, direction);
    return or(or(inIp, inArp), ipv4Host(packet, linkCarries(packet, ETHERTYPE.rarp), "rarp", network, direction));
  }

  #noEthernet(packet: Packet, span: Span): Error {
    return this.#expression.problem("filter_link", span, { what: "an Ethernet address", link: packet.layers.link, todo: "leave it out" });
  }

  #ipv4Network(
    id: Id & { readonly kind: "dotted" | "number" },
    type: Qualifiers["type"],
  ): { readonly address: number; readonly mask: number } {
    if (id.kind === "number") {
      // A network is moved up until its first byte is not 0.
      let shift = 0;
      while (type === "net" && id.value !== 0 && shift < 24 && id.value < 2 ** (24 - shift)) shift += 8;
      return { address: (id.value * 2 ** shift) >>> 0, mask: (0xffffffff << shift) >>> 0 };
    }
    const parsed = this.#dotted(id.text, id);
    if (id.mask === undefined) return { address: parsed.address, mask: maskOf(parsed.bits) };
    if (type !== "net") throw this.#misfit(id, { protocol: undefined, direction: "either", type }, "a mask", "write net");
    const mask = typeof id.mask === "string" ? this.#dotted(id.mask, id).address : this.#maskLength(id.mask, 32, id);
    if ((parsed.address & ~mask) !== 0) throw this.#expression.problem("filter_network_bits", id, { address: this.#text(id) });
    return { address: parsed.address, mask };
  }

  #maskLength(length: number, most: number, span: Span): number {
    if (length > most) throw this.#expression.problem("filter_number", span, { what: "the mask's length", value: length, least: 0, most });
    return maskOf(Math.min(length, 32));
  }

  /** Fewer than four numbers are the beginning of an address. */
  #dotted(text: string, span: Span): { readonly address: number; readonly bits: number } {
    const parsed = parseDotted(text);
    if (parsed === undefined) throw this.#expression.syntax(`${text} is no IPv4 address`, span, "each number is at most 255");
    return { address: (parsed.value * 2 ** (32 - parsed.bits)) >>> 0, bits: parsed.bits };
  }

  #ipv6(packet: Packet, id: Id & { readonly kind: "ip6" }, qualifiers: Qualifiers): Condition {
    const { protocol, direction, type } = qualifiers;
    if (protocol !== undefined && protocol !== "ip6") throw this.#misfit(id, qualifiers, "an IPv6 address", "write ip6, or leave it out");
    const length = id.mask ?? 128;
    this.#maskLength(length, 128, id);
    if (type !== "net" && length !== 128) throw this.#misfit(id, { ...qualifiers, protocol: undefined }, "a mask", "write net");
    const address = parseIpv6(id.text)!;
    const mask = address.map((_, index) => maskOf(Math.max(0, Math.min(32, length - index * 32))));
    if (address.some((word, index) => (word & ~mask[index]!) !== 0))
      throw this.#expression.problem("filter_network_bits", id, { address: this.#text(id) });
    return ipv6Host(packet, linkCarries(packet, ETHERTYPE.ip6), address, mask, direction);
  }

  /** AREA.NODE, 6 and 10 bits. */
  #decnetAddress(id: Id & { readonly kind: "dotted" | "number" }): number {
    if (id.kind === "number") return id.value;
    const [area = 0, node = 0, ...rest] = id.text.split(".").map(Number);
    if (rest.length > 0 || area > 63 || node > 1023 || id.mask !== undefined)
      throw this.#expression.syntax(`${this.#text(id)} is no DECnet address`, id, "write AREA.NODE, as in 10.15");
    return (area << 10) | node;
  }

  #port(packet: Packet, id: Id, qualifiers: Qualifiers): Condition {
    const { protocol, direction, type } = qualifiers;
    if (protocol !== undefined && protocol !== "tcp" && protocol !== "udp" && protocol !== "sctp")
      throw this.#misfit(id, qualifiers, "a port", "write tcp, udp or sctp, or leave it out");
    if (id.kind === "number") return anyPort(packet, this.#portNumber(id.value, id), undefined, protocol, direction);
    if (id.kind !== "name")
      throw this.#misfit(id, { ...qualifiers, protocol: type }, "an address", "write a number or the name of a service");
    if (type === "port") {
      const { port, protocols } = this.#service(id.text, id, protocol);
      return anyPort(packet, port, undefined, protocols, direction);
    }
    const dash = this.#rangeOf(id);
    const [first, last] = dash.map((part) => this.#rangeEnd(part, id, protocol)) as [RangeEnd, RangeEnd];
    const protocols = protocol ?? (first.protocols === last.protocols ? first.protocols : undefined);
    return anyPort(packet, Math.min(first.port, last.port), Math.max(first.port, last.port), protocols, direction);
  }

  #portNumber(value: number, span: Span): number {
    if (value > 0xffff) throw this.#expression.problem("filter_number", span, { what: "the port", value, least: 0, most: 65535 });
    return value;
  }

  /** The two ends of `80-90`, `ftp-data-ssh`; names may have dashes themselves. */
  #rangeOf(id: Id & { readonly kind: "name" }): readonly [string, string] {
    const parts = id.text.split("-");
    const known = (text: string) => /^\d+$/.test(text) || services.has(text);
    for (let at = 1; at < parts.length; at++) {
      const [first, last] = [parts.slice(0, at).join("-"), parts.slice(at).join("-")];
      if (known(first) && known(last)) return [first, last];
    }
    if (services.has(id.text)) return [id.text, id.text];
    throw this.#expression.syntax(`${id.text} is no range of ports`, id, "write FIRST-LAST, as in 8000-8100");
  }

  #rangeEnd(text: string, id: Id, protocol: PortProtocol | undefined): RangeEnd {
    if (/^\d+$/.test(text)) return { port: this.#portNumber(Number(text), id), protocols: undefined };
    return this.#service(text, id, protocol);
  }

  /** A service's port, and the protocols that have it: TCP, UDP, or undefined for all. */
  #service(name: string, span: Id, protocol: PortProtocol | undefined): RangeEnd {
    const service = services.get(name);
    if (service === undefined) throw this.#expression.problem("filter_name", span, { kind: "service", name });
    const only = service.tcp && service.udp ? undefined : service.tcp ? "tcp" : "udp";
    if (protocol !== undefined && only !== undefined && protocol !== only)
      throw this.#expression.problem("filter_qualifier", span, {
        qualifier: protocol,
        what: `${name}, which is a service of ${only}`,
        todo: `write ${only} port ${name}`,
      });
    return { port: service.port, protocols: protocol ?? only };
  }

  #protocol(packet: Packet, id: Id, { protocol, type }: Qualifiers): Condition {
    const qualifiers: Qualifiers = { protocol, direction: "either", type };
    if (id.kind !== "number" && id.kind !== "name")
      throw this.#misfit(id, { ...qualifiers, protocol: type }, "an address", "write a protocol's number or name");
    const names = protocol === "ether" ? linkProtocols : protocol === "iso" ? isoProtocols : ipProtocols;
    const number = id.kind === "number" ? id.value : names.get(id.text);
    if (number === undefined)
      throw this.#expression.problem("filter_name", id, { kind: `protocol of ${protocol ?? "ip"}`, name: this.#text(id) });
    if (type === "protochain") {
      if (protocol === undefined) return or(chainOverIpv4(packet, number), chainOverIpv6(packet, number));
      if (protocol === "ip") return chainOverIpv4(packet, number);
      if (protocol === "ip6") return chainOverIpv6(packet, number);
      throw this.#misfit(id, qualifiers, "protochain", "write ip, ip6, or leave it out");
    }
    switch (protocol) {
      case undefined:
        return overIp(packet, number);
      case "ether":
        return linkCarries(packet, number);
      case "ip":
        return overIpv4(packet, number);
      case "ip6":
        return overIpv6(packet, number);
      case "iso":
        return overIso(packet, number);
      case "isis":
        return overIsis(packet, number);
      default:
        throw this.#misfit(id, qualifiers, "proto: it carries no protocol with a number", "write ether, ip, ip6, iso or isis");
    }
  }
}

interface RangeEnd {
  readonly port: number;
  readonly protocols: PortProtocol | undefined;
}
