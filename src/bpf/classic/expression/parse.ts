import type { Expression, Span } from "./problems.ts";
import type { Arithmetic, ArithmeticOperator, Direction, Id, IdType, Node, Qualifiers, Relation } from "./syntax.ts";
import { type Token, tokens } from "./token.ts";

/** Keywords that name a protocol, and may stand before a type, a direction, or brackets. */
const protocols: ReadonlySet<string> = new Set(
  "ether ip ip6 arp rarp tcp udp sctp icmp icmp6 igmp igrp pim vrrp carp ah esp atalk aarp decnet lat sca moprc mopdl iso esis isis l1 l2 iih lsp snp csnp psnp stp ipx netbeui radio".split(
    " ",
  ),
);
const types: ReadonlySet<string> = new Set(["host", "net", "port", "portrange"]);
const ownTypes: ReadonlySet<string> = new Set(["proto", "protochain", "gateway"]);
/** Words that take a number, must take one, or take none. */
const numbered: Readonly<Record<string, "may" | "must" | "none">> = {
  less: "must",
  greater: "must",
  ifindex: "must",
  vlan: "may",
  mpls: "may",
  pppoes: "may",
  geneve: "may",
  pppoed: "none",
  inbound: "none",
  outbound: "none",
};
/** Link types that Ethernet is none of: their primitives are known by name only. */
const foreign =
  /^(wlan|type|subtype|dir|direction|addr(ess)?\d|ra|ta|ifname|on|rset|ruleset|rnum|rulenum|srnum|subrulenum|reason|action|lane|metac|bcc|oam|oamf4|ilmic|connectmsg|metaconnect|vpi|vci|h?sio|h?opc|h?dpc|h?sls|fisu|lssu|lsu|msu|hfisu|hlssu|hmsu)$/;

const levels: Readonly<Record<string, number>> = { "|": 1, "&": 2, "<<": 3, ">>": 3, "+": 4, "-": 4, "*": 5, "/": 5 };
/** libpcap's grammar gives these no precedence: they take their left operand before any other operator does, and all that follows as their right one. */
const greedy: ReadonlySet<string> = new Set(["%", "^"]);
const TIGHTEST = 6;
const relations: ReadonlySet<string> = new Set([">", ">=", "=", "==", "!=", "<", "<="]);
/** Parentheses and signs within each other, and conditions that are joined. */
const MAX_DEPTH = 200;
const MAX_JOINS = 4096;

/**
 * A condition with the qualifiers that an id behind it would take over, or an arithmetic expression that no relation followed. `bare`: it is made of ids that took
 * over theirs.
 */
type Item =
  | { readonly kind: "condition"; readonly node: Node; readonly qualifiers: Qualifiers | undefined; readonly bare: boolean }
  | { readonly kind: "arithmetic"; readonly value: Arithmetic };
type ConditionItem = Extract<Item, { kind: "condition" }>;

/**
 * The tree of an expression in the grammar of pcap-filter(7); undefined for an empty one. `and` and `or` bind alike, from left to right, and `not` binds tighter. A
 * number or parenthesis may begin an id or arithmetic: what follows it decides.
 */
export function parse(expression: Expression): Node | undefined {
  return new Parser(expression).whole();
}

class Parser {
  readonly #expression: Expression;
  readonly #tokens: readonly Token[];
  #at = 0;
  #depth = 0;
  #joins = 0;

  constructor(expression: Expression) {
    this.#expression = expression;
    this.#tokens = tokens(expression);
  }

  whole(): Node | undefined {
    if (this.#peek().kind === "end") return undefined;
    const { node } = this.#sequence(this.#condition(this.#item(undefined), undefined));
    const rest = this.#peek();
    if (rest.kind !== "end") throw this.#unexpected(rest, "what stands before is complete", "join conditions with and, or");
    return node;
  }

  #peek(ahead = 0): Token {
    return this.#tokens[Math.min(this.#at + ahead, this.#tokens.length - 1)]!;
  }

  #take(): Token {
    const token = this.#peek();
    this.#at++;
    return token;
  }

  #is(text: string, ahead = 0): boolean {
    const token = this.#peek(ahead);
    return (token.kind === "word" || token.kind === "sign") && token.text === text;
  }

  #accept(text: string): boolean {
    const is = this.#is(text);
    if (is) this.#at++;
    return is;
  }

  #join(): "and" | "or" {
    const token = this.#take();
    if (++this.#joins > MAX_JOINS) throw this.#expression.problem("filter_complex", token, { what: `more than ${MAX_JOINS} conditions` });
    return token.text as "and" | "or";
  }

  #expect(text: string): Token {
    if (!this.#is(text)) throw this.#unexpected(this.#peek(), `"${text}" is missing`);
    return this.#take();
  }

  #unexpected(token: Token, what: string, todo?: string): Error {
    const found = token.kind === "end" ? "the expression ends" : `"${token.text}" cannot stand here`;
    return this.#expression.syntax(`${found}: ${what}`, token, todo);
  }

  #nested<T>(make: () => T): T {
    if (++this.#depth > MAX_DEPTH)
      throw this.#expression.problem("filter_complex", this.#peek(), { what: `${MAX_DEPTH} levels of nesting` });
    try {
      return make();
    } finally {
      this.#depth--;
    }
  }

  /** The items behind the first, joined from left to right. */
  #sequence(first: ConditionItem, onlyBare = false): ConditionItem {
    let { node, qualifiers } = first;
    while (this.#is("and") || this.#is("or")) {
      const kind = this.#join();
      const start = this.#peek();
      const next = this.#condition(this.#item(qualifiers), qualifiers);
      if (onlyBare && !next.bare) throw this.#unexpected(start, "only ids are listed in these parentheses");
      node = { kind, left: node, right: next.node, from: node.from, to: next.node.to };
      qualifiers = next.qualifiers;
    }
    return { kind: "condition", node, qualifiers, bare: onlyBare };
  }

  /** A lone number is an id: its qualifiers are those of the id before it. */
  #condition(item: Item, qualifiers: Qualifiers | undefined): ConditionItem {
    if (item.kind === "condition") return item;
    const { value } = item;
    if (value.kind !== "number")
      throw this.#expression.syntax("this is a number, not a condition", value, "compare it with another: EXPR = EXPR");
    return this.#idItem({ kind: "number", value: value.value, from: value.from, to: value.to }, qualifiers);
  }

  #idItem(id: Id, qualifiers: Qualifiers | undefined): ConditionItem {
    if (qualifiers === undefined) {
      const text = this.#expression.text.slice(id.from, id.to);
      throw this.#expression.syntax(`nothing says what "${text}" is`, id, "put host, net, port or proto before it");
    }
    return { kind: "condition", node: { kind: "id", qualifiers, id, from: id.from, to: id.to }, qualifiers, bare: true };
  }

  #item(qualifiers: Qualifiers | undefined): Item {
    const start = this.#peek();
    if (this.#accept("not")) {
      const inner = this.#nested(() => this.#condition(this.#item(qualifiers), qualifiers));
      return { ...inner, node: { kind: "not", of: inner.node, from: start.from, to: inner.node.to } };
    }
    const begun = this.#operand(qualifiers);
    if (begun.kind === "condition") return begun;
    const left = this.#binary(begun.value, 1);
    const sign = this.#peek();
    if (sign.kind !== "sign" || !relations.has(sign.text)) return { kind: "arithmetic", value: left };
    this.#take();
    const right = this.#arithmetic();
    const relation = (sign.text === "==" ? "=" : sign.text) as Relation;
    const node: Node = { kind: "relation", relation, left, right, from: left.from, to: right.to };
    return done(node);
  }

  /** A primitive, or the first operand of arithmetic. */
  #operand(qualifiers: Qualifiers | undefined): Item {
    const token = this.#peek();
    if (this.#is("(")) return this.#nested(() => this.#parenthesis(qualifiers));
    if (token.kind === "number" || this.#is("len") || this.#is("-")) return { kind: "arithmetic", value: this.#unary() };
    if (token.kind === "word" && protocols.has(token.text) && this.#is("[", 1)) return { kind: "arithmetic", value: this.#unary() };
    if (token.kind === "word") return this.#primitive();
    if (token.kind === "sign" || token.kind === "end") throw this.#unexpected(token, "a condition is missing");
    return this.#idItem(this.#id(), qualifiers);
  }

  #parenthesis(qualifiers: Qualifiers | undefined): Item {
    const open = this.#expect("(");
    const first = this.#item(qualifiers);
    if (first.kind === "arithmetic" && !this.#is("and") && !this.#is("or")) {
      const close = this.#expect(")");
      return { kind: "arithmetic", value: { ...first.value, from: open.from, to: close.to } };
    }
    const begun = this.#condition(first, qualifiers);
    const inside = this.#sequence(begun, begun.bare);
    const close = this.#expect(")");
    const node = { ...inside.node, from: open.from, to: close.to };
    return { ...inside, node, qualifiers: begun.bare ? qualifiers : undefined };
  }

  #arithmetic(): Arithmetic {
    return this.#binary(this.#unary(), 1);
  }

  /** Operators of at least this level, behind an operand. */
  #binary(first: Arithmetic, least: number): Arithmetic {
    let left = first;
    for (;;) {
      const sign = this.#peek();
      const all = sign.kind === "sign" && greedy.has(sign.text);
      const level = sign.kind === "sign" ? (levels[sign.text] ?? 0) : 0;
      if (!all && level < least) return left;
      this.#take();
      const right = this.#nested(() => this.#binary(this.#unary(), all ? 1 : level + 1));
      left = { kind: "binary", operator: sign.text as ArithmeticOperator, left, right, from: left.from, to: right.to };
    }
  }

  #unary(): Arithmetic {
    const token = this.#take();
    const span = { from: token.from, to: token.to };
    if (token.kind === "number") return { kind: "number", value: token.value, ...span };
    if (token.kind === "word" && token.text === "len") return { kind: "length", ...span };
    if (token.kind === "word" && protocols.has(token.text) && this.#is("[")) return this.#load(token);
    if (token.kind === "sign" && token.text === "-") {
      const of = this.#nested(() => this.#binary(this.#unary(), TIGHTEST));
      return { kind: "negate", of, from: token.from, to: of.to };
    }
    if (token.kind === "sign" && token.text === "(") {
      const inside = this.#nested(() => this.#arithmetic());
      const close = this.#expect(")");
      return { ...inside, from: token.from, to: close.to };
    }
    throw this.#unexpected(token, "a number is missing", "write a number, len, or PROTO[OFFSET:SIZE]");
  }

  #load(protocol: Token): Arithmetic {
    this.#expect("[");
    const index = this.#nested(() => this.#arithmetic());
    let size = 1;
    let sizeSpan: Span = protocol;
    if (this.#accept(":")) {
      const token = this.#take();
      if (token.kind !== "number") throw this.#unexpected(token, "the number of bytes is missing", "1, 2 or 4");
      size = token.value;
      sizeSpan = token;
    }
    const close = this.#expect("]");
    return { kind: "load", protocol: protocol.text, index, size, sizeSpan, from: protocol.from, to: close.to };
  }

  /** What begins with a keyword. */
  #primitive(): Item {
    const first = this.#peek();
    const protocol = protocols.has(first.text) ? this.#take().text : undefined;
    const next = this.#peek();
    if (next.kind === "word") {
      if (next.text === "broadcast" || next.text === "multicast") {
        this.#take();
        return done({ kind: "cast", cast: next.text, protocol, from: first.from, to: next.to });
      }
      if (next.text === "src" || next.text === "dst" || types.has(next.text) || ownTypes.has(next.text)) return this.#qualified(protocol);
      if (protocol === undefined) return this.#word();
    }
    if (protocol === undefined) throw this.#unexpected(next, "a condition is missing");
    return done({ kind: "protocol", name: protocol, from: first.from, to: first.to });
  }

  /** An id with direction and type, of which at least one stands here. */
  #qualified(protocol: string | undefined): Item {
    const direction = this.#direction();
    const token = this.#peek();
    let type: IdType = "host";
    if (token.kind === "word" && (types.has(token.text) || (ownTypes.has(token.text) && direction === "either"))) {
      type = this.#take().text as IdType;
    }
    const qualifiers = { protocol, direction, type };
    return { ...this.#ids(qualifiers), bare: false };
  }

  /** What qualifiers stand before: an id, not an id, or several in parentheses. */
  #ids(qualifiers: Qualifiers): ConditionItem {
    const { from, text, value, kind, to } = this.#peek();
    if (this.#accept("not")) {
      const inner = this.#nested(() => this.#ids(qualifiers));
      return { ...inner, node: { kind: "not", of: inner.node, from, to: inner.node.to } };
    }
    if (this.#accept("(")) {
      let inner = this.#nested(() => this.#ids(qualifiers));
      while (this.#is("and") || this.#is("or")) {
        const joined = this.#join();
        const right = this.#ids(qualifiers).node;
        inner = { ...inner, node: { kind: joined, left: inner.node, right, from: inner.node.from, to: right.to } };
      }
      const close = this.#expect(")");
      return { ...inner, node: { ...inner.node, from, to: close.to } };
    }
    if (kind !== "number") {
      if (kind === "word")
        throw this.#unexpected(this.#peek(), "an address, number or name is missing", `to mean the name, write \\${text}`);
      return this.#idItem(this.#id(), qualifiers);
    }
    this.#take();
    return this.#idItem({ kind: "number", value, from, to }, qualifiers);
  }

  #direction(): Direction {
    if (!this.#is("src") && !this.#is("dst")) return "either";
    const first = this.#take().text as "src" | "dst";
    const other = first === "src" ? "dst" : "src";
    if (!(this.#is("or") || this.#is("and")) || !this.#is(other, 1)) return first;
    const joined = this.#take().text;
    this.#take();
    return joined === "or" ? "either" : "both";
  }

  #word(): Item {
    const token = this.#take();
    const { text: word, from, to } = token;
    const rule = numbered[word];
    if (rule !== undefined) {
      const number = rule === "none" ? undefined : this.#plainNumber();
      if (number === undefined && rule === "must") throw this.#unexpected(this.#peek(), `${word} wants a number`);
      if (number === undefined) return done({ kind: "word", word, from, to });
      return done({ kind: "word", word, number: number.value, numberSpan: number, from, to: number.to });
    }
    if (word === "llc") {
      const type = this.#peek();
      if (type.kind !== "name") return done({ kind: "llc", from, to });
      this.#take();
      return done({ kind: "llc", type: type.text, typeSpan: type, from, to: type.to });
    }
    if (foreign.test(word)) {
      throw this.#expression.problem("filter_link", token, { what: word, link: "Ethernet", todo: "leave it out" });
    }
    throw this.#unexpected(token, "it stands behind a protocol or an id only");
  }

  /** NUM, perhaps in parentheses. */
  #plainNumber(): { readonly value: number; readonly from: number; readonly to: number } | undefined {
    let depth = 0;
    while (this.#is("(", depth)) depth++;
    const token = this.#peek(depth);
    if (token.kind !== "number") return undefined;
    this.#at += depth + 1;
    let { to } = token;
    for (let open = depth; open > 0; open--) to = this.#expect(")").to;
    return { value: token.value, from: token.from, to };
  }

  #id(): Id {
    const token = this.#take();
    const { kind, text, from, to } = token;
    if (kind === "dotted" && this.#accept("/")) {
      const length = this.#take();
      if (length.kind !== "number") throw this.#unexpected(length, "the length of the network is missing", "as in 192.0.2.0/24");
      return { kind, text, mask: length.value, from, to: length.to };
    }
    if (kind === "dotted" && this.#accept("mask")) {
      const mask = this.#take();
      if (mask.kind !== "dotted") throw this.#unexpected(mask, "a mask is missing", "as in 255.255.255.0");
      return { kind, text, mask: mask.text, from, to: mask.to };
    }
    if (kind === "ip6" && this.#accept("/")) {
      const length = this.#take();
      if (length.kind !== "number") throw this.#unexpected(length, "the length of the network is missing", "as in 2001:db8::/32");
      return { kind, text, mask: length.value, from, to: length.to };
    }
    if (kind === "dotted" || kind === "ip6" || kind === "mac" || kind === "name") return { kind, text, from, to };
    throw this.#unexpected(token, "an address or a name is missing");
  }
}

const done = (node: Node): ConditionItem => ({ kind: "condition", node, qualifiers: undefined, bare: false });
