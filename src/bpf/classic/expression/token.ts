import { parseIpv6 } from "./address.ts";
import { constants } from "./names.ts";
import type { Expression, Span } from "./problems.ts";

export type TokenKind = "word" | "name" | "number" | "dotted" | "ip6" | "mac" | "sign" | "end";

/**
 * A token of an expression. `word`: a keyword, in its main spelling. `name`: any other identifier, and keywords behind a backslash. `dotted`: numbers with dots, an
 * IPv4 address or the beginning of one. `value`: of numbers, constants included.
 */
export interface Token extends Span {
  readonly kind: TokenKind;
  readonly text: string;
  readonly value: number;
}

/** Keywords by spelling. libpcap's scanner knows some by several. */
const keywords: ReadonlyMap<string, string> = new Map(
  [
    "src dst host net mask port portrange proto protochain gateway less greater broadcast multicast inbound outbound ifindex",
    "vlan mpls pppoed pppoes geneve llc arp rarp ip sctp tcp udp icmp igmp igrp pim vrrp carp radio ip6 icmp6 ah esp atalk aarp decnet lat sca",
    "moprc mopdl iso esis isis clnp l1 l2 iih lsp snp csnp psnp stp ipx netbeui",
    "wlan type subtype dir direction addr1 addr2 addr3 addr4 address1 address2 address3 address4 ra ta",
    "ifname on rset ruleset rnum rulenum srnum subrulenum reason action lane metac bcc oam oamf4 ilmic connectmsg metaconnect vpi vci sio opc dpc sls fisu lssu lsu msu hfisu hlssu hmsu hsio hopc hdpc hsls",
  ]
    .join(" ")
    .split(" ")
    .map((word): [string, string] => [word, word]),
);
const spellings: ReadonlyMap<string, string> = new Map([
  ...keywords,
  ...["ether", "link", "fddi", "tr", "ppp", "slip"].map((word): [string, string] => [word, "ether"]),
  ["and", "and"],
  ["or", "or"],
  ["not", "not"],
  ["len", "len"],
  ["length", "len"],
  ["es-is", "esis"],
  ["is-is", "isis"],
]);
const symbols: ReadonlyMap<string, string> = new Map([
  ["&&", "and"],
  ["||", "or"],
  ["!", "not"],
]);

const space = /[ \t\r\n]+/y;
const sign = /&&|\|\||>=|<=|!=|==|<<|>>|[!()[\]:/+\-*%&|^<>=]/y;
const word = /[A-Za-z0-9](?:[-_.A-Za-z0-9]*[.A-Za-z0-9])?/y;
const escaped = /\\([^ !()\n\t]+)/y;
const colons = /[0-9A-Fa-f:.]+/y;
const dotted = /^(?:0x[0-9a-f]+|\d+)(?:\.(?:0x[0-9a-f]+|\d+)){1,3}$/i;
const number = /^(?:0x[0-9a-f]+|\d+)$/i;
/** Three groups of four digits are a MAC address even where all are decimal; so are twelve digits. */
const mac = /^[0-9a-f]{1,2}(?:([:.-])[0-9a-f]{1,2})(?:\1[0-9a-f]{1,2}){4}$|^[0-9a-f]{4}\.[0-9a-f]{4}\.[0-9a-f]{4}$|^[0-9a-f]{12}$/i;

/** Splits an expression as libpcap's scanner does: the longest reading wins, so `len-14` is one name. */
export function tokens(expression: Expression): Token[] {
  const { text } = expression;
  const found: Token[] = [];
  for (let at = 0; ; ) {
    at += matched(space, text, at)?.length ?? 0;
    if (at >= text.length) break;
    const token = tokenAt(expression, at);
    found.push(token);
    at = token.to;
  }
  return [...found, { kind: "end", text: "", value: 0, from: text.length, to: text.length }];
}

function matched(pattern: RegExp, text: string, at: number): string | undefined {
  pattern.lastIndex = at;
  return pattern.exec(text)?.[0];
}

function tokenAt(expression: Expression, at: number): Token {
  const { text } = expression;
  const make = (kind: TokenKind, spelled: string, value = 0, name = spelled): Token => ({
    kind,
    text: name,
    value,
    from: at,
    to: at + spelled.length,
  });
  const address = matched(colons, text, at) ?? "";
  const identifier = matched(word, text, at) ?? "";
  if (address.includes(":") && address.length > identifier.length) {
    if (mac.test(address)) return make("mac", address);
    // What follows a port-like colon in brackets is no address: ip[0:2].
    if (parseIpv6(address) !== undefined) return make("ip6", address);
  }
  if (identifier !== "") {
    if (mac.test(identifier)) return make("mac", identifier);
    if (number.test(identifier)) return make("number", identifier, numberValue(expression, identifier, at));
    if (dotted.test(identifier)) return make("dotted", identifier);
    const keyword = spellings.get(identifier);
    if (keyword !== undefined) return make("word", identifier, 0, keyword);
    const constant = constants.get(identifier);
    if (constant !== undefined) return make("number", identifier, constant);
    return make("name", identifier);
  }
  const quoted = matched(escaped, text, at);
  if (quoted !== undefined) return make("name", quoted, 0, quoted.slice(1));
  const symbol = matched(sign, text, at);
  if (symbol === undefined) {
    const character = String.fromCodePoint(text.codePointAt(at) ?? 0);
    throw expression.syntax(`${JSON.stringify(character)} has no meaning here`, { from: at, to: at + character.length });
  }
  const logical = symbols.get(symbol);
  return logical === undefined ? make("sign", symbol) : make("word", symbol, 0, logical);
}

/** Decimal, hexadecimal with 0x, octal with a leading 0. */
function numberValue(expression: Expression, digits: string, at: number): number {
  const span = { from: at, to: at + digits.length };
  const octal = /^0\d/.test(digits);
  if (octal && /[89]/.test(digits)) throw expression.syntax(`${digits} begins with 0, so it is octal, and has a digit 8 or 9`, span);
  const value = octal ? Number.parseInt(digits, 8) : Number(digits);
  if (value > 0xffffffff)
    throw expression.problem("filter_number", span, { what: "the number", value: digits, least: 0, most: "4294967295" });
  return value;
}
