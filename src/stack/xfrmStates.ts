import { XFRM_MODE_BEET, XFRM_MODE_ROUTEOPTIMIZATION, XFRM_MODE_TRANSPORT, XFRM_MODE_TUNNEL, XFRM_STATE_ESN } from "../layout/index.ts";
import { parseIpAddress } from "../packet/index.ts";
import { failure, type Result, success } from "../problem/index.ts";
import { type IpPrefix, parsePrefix } from "./prefix.ts";
import { problems } from "./problems.ts";

/** Whose packets a state is for. */
export interface XfrmSelector {
  readonly src?: IpPrefix;
  readonly dst?: IpPrefix;
  readonly protocol?: number;
  readonly sport?: number;
  readonly dport?: number;
}

/** A security association, as declared; addresses in network byte order. */
export interface XfrmStateSpec {
  /** What the user wrote, for messages. */
  readonly text: string;
  readonly src: Uint8Array;
  readonly dst: Uint8Array;
  /** IPPROTO_ESP, IPPROTO_AH or IPPROTO_COMP. */
  readonly protocol: number;
  readonly spi: number;
  readonly reqid?: number;
  /** XFRM_MODE_*: transport unless said. */
  readonly mode?: number;
  /** Sequence numbers that may come late. */
  readonly replayWindow?: number;
  /** XFRM_STATE_* */
  readonly flags?: number;
  readonly mark?: { readonly value: number; readonly mask: number };
  readonly ifId?: number;
  readonly selector?: XfrmSelector;
  readonly limits?: Readonly<Partial<Record<XfrmLimit, bigint>>>;
  readonly seq?: number;
  readonly oseq?: number;
}

const LIMITS = ["byte-soft", "byte-hard", "packet-soft", "packet-hard"] as const;
export type XfrmLimit = (typeof LIMITS)[number];

const PROTOCOLS: ReadonlyMap<string, number> = new Map([
  ["esp", 50],
  ["ah", 51],
  ["comp", 108],
]);
const SELECTED: ReadonlyMap<string, number> = new Map([
  ...PROTOCOLS,
  ["icmp", 1],
  ["tcp", 6],
  ["udp", 17],
  ["ipv6-icmp", 58],
  ["sctp", 132],
]);
const MODES: ReadonlyMap<string, number> = new Map([
  ["transport", XFRM_MODE_TRANSPORT],
  ["tunnel", XFRM_MODE_TUNNEL],
  ["ro", XFRM_MODE_ROUTEOPTIMIZATION],
  ["beet", XFRM_MODE_BEET],
]);
/** include/uapi/linux/xfrm.h: XFRM_STATE_* of struct xfrm_usersa_info. */
const FLAGS: ReadonlyMap<string, number> = new Map([
  ["noecn", 1],
  ["decap-dscp", 2],
  ["nopmtudisc", 4],
  ["wildrecv", 8],
  ["icmp", 16],
  ["af-unspec", 32],
  ["align4", 64],
  ["esn", XFRM_STATE_ESN],
]);
/** Keys and compression, with how many words follow: programs read the packets only. */
const ALGORITHMS: ReadonlyMap<string, number> = new Map([
  ["enc", 2],
  ["auth", 2],
  ["auth-trunc", 3],
  ["aead", 3],
  ["comp", 1],
]);
/** include/uapi/linux/xfrm.h: XFRMA_REPLAY_ESN_MAX. */
const LONGEST_WINDOW = 4096;

type Draft = { -readonly [Key in keyof XfrmStateSpec]?: XfrmStateSpec[Key] };

/** Words of a declaration, taken one after the other. */
class Words {
  readonly #words: string[];

  constructor(text: string) {
    // Commas stand between the numbers of an anti-replay context.
    this.#words = text.split(/[\s,]+/).filter((word) => word !== "");
  }

  peek(): string | undefined {
    return this.#words[0];
  }

  take(): string | undefined {
    return this.#words.shift();
  }

  value(keyword: string): string {
    const word = this.take();
    if (word === undefined) throw `${keyword} needs a value`;
    return word;
  }

  number(keyword: string, limit = 0xffffffff): number {
    const word = this.value(keyword);
    const number = /^(0x[0-9a-fA-F]+|\d+)$/.test(word) ? Number(word) : Number.NaN;
    if (!(number <= limit)) throw `${keyword} ${word} is no number up to ${limit}`;
    return number;
  }

  named(keyword: string, names: ReadonlyMap<string, number>): number {
    const word = this.value(keyword);
    const number = names.get(word);
    if (number === undefined) throw `${keyword} ${word} is not known`;
    return number;
  }

  address(keyword: string): Uint8Array {
    const word = this.value(keyword);
    const address = parseIpAddress(word);
    if (!address) throw `${word} is no IP address`;
    return address;
  }
}

function readSelector(words: Words): XfrmSelector {
  const selector: { -readonly [Key in keyof XfrmSelector]: XfrmSelector[Key] } = {};
  for (let keyword = words.peek(); keyword !== undefined; keyword = words.peek()) {
    if (keyword === "src" || keyword === "dst") {
      words.take();
      const word = words.value(keyword);
      const prefix = parsePrefix(word);
      if (!prefix) throw `${word} is no prefix`;
      selector[keyword] = prefix;
    } else if (keyword === "sport" || keyword === "dport") {
      words.take();
      selector[keyword] = words.number(keyword, 65535);
    } else if (keyword === "proto") {
      words.take();
      selector.protocol = /^\d+$/.test(words.peek() ?? "") ? words.number(keyword, 255) : words.named(keyword, SELECTED);
    } else break;
  }
  return selector;
}

function readMark(words: Words): NonNullable<XfrmStateSpec["mark"]> {
  // `ip xfrm state` prints VALUE/MASK.
  const both = /^(0x[0-9a-fA-F]+|\d+)\/(0x[0-9a-fA-F]+|\d+)$/.exec(words.peek() ?? "");
  if (both !== null) {
    words.take();
    const [value, mask] = [Number(both[1]), Number(both[2])];
    if (value > 0xffffffff || mask > 0xffffffff) throw `mark ${both[0]} is no pair of 32-bit numbers`;
    return { value, mask };
  }
  const value = words.number("mark");
  if (words.peek() !== "mask") return { value, mask: 0xffffffff };
  words.take();
  return { value, mask: words.number("mask") };
}

function readLimit(words: Words, draft: Draft): void {
  const name = LIMITS.find((limit) => limit === words.peek());
  if (name === undefined) throw `limit ${words.value("limit")} is not known`;
  words.take();
  const word = words.value(name);
  const value = word === "INF" || word === "(INF)" ? 0xffff_ffff_ffff_ffffn : /^\d{1,20}$/.test(word) ? BigInt(word) : undefined;
  if (value === undefined || BigInt.asUintN(64, value) !== value) throw `limit ${name} ${word} is no number`;
  draft.limits = { ...draft.limits, [name]: value };
}

function readFlags(words: Words): number {
  let flags = words.named("flag", FLAGS);
  for (let flag = FLAGS.get(words.peek() ?? ""); flag !== undefined; flag = FLAGS.get(words.peek() ?? "")) {
    flags |= flag;
    words.take();
  }
  return flags;
}

/** What `ip xfrm state` prints behind "anti-replay": numbers of the next packets; a bitmap of those that came, which changes nothing here. */
function readReplay(words: Words, draft: Draft): void {
  while (words.peek() === "esn" || words.peek() === "context:") words.take();
  for (let keyword = words.peek(); keyword !== undefined; keyword = words.peek()) {
    if (keyword === "seq" || keyword === "oseq") {
      words.take();
      draft[keyword] = words.number(keyword);
    } else if (keyword === "replay_window") {
      words.take();
      draft.replayWindow = words.number(keyword, LONGEST_WINDOW);
    } else if (["seq-hi", "oseq-hi", "bitmap", "bitmap-length"].includes(keyword)) {
      words.take();
      words.value(keyword);
    } else if (/^[0-9a-f]{8}$/.test(keyword)) words.take();
    else return;
  }
}

function readOption(words: Words, keyword: string, draft: Draft): void {
  if (keyword === "src" || keyword === "dst") draft[keyword] = words.address(keyword);
  else if (keyword === "proto") draft.protocol = words.named("proto", PROTOCOLS);
  else if (keyword === "spi") draft.spi = words.number("spi");
  else if (keyword === "reqid") draft.reqid = words.number("reqid");
  else if (keyword === "mode") draft.mode = words.named("mode", MODES);
  else if (keyword === "replay-window") draft.replayWindow = words.number("replay-window", LONGEST_WINDOW);
  else if (keyword === "replay-seq") draft.seq = words.number("replay-seq");
  else if (keyword === "replay-oseq") draft.oseq = words.number("replay-oseq");
  else if (keyword === "flag") draft.flags = readFlags(words);
  else if (keyword === "mark") draft.mark = readMark(words);
  else if (keyword === "if_id") draft.ifId = words.number("if_id");
  else if (keyword === "sel") draft.selector = readSelector(words);
  else if (keyword === "limit") readLimit(words, draft);
  else if (keyword === "anti-replay") readReplay(words, draft);
  else {
    const following = ALGORITHMS.get(keyword);
    if (following === undefined) throw `${keyword} is not simulated`;
    for (let left = following; left > 0; left--) words.value(keyword);
  }
}

function readState(text: string): XfrmStateSpec {
  const words = new Words(text);
  const draft: Draft = {};
  for (let keyword = words.take(); keyword !== undefined; keyword = words.take()) readOption(words, keyword, draft);
  const { src, dst, protocol, spi, selector } = draft;
  if (src === undefined || dst === undefined) throw `${src === undefined ? "src" : "dst"} is missing`;
  if (src.length !== dst.length) throw "src and dst are of different families";
  if (protocol === undefined) throw "proto is missing";
  if (spi === undefined) throw "spi is missing";
  const isEsn = ((draft.flags ?? 0) & XFRM_STATE_ESN) !== 0;
  if (isEsn && !draft.replayWindow) throw "the flag esn needs a replay-window";
  if (selector?.src && selector.dst && selector.src.address.length !== selector.dst.address.length)
    throw "the selector's ends are of different families";
  return { ...draft, text, src, dst, protocol, spi };
}

/**
 * Parses a security association in the grammar of `ip xfrm state add`, or as `ip xfrm state` prints one. Algorithms and their keys are passed over: nothing here
 * encrypts.
 */
export function parseXfrmState(text: string): Result<XfrmStateSpec> {
  try {
    return success(readState(text));
  } catch (what) {
    if (typeof what === "string") return failure(problems.xfrm_state_malformed({ text, what }));
    throw what;
  }
}
