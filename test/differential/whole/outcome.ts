import { SkBuff } from "../../../src/layout/index.ts";

/** What one run left behind, as texts that can be compared. */
export interface RunOutcome {
  /** "returned 2", "errno 22", "trap: memory at 7" */
  readonly result: string;
  /** Hex. */
  readonly packet: string;
  readonly context: string;
  /** By name; those whose contents user space cannot read have none. */
  readonly maps: Readonly<Record<string, string>>;
}

/** All runs, or why the live kernel did not take the programs. */
export type SetOutcome = { readonly runs: readonly RunOutcome[] } | { readonly rejected: string };

export const hex = (bytes: Uint8Array): string => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("hex");

/** Fields of __sk_buff that a test run takes and gives. net/bpf/test_run.c: convert_skb_to___skb. */
const skbFields: readonly (readonly [name: string, offset: number, size: 4 | 8])[] = [
  ...(["mark", "priority", "ingress_ifindex", "wire_len", "gso_segs", "ifindex", "gso_size", "len", "hash"] as const).map(
    (name) => [name, SkBuff.at[name], 4] as const,
  ),
  ...(["tstamp", "hwtstamp"] as const).map((name) => [name, SkBuff.at[name], 8] as const),
  ...[0, 1, 2, 3, 4].map((index) => [`cb${index}`, SkBuff.at.cb + index * 4, 4] as const),
];
const xdpFields: readonly (readonly [name: string, offset: number, size: 4 | 8])[] = (
  ["data", "data_end", "data_meta", "ingress_ifindex", "rx_queue_index", "egress_ifindex"] as const
).map((name, index) => [name, index * 4, 4]);

const contexts = {
  xdp: { size: 24, fields: xdpFields },
  sched_cls: { size: 192, fields: skbFields },
  socket_filter: { size: 192, fields: skbFields },
};
type Type = keyof typeof contexts;

/** struct xdp_md or __sk_buff with these fields. */
export function contextBytes(type: Type, given: Readonly<Record<string, number>>): Uint8Array {
  const { size, fields } = contexts[type];
  const bytes = new Uint8Array(size);
  const view = new DataView(bytes.buffer);
  for (const [name, offset, width] of fields) {
    if (width === 8) view.setBigUint64(offset, BigInt(given[name] ?? 0), true);
    else view.setUint32(offset, given[name] ?? 0, true);
  }
  return bytes;
}

/** The fields that a test run gives back, without zeros. */
export function contextText(given: Readonly<Record<string, number | bigint>>): string {
  return Object.entries(given)
    .map(([name, value]) => [name, BigInt(value)] as const)
    .filter(([, value]) => value !== 0n)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, value]) => `${name}=${value}`)
    .join(" ");
}

export function contextFields(type: Type, bytes: Uint8Array): Record<string, bigint> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return Object.fromEntries(
    contexts[type].fields.map(([name, offset, width]) => [
      name,
      width === 8 ? view.getBigUint64(offset, true) : BigInt(view.getUint32(offset, true)),
    ]),
  );
}

/** Letters that are shown of texts from where they part. */
const SHOWN = 100;

/** Two texts, the first value of map `results` with the statement that it belongs to. */
function parting(ours: string, theirs: string): string {
  if (ours.length <= SHOWN && theirs.length <= SHOWN) return `\n  ours   ${ours}\n  kernel ${theirs}`;
  let at = 0;
  while (ours[at] === theirs[at] && at < ours.length) at++;
  const start = Math.max(0, at - (at % 2) - 16);
  const byte = (at - ours.indexOf("=") - 1) >> 1;
  const where = ` from letter ${at} on (byte ${byte} of the first value: result of statement ${byte >> 4})`;
  return `${where}\n  ours   ${ours.slice(start, start + SHOWN)}\n  kernel ${theirs.slice(start, start + SHOWN)}`;
}

/** The first thing in which two outcomes differ, or undefined. */
export function difference(ours: readonly RunOutcome[], theirs: readonly RunOutcome[]): string | undefined {
  for (const [index, their] of theirs.entries()) {
    const our = ours[index];
    if (our === undefined) return `run ${index} is missing`;
    // What statements found says more than what became of it.
    if (our.result.split(" ")[0] !== their.result.split(" ")[0]) return `run ${index}: result${parting(our.result, their.result)}`;
    for (const [name, contents] of Object.entries(their.maps)) {
      if (our.maps[name] !== contents) return `run ${index}: map ${name}${parting(our.maps[name] ?? "", contents)}`;
    }
    for (const part of ["result", "packet", "context"] as const) {
      if (our[part] !== their[part]) return `run ${index}: ${part}${parting(our[part], their[part])}`;
    }
  }
  return undefined;
}
