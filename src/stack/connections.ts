import {
  AF_INET,
  AF_INET6,
  IPPROTO_TCP,
  IPPROTO_UDP,
  IPS_ASSURED,
  IPS_CONFIRMED,
  IPS_DST_NAT,
  IPS_DST_NAT_DONE,
  IPS_OFFLOAD,
  IPS_SEEN_REPLY,
  IPS_SRC_NAT,
  IPS_SRC_NAT_DONE,
  NF_CT_DEFAULT_ZONE_DIR,
} from "../layout/index.ts";
import { formatIpAddress, parseIpAddress } from "../packet/index.ts";
import { failure, type Result, success } from "../problem/index.ts";
import { problems } from "./problems.ts";

/** A flow in one direction: addresses in network byte order, both of one family. */
export interface FlowTuple {
  readonly src: Uint8Array;
  readonly dst: Uint8Array;
  readonly sport: number;
  readonly dport: number;
}

/** A tracked connection, as declared. */
export interface ConnectionSpec {
  /** What the user wrote, for messages. */
  readonly text: string;
  /** IPPROTO_TCP or IPPROTO_UDP. */
  readonly protocol: number;
  /** Seconds until it expires, from the capture's first packet on. */
  readonly timeout: number;
  readonly original: FlowTuple;
  /** What replies look like: the original the other way round, unless addresses are translated. */
  readonly reply: FlowTuple;
  /** IPS_* */
  readonly status: number;
  /** enum tcp_conntrack; 0 for UDP. */
  readonly state: number;
  readonly mark: number;
  readonly secmark: number;
  readonly zone: number;
  /** Directions in which the zone counts: 1 the original, 2 the reply, 3 both. */
  readonly zoneDirections: number;
}

/** States of TCP with their number and the seconds that Linux gives them. include/uapi/linux/netfilter/nf_conntrack_tcp.h, nf_conntrack_proto_tcp.c. */
const TCP_STATES: ReadonlyMap<string, { readonly number: number; readonly timeout: number }> = new Map([
  ["NONE", { number: 0, timeout: 120 }],
  ["SYN_SENT", { number: 1, timeout: 120 }],
  ["SYN_RECV", { number: 2, timeout: 60 }],
  ["ESTABLISHED", { number: 3, timeout: 432_000 }],
  ["FIN_WAIT", { number: 4, timeout: 120 }],
  ["CLOSE_WAIT", { number: 5, timeout: 60 }],
  ["LAST_ACK", { number: 6, timeout: 30 }],
  ["TIME_WAIT", { number: 7, timeout: 120 }],
  ["CLOSE", { number: 8, timeout: 10 }],
  ["SYN_SENT2", { number: 9, timeout: 120 }],
]);
const UDP_TIMEOUT = 30;
const UDP_STREAM_TIMEOUT = 120;

const PROTOCOLS: ReadonlyMap<string, number> = new Map([
  ["tcp", IPPROTO_TCP],
  ["udp", IPPROTO_UDP],
]);
const ZONES: ReadonlyMap<string, number> = new Map([
  ["zone", NF_CT_DEFAULT_ZONE_DIR],
  ["zone-orig", 1],
  ["zone-reply", 2],
]);
/** What conntrack -L prints beside, and which changes nothing here. */
const IGNORED = new Set(["use", "packets", "bytes", "secctx", "id", "delta-time", "labels"]);

type Ends = { -readonly [Key in keyof FlowTuple]?: FlowTuple[Key] };

/** What stands before `src=`: the protocol with its number, the seconds, the state. */
function readBeginning(words: string[]): { protocol: number; seconds: number | undefined; state: string | undefined } {
  // /proc/net/nf_conntrack names the network layer first.
  if (/^ipv[46]$/.test(words[0] ?? "")) {
    words.shift();
    if (/^\d+$/.test(words[0] ?? "")) words.shift();
  }
  const protocol = PROTOCOLS.get(words.shift() ?? "");
  if (protocol === undefined) throw "it begins with tcp or udp";
  const numbers: number[] = [];
  while (/^\d+$/.test(words[0] ?? "")) numbers.push(Number(words.shift()));
  // Of two numbers the first is the protocol's.
  if (numbers.length > 2 || (numbers.length === 2 && numbers[0] !== protocol)) throw `${numbers.join(" ")} is no number of seconds`;
  const state = protocol === IPPROTO_TCP && TCP_STATES.has(words[0] ?? "") ? words.shift() : undefined;
  return { protocol, seconds: numbers.at(-1), state };
}

function readNumber(name: string, value: string, limit: number): number {
  const number = /^(0x[0-9a-fA-F]{1,8}|\d{1,10})$/.test(value) ? Number(value) : Number.NaN;
  if (!(number <= limit)) throw `${name}=${value} is no number up to ${limit}`;
  return number;
}

function readEnd(ends: Ends, name: keyof FlowTuple, value: string): void {
  if (name === "sport" || name === "dport") ends[name] = readNumber(name, value, 65535);
  else {
    const address = parseIpAddress(value);
    if (!address) throw `${value} is no IP address`;
    ends[name] = address;
  }
}

function wholeTuple(ends: Ends): FlowTuple {
  const { src, dst, sport, dport } = ends;
  const missing = (["src", "dst", "sport", "dport"] as const).find((name) => ends[name] === undefined);
  if (!src || !dst || sport === undefined || dport === undefined) throw `${missing}= is missing`;
  if (src.length !== dst.length) throw "its ends are of different families";
  return { src, dst, sport, dport };
}

const inverted = ({ src, dst, sport, dport }: FlowTuple): FlowTuple => ({ src: dst, dst: src, sport: dport, dport: sport });

const sameEnd = (a: Uint8Array, aPort: number, b: Uint8Array, bPort: number): boolean =>
  aPort === bPort && a.every((byte, index) => byte === b[index]);

/** Which addresses are translated shows in the replies. Linux notes that it has seen to both directions as soon as it has to one. */
function translation(original: FlowTuple, reply: FlowTuple): number {
  const source = sameEnd(original.src, original.sport, reply.dst, reply.dport) ? 0 : IPS_SRC_NAT;
  const target = sameEnd(original.dst, original.dport, reply.src, reply.sport) ? 0 : IPS_DST_NAT;
  return source | target ? source | target | IPS_SRC_NAT_DONE | IPS_DST_NAT_DONE : 0;
}

type Draft = { -readonly [Key in "mark" | "secmark" | "zone" | "zoneDirections"]: ConnectionSpec[Key] };

/** One `NAME=VALUE` that belongs to no direction. */
function readField(draft: Draft, name: string, value: string): void {
  const directions = ZONES.get(name);
  if (directions !== undefined) Object.assign(draft, { zone: readNumber(name, value, 65535), zoneDirections: directions });
  else if (name === "mark" || name === "secmark") draft[name] = readNumber(name, value, 0xffffffff);
  else if (!IGNORED.has(name)) throw `${name}= is not known`;
}

function readConnection(text: string): ConnectionSpec {
  const words = text.trim().split(/\s+/);
  const { protocol, seconds, state } = readBeginning(words);
  const directions: Ends[] = [{}];
  const flags = new Set<string>();
  const draft: Draft = { mark: 0, secmark: 0, zone: 0, zoneDirections: NF_CT_DEFAULT_ZONE_DIR };
  for (const word of words) {
    const flag = /^\[([A-Z_]+)\]$/.exec(word)?.[1];
    const [name = "", value = ""] = word.split("=", 2);
    if (flag !== undefined) flags.add(flag);
    else if (name === "src" || name === "dst" || name === "sport" || name === "dport") {
      if (directions.at(-1)![name] !== undefined) directions.push({});
      readEnd(directions.at(-1)!, name, value);
    } else if (word.includes("=")) readField(draft, name, value);
    else throw `${word} is not known`;
  }
  for (const flag of flags) if (!["UNREPLIED", "ASSURED", "OFFLOAD"].includes(flag)) throw `[${flag}] is not known`;
  if (directions.length > 2) throw "it has more than two directions";
  const original = wholeTuple(directions[0]!);
  const reply = directions[1] === undefined ? inverted(original) : wholeTuple(directions[1]);
  if (reply.src.length !== original.src.length) throw "its directions are of different families";
  const isAssured = flags.has("ASSURED");
  const tcp = TCP_STATES.get(state ?? "NONE")!;
  const usual = protocol === IPPROTO_TCP ? tcp.timeout : isAssured ? UDP_STREAM_TIMEOUT : UDP_TIMEOUT;
  const status =
    IPS_CONFIRMED |
    translation(original, reply) |
    (flags.has("UNREPLIED") ? 0 : IPS_SEEN_REPLY) |
    (isAssured ? IPS_ASSURED : 0) |
    (flags.has("OFFLOAD") ? IPS_OFFLOAD : 0);
  return { text, protocol, timeout: seconds ?? usual, original, reply, status, state: tcp.number, ...draft };
}

/**
 * Parses a connection as `conntrack -L` or /proc/net/nf_conntrack prints it: `tcp 6 431999 ESTABLISHED src=… dst=… sport=… dport=… src=… dst=… sport=… dport=… [ASSURED]
 * mark=0 use=1`. The protocol's number, seconds, state, second direction and all behind it may be left out.
 */
export function parseConnection(text: string): Result<ConnectionSpec> {
  try {
    return success(readConnection(text));
  } catch (what) {
    if (typeof what === "string") return failure(problems.connection_malformed({ text, what }));
    throw what;
  }
}

export const familyNumber = (tuple: FlowTuple): number => (tuple.src.length === 16 ? AF_INET6 : AF_INET);

const describeFlow = ({ src, dst, sport, dport }: FlowTuple): string =>
  `src=${formatIpAddress(src)} dst=${formatIpAddress(dst)} sport=${sport} dport=${dport}`;

/** A connection as `conntrack -L` prints it, and `parseConnection` reads it. */
export function formatConnection({
  protocol,
  timeout,
  state,
  original,
  reply,
  status,
  mark,
  secmark,
  zone,
  ...rest
}: ConnectionSpec): string {
  const isTcp = protocol === IPPROTO_TCP;
  const zoneName = [...ZONES].find(([, directions]) => directions === rest.zoneDirections)?.[0] ?? "zone";
  return [
    `${isTcp ? "tcp" : "udp"} ${protocol} ${timeout}`,
    ...(isTcp ? [[...TCP_STATES].find(([, { number }]) => number === state)?.[0] ?? "NONE"] : []),
    describeFlow(original),
    ...(status & IPS_SEEN_REPLY ? [] : ["[UNREPLIED]"]),
    describeFlow(reply),
    ...(status & IPS_ASSURED ? ["[ASSURED]"] : []),
    ...(status & IPS_OFFLOAD ? ["[OFFLOAD]"] : []),
    `mark=${mark}`,
    ...(secmark === 0 ? [] : [`secmark=${secmark}`]),
    ...(zone === 0 ? [] : [`${zoneName}=${zone}`]),
  ].join(" ");
}
