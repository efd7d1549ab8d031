import type { Difference } from "../conformance/compare.ts";
import type { RowExpect } from "./row.ts";

/** Where a probe of a TC program says whether the skb had a time stamp, which depends on sockets: hex digits. */
const TC_PROBE_DIGITS = 304;
const TSTAMP_AT = 25 * 8;
/** Where an IPv4 header has its identification and checksum: hex digits. */
const IP_ID = 8;
const IP_CHECKSUM = 20;

type Seen = unknown;

/** JSON with the keys of objects in order. */
function text(value: Seen): string {
  return JSON.stringify(value, (_key, inner: unknown) =>
    typeof inner === "object" && inner !== null && !Array.isArray(inner)
      ? Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1)))
      : inner,
  );
}

const withoutTime = (probe: string): string =>
  probe.length === TC_PROBE_DIGITS ? `${probe.slice(0, TSTAMP_AT)}********${probe.slice(TSTAMP_AT + 8)}` : probe;

/** Frames of the host's own whose identification is another in each run: where the recorded frame has it masked, ours is masked too. */
function maskedLike(recorded: Seen, seen: Seen): Seen {
  if (typeof recorded === "string" && typeof seen === "string") {
    const found = /^.{24}((?:8100|88a8).{4})*0800/.exec(seen);
    if (recorded.length !== seen.length || found === null) return seen;
    const [id, checksum] = [found[0].length + IP_ID, found[0].length + IP_CHECKSUM];
    if (recorded.slice(id, id + 4) !== "0000" || recorded.slice(checksum, checksum + 4) !== "0000") return seen;
    return `${seen.slice(0, id)}0000${seen.slice(id + 4, checksum)}0000${seen.slice(checksum + 4)}`;
  }
  if (Array.isArray(recorded) && Array.isArray(seen)) return seen.map((one, index) => maskedLike(recorded[index], one));
  if (isObject(recorded) && isObject(seen))
    return Object.fromEntries(Object.entries(seen).map(([key, one]) => [key, maskedLike(recorded[key], one)]));
  return seen;
}

const isObject = (value: Seen): value is Record<string, Seen> => typeof value === "object" && value !== null && !Array.isArray(value);

type Tracepoint = Readonly<Record<string, string | number>>;

/** Events that a cpumap's thread sends frames on with; their counts depend on how it groups them. */
const GROUPED: ReadonlySet<string | number> = new Set(["xdp_cpumap_kthread", "xdp_devmap_xmit", "xdp_bulk_tx"]);

/**
 * A cpumap's thread runs beside the injector: how it groups frames, and where its events stand among those of later frames, is timing. The sums of such events by map and
 * device, and the others.
 */
function threadSums(events: readonly Tracepoint[]): { readonly sums: Record<string, number>; readonly others: readonly Tracepoint[] } {
  const sums: Record<string, number> = {};
  for (const event of events) {
    if (!GROUPED.has(event.ev!)) continue;
    const { ev, map, ifindex, from_ifindex, to_ifindex, ...counts } = event;
    for (const [field, value] of Object.entries(counts)) {
      if (typeof value !== "number" || field === "err") continue;
      const key = [ev, map, ifindex, from_ifindex, to_ifindex, field].join(" ");
      sums[key] = (sums[key] ?? 0) + value;
    }
  }
  return { sums, others: events.filter(({ ev }) => !GROUPED.has(ev!)) };
}

const hasThread = (events: readonly Tracepoint[]): boolean => events.some(({ ev }) => ev === "xdp_cpumap_kthread");

const sorted = (values: readonly Seen[]): string[] => values.map(text).sort();

/** Compares what a step brought about with what was recorded. `several`: more than one frame was injected. */
export function compareStep(label: string, recorded: RowExpect, seen: RowExpect, several: boolean): Difference[] {
  const differences: Difference[] = [];
  const timing = several && hasThread(recorded.tracepoints ?? []);
  const check = (what: string, expected: Seen, got: Seen): void => {
    const [there, here] = [text(expected), text(got)];
    if (there !== here) differences.push({ what: `${label}: ${what}`, expected: there ?? "", got: here ?? "" });
  };
  for (const field of ["ports", "stack", "taps", "xsk"] as const) {
    const there = recorded[field] ?? {};
    check(field, there, recorded.ip_id_masked ? maskedLike(there, seen[field] ?? {}) : (seen[field] ?? {}));
  }
  for (const field of ["counters", "ethtool"] as const) check(field, recorded[field] ?? {}, seen[field] ?? {});
  const there = recorded.tracepoints ?? [];
  const here = seen.tracepoints ?? [];
  if (timing) {
    const [expected, got] = [threadSums(there), threadSums(here)];
    check("cpumap threads", expected.sums, got.sums);
    check("tracepoints", sorted(expected.others), sorted(got.others));
  } else check("tracepoints", there, here);
  const probes = (recorded.probes ?? []).map(withoutTime);
  const ours = (seen.probes ?? []).map(withoutTime);
  if (timing) check("probes", sorted(probes), sorted(ours));
  else check("probes", probes, ours);
  if (recorded.maps !== undefined) check("maps", recorded.maps, seen.maps);
  check("send errors", sendErrors(recorded.send_errno), sendErrors(seen.send_errno));
  return differences;
}

const sendErrors = (errors: RowExpect["send_errno"]): readonly number[] =>
  errors === undefined ? [] : typeof errors === "number" ? [errors] : errors.filter((errno) => errno !== 0);
