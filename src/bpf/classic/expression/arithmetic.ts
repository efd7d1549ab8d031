import type { ClassicOperation } from "../instruction.ts";
import type { Packet } from "./layers.ts";
import { ETHERTYPE } from "./linkProtocol.ts";
import type { Expression } from "./problems.ts";
import { abbreviation, IPPROTO, linkCarries } from "./protocols.ts";
import type { Arithmetic, ArithmeticOperator, Relation } from "./syntax.ts";
import { always, and, type Condition, not, test, type Value } from "./value.ts";

/** A number of a packet, and what must hold for it to be there. */
interface Computed {
  readonly value: Value;
  readonly when: Condition;
}

const operations: Readonly<Record<ArithmeticOperator, ClassicOperation>> = {
  "+": "add",
  "-": "sub",
  "*": "mul",
  "/": "div",
  "%": "mod",
  "&": "and",
  "|": "or",
  "^": "xor",
  "<<": "lsh",
  ">>": "rsh",
};

/** Protocols whose header is the one behind the link layer's, and those behind an IPv4 header. */
const networkProtocols: ReadonlySet<string> = new Set([
  "ip",
  "ip6",
  "arp",
  "rarp",
  "atalk",
  "aarp",
  "decnet",
  "lat",
  "sca",
  "moprc",
  "mopdl",
]);
const transportProtocols: ReadonlySet<string> = new Set(["tcp", "udp", "sctp", "icmp", "igmp", "igrp", "pim", "vrrp", "carp"]);

/** EXPR RELATION EXPR. All protocols that the bytes are read from must be there; then the two are compared without sign. */
export function compare(expression: Expression, packet: Packet, relation: Relation, left: Arithmetic, right: Arithmetic): Condition {
  const reader = new Reader(expression, packet);
  const [a, b] = [reader.compute(left), reader.compute(right)];
  const of = { ">": "jgt", ">=": "jge", "=": "jeq", "!=": "jeq", "<": "jge", "<=": "jgt" } as const;
  const holds = test(of[relation], a.value, b.value);
  const negated = relation === "!=" || relation === "<" || relation === "<=";
  return and(a.when, and(b.when, negated ? not(holds) : holds));
}

class Reader {
  readonly #expression: Expression;
  readonly #packet: Packet;

  constructor(expression: Expression, packet: Packet) {
    this.#expression = expression;
    this.#packet = packet;
  }

  compute(from: Arithmetic): Computed {
    const { values } = this.#packet;
    switch (from.kind) {
      case "number":
        return { value: values.constant(from.value), when: always };
      case "length":
        return { value: values.length, when: always };
      case "negate": {
        const of = this.compute(from.of);
        return { value: values.negate(of.value), when: of.when };
      }
      case "binary":
        return this.#binary(from);
      case "load":
        return this.#load(from);
    }
  }

  /** libpcap asks for the protocols of the left operand only; so does this, for the same verdicts. */
  #binary({ operator, left, right }: Arithmetic & { readonly kind: "binary" }): Computed {
    const [a, b] = [this.compute(left), this.compute(right)];
    // What comes to 0, or to more than 31, only when it is computed is no error: libpcap's optimiser may find it out, its filters run without.
    if (right.kind === "number") {
      const k = right.value;
      if ((operator === "/" || operator === "%") && k === 0) throw this.#expression.problem("filter_division", right);
      if ((operator === "<<" || operator === ">>") && k > 31)
        throw this.#expression.problem("filter_number", right, { what: "the shift", value: k, least: 0, most: 31 });
    }
    return { value: this.#packet.values.operation(operations[operator], a.value, b.value), when: a.when };
  }

  #load(load: Arithmetic & { readonly kind: "load" }): Computed {
    const { protocol, size, sizeSpan } = load;
    if (size !== 1 && size !== 2 && size !== 4)
      throw this.#expression.syntax(`${size} bytes cannot be loaded at once`, sizeSpan, "1, 2 or 4");
    const index = this.compute(load.index);
    const packet = this.#packet;
    if (protocol === "ether") {
      const { base, offset } = packet.layers.linkHeader;
      const { values } = packet;
      return {
        value: values.load(size, offset, base === undefined ? index.value : values.operation("add", index.value, base)),
        when: index.when,
      };
    }
    if (networkProtocols.has(protocol)) {
      const is = abbreviation(packet, protocol) ?? always;
      return { value: packet.networkBehind(index.value, 0, size), when: and(index.when, is) };
    }
    if (transportProtocols.has(protocol)) {
      const is = and(abbreviation(packet, protocol) ?? always, packet.firstFragment);
      const when = and(linkCarries(packet, ETHERTYPE.ip), and(index.when, is));
      return { value: packet.transport4(0, size, index.value), when };
    }
    if (protocol === "icmp6") {
      const is = and(linkCarries(packet, ETHERTYPE.ip6), packet.equals(packet.network(6, 1), IPPROTO.icmp6));
      return { value: packet.networkBehind(index.value, 40, size), when: and(index.when, is) };
    }
    throw this.#expression.problem("filter_qualifier", load, {
      qualifier: protocol,
      what: "[offset]: where its header begins is not known",
      todo: "count from ether, ip, ip6, tcp, udp or another with a known place",
    });
  }
}
