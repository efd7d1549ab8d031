import {
  RT_TABLE_LOCAL,
  RT_TABLE_MAIN,
  RTN_BLACKHOLE,
  RTN_BROADCAST,
  RTN_LOCAL,
  RTN_MULTICAST,
  RTN_PROHIBIT,
  RTN_THROW,
  RTN_UNICAST,
  RTN_UNREACHABLE,
} from "../layout/index.ts";
import { parseIpAddress, parseMac } from "../packet/index.ts";
import { failure, type Result, success } from "../problem/index.ts";
import { type IpPrefix, parsePrefix } from "./prefix.ts";
import { problems } from "./problems.ts";

/** A route as declared; addresses in network byte order. */
export interface RouteSpec {
  /** What the user wrote, for messages. */
  readonly text: string;
  /** RTN_* */
  readonly type: number;
  readonly prefix: IpPrefix;
  /** RT_TABLE_MAIN or RT_TABLE_LOCAL */
  readonly table: number;
  readonly gateway?: Uint8Array;
  readonly device?: string;
  /** Preferred source address. */
  readonly source?: Uint8Array;
  /** As written; IPv6 takes 1,024 for 0 or none. */
  readonly metric?: number;
  /** Forwarding heeds it only with the lock. */
  readonly mtu?: number;
  readonly mtuLocked?: boolean;
}

/** A neighbour with a usable link-layer address. */
export interface NeighbourSpec {
  readonly text: string;
  readonly address: Uint8Array;
  readonly mac: Uint8Array;
  readonly device: string;
  /** False for states in which the kernel would not use the address (failed, incomplete, none). */
  readonly valid: boolean;
}

const ROUTE_TYPES: ReadonlyMap<string, number> = new Map([
  ["unicast", RTN_UNICAST],
  ["local", RTN_LOCAL],
  ["broadcast", RTN_BROADCAST],
  ["multicast", RTN_MULTICAST],
  ["blackhole", RTN_BLACKHOLE],
  ["unreachable", RTN_UNREACHABLE],
  ["prohibit", RTN_PROHIBIT],
  ["throw", RTN_THROW],
]);

const TABLES: ReadonlyMap<string, number> = new Map([
  ["main", RT_TABLE_MAIN],
  ["254", RT_TABLE_MAIN],
  ["local", RT_TABLE_LOCAL],
  ["255", RT_TABLE_LOCAL],
]);

/** Words that change nothing here: who made the route, how far it reaches, that its gateway need not be on the link. */
const IGNORED_WITH_VALUE = new Set(["proto", "protocol", "scope", "pref"]);
const IGNORED = new Set(["onlink", "pervasive"]);

/** The words of a declaration, taken one after the other; what is wrong is thrown as a string and becomes a problem in one place. */
class Words {
  readonly #words: string[];
  #at = 0;

  constructor(text: string) {
    this.#words = text.split(/\s+/).filter((word) => word !== "");
  }

  take(): string | undefined {
    return this.#words[this.#at++];
  }

  peek(): string | undefined {
    return this.#words[this.#at];
  }

  /** The value behind `keyword`. */
  value(keyword: string): string {
    const word = this.take();
    if (word === undefined) throw `${keyword} needs a value`;
    return word;
  }

  number(keyword: string): number {
    const word = this.value(keyword);
    if (!/^\d+$/.test(word) || Number(word) > 0xffffffff) throw `${keyword} ${word} is no number`;
    return Number(word);
  }

  address(keyword: string): Uint8Array {
    const word = this.value(keyword);
    const address = parseIpAddress(word);
    if (!address) throw `${word} is no IP address`;
    return address;
  }
}

type Draft = { -readonly [Key in keyof RouteSpec]?: RouteSpec[Key] };

function readOption(words: Words, keyword: string, draft: Draft): void {
  switch (keyword) {
    case "via":
      if (words.peek() === "inet" || words.peek() === "inet6") words.take();
      draft.gateway = words.address("via");
      break;
    case "dev":
      draft.device = words.value("dev");
      break;
    case "src":
      draft.source = words.address("src");
      break;
    case "metric":
    case "preference":
    case "priority":
      draft.metric = words.number(keyword);
      break;
    case "mtu":
      draft.mtuLocked = words.peek() === "lock";
      if (draft.mtuLocked) words.take();
      draft.mtu = words.number("mtu");
      break;
    case "table": {
      const name = words.value("table");
      const table = TABLES.get(name);
      if (table === undefined) throw `only the tables main and local are simulated, not ${name}`;
      draft.table = table;
      break;
    }
    default:
      if (IGNORED_WITH_VALUE.has(keyword)) words.value(keyword);
      else if (!IGNORED.has(keyword)) throw `${keyword} is not simulated`;
  }
}

function readRoute(text: string): RouteSpec {
  const words = new Words(text);
  let first = words.take();
  const type = ROUTE_TYPES.get(first ?? "");
  if (type !== undefined) first = words.take();
  if (first === undefined) throw "a prefix is missing";
  const draft: Draft = { table: type === RTN_LOCAL || type === RTN_BROADCAST ? RT_TABLE_LOCAL : RT_TABLE_MAIN };
  for (let keyword = words.take(); keyword !== undefined; keyword = words.take()) readOption(words, keyword, draft);
  const ipv6 = (draft.gateway ?? draft.source)?.length === 16;
  const prefix = parsePrefix(first === "default" ? (ipv6 ? "::/0" : "0.0.0.0/0") : first);
  if (!prefix) throw `${first} is no prefix`;
  if (prefix.address.length === 16 && draft.gateway?.length === 4) throw "an IPv6 route cannot have an IPv4 gateway";
  if (draft.source && draft.source.length !== prefix.address.length) throw "src and prefix are of different families";
  if (type === undefined || type === RTN_UNICAST) {
    if (!draft.device && !draft.gateway) throw "neither via nor dev says where it leads";
  }
  return { ...draft, text, type: type ?? RTN_UNICAST, prefix, table: draft.table! };
}

/** Parses a route in ip-route's grammar, less what is not simulated (several next hops, encapsulation, tables but main and local). */
export function parseRoute(text: string): Result<RouteSpec> {
  try {
    return success(readRoute(text));
  } catch (what) {
    if (typeof what === "string") return failure(problems.route_malformed({ text, what }));
    throw what;
  }
}

/** States in which the kernel holds a neighbour's address for valid (NUD_VALID). include/net/neighbour.h. */
const VALID_STATES = new Set(["permanent", "noarp", "reachable", "probe", "stale", "delay"]);
const OTHER_STATES = new Set(["none", "incomplete", "failed"]);

function readNeighbour(text: string): NeighbourSpec {
  const words = new Words(text);
  let address: Uint8Array | undefined;
  let mac: Uint8Array | undefined;
  let device: string | undefined;
  let valid = true;
  for (let word = words.take(); word !== undefined; word = words.take()) {
    if (word === "lladdr") {
      const value = words.value("lladdr");
      mac = parseMac(value);
      if (!mac) throw `${value} is no MAC address`;
    } else if (word === "dev") device = words.value("dev");
    else if (word === "nud") {
      const state = words.value("nud");
      valid = VALID_STATES.has(state);
      if (!valid && !OTHER_STATES.has(state)) throw `nud ${state} is no state`;
    } else if (word === "to") address = words.address("to");
    else if (!address) {
      address = parseIpAddress(word);
      if (!address) throw `${word} is no IP address`;
    } else if (word !== "router" && word !== "extern_learn") throw `${word} is not simulated`;
  }
  if (!address) throw "an address is missing";
  if (!device) throw "dev DEVICE is missing";
  if (!mac && valid) throw "lladdr MAC is missing";
  return { text, address, mac: mac ?? new Uint8Array(6), device, valid };
}

/** Parses a neighbour in ip-neighbour's grammar. */
export function parseNeighbour(text: string): Result<NeighbourSpec> {
  try {
    return success(readNeighbour(text));
  } catch (what) {
    if (typeof what === "string") return failure(problems.neighbour_malformed({ text, what }));
    throw what;
  }
}
