import fc from "fast-check";
import type { ProgramTypeName } from "../../../src/bpf/spec.ts";
import type { MapName } from "./mapCatalog.ts";
import { bytesFrom } from "./writer.ts";

/** A packet and the context that it comes with. */
export interface GeneratedRun {
  readonly packet: GeneratedPacket;
  /** ctx_in by field names; undefined for none. */
  readonly context: Readonly<Record<string, number>> | undefined;
  /** User space's updates and deletions before the run. */
  readonly entries: readonly PresetEntry[];
}

export interface GeneratedPacket {
  readonly headers: keyof typeof headers;
  /** Of the whole frame; headers are cut where it is shorter. */
  readonly length: number;
  /** The bytes that no header says. */
  readonly seed: number;
}

/** An entry that user space writes, or with no value deletes. Key and value are made as long as the map's. */
export interface PresetEntry {
  readonly map: (typeof presetMaps)[number];
  readonly key: number;
  readonly value: number | undefined;
}

/** Maps that user space writes to before runs. */
export const presetMaps = [
  "array",
  "percpu_array",
  "hash",
  "percpu_hash",
  "lru_hash",
  "lru_percpu_hash",
  "lpm_trie",
  "queue",
  "stack",
  "locked_array",
  "locked_hash",
  "timer_hash",
  "user_ringbuf",
  "user_ringbuf",
] as const satisfies readonly MapName[];

const ETHERNET = [0x02, 0, 0, 0, 0, 1, 0x02, 0, 0, 0, 0, 2];
/** Bytes at the front of a frame; total lengths are filled in. */
const headers = {
  plain: [],
  ethernet: [...ETHERNET, 0x88, 0xb5],
  arp: [...ETHERNET, 0x08, 0x06, 0, 1, 8, 0, 6, 4, 0, 1],
  udp: [...ETHERNET, 0x08, 0x00, 0x45, 0, 0, 0, 0, 7, 0x40, 0, 64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2, 0x12, 0x34, 0, 53],
  tcp: [
    ...ETHERNET,
    0x08,
    0x00,
    0x45,
    2,
    0,
    0,
    0,
    7,
    0x40,
    0,
    64,
    6,
    0,
    0,
    10,
    0,
    0,
    1,
    10,
    0,
    0,
    2,
    0x12,
    0x34,
    0,
    80,
    0,
    0,
    0,
    1,
    0,
    0,
    0,
    0,
    0x50,
    2,
  ],
  icmp: [...ETHERNET, 0x08, 0x00, 0x45, 0, 0, 0, 0, 7, 0x40, 0, 64, 1, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2, 8, 0],
  ipv6Udp: [
    ...ETHERNET,
    0x86,
    0xdd,
    0x60,
    0,
    0,
    0,
    0,
    0,
    17,
    64,
    0xfd,
    ...Array(14).fill(0),
    1,
    0xfd,
    ...Array(14).fill(0),
    2,
    0x12,
    0x34,
    0,
    53,
  ],
  ipv6Tcp: [
    ...ETHERNET,
    0x86,
    0xdd,
    0x60,
    0x20,
    0,
    0,
    0,
    0,
    6,
    64,
    0xfd,
    ...Array(14).fill(0),
    1,
    0xfd,
    ...Array(14).fill(0),
    2,
    0x12,
    0x34,
    0,
    80,
  ],
  vlan: [...ETHERNET, 0x81, 0x00, 0x20, 0x07, 0x08, 0x00, 0x45, 0, 0, 0, 0, 7, 0x40, 0, 64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2],
  qinq: [...ETHERNET, 0x88, 0xa8, 0x00, 0x05, 0x81, 0x00, 0x20, 0x07, 0x86, 0xdd, 0x60, 0, 0, 0, 0, 0, 17, 64],
} as const satisfies Record<string, readonly number[]>;

/** The bytes of a packet. */
export function packetBytes({ headers: name, length, seed }: GeneratedPacket): Uint8Array {
  const bytes = bytesFrom(seed, length);
  const front: readonly number[] = headers[name];
  bytes.set(front.slice(0, length));
  const view = new DataView(bytes.buffer);
  const type = length >= 14 ? view.getUint16(12) : 0;
  if (type === 0x0800 && length >= 34) view.setUint16(16, length - 14);
  if (type === 0x86dd && length >= 54) view.setUint16(18, length - 54);
  return bytes;
}

const packet: fc.Arbitrary<GeneratedPacket> = fc.record({
  headers: fc.constantFrom(...(Object.keys(headers) as (keyof typeof headers)[])),
  length: fc.oneof(
    { weight: 6, arbitrary: fc.integer({ min: 54, max: 140 }) },
    { weight: 1, arbitrary: fc.integer({ min: 12, max: 60 }) },
    { weight: 1, arbitrary: fc.integer({ min: 140, max: 1514 }) },
    { weight: 1, arbitrary: fc.integer({ min: 3000, max: 3600 }) },
  ),
  seed: fc.nat({ max: 0xffff }),
});

const preset: fc.Arbitrary<PresetEntry> = fc.record({
  map: fc.constantFrom(...presetMaps),
  key: fc.nat({ max: 7 }),
  value: fc.option(fc.nat({ max: 0xffff }), { nil: undefined, freq: 4 }),
});

export const presetEntries: fc.Arbitrary<PresetEntry[]> = fc.array(preset, { maxLength: 12 });

const word = fc.oneof(
  fc.nat({ max: 0xffff }),
  fc.nat({ max: 0x7fffffff }).map((value) => value * 2 + 1),
);

/** ctx_in of XDP: metadata in front of the frame, a first part that is linear, a receive queue. Linear lengths are relative to the frame's. */
const xdpContext = (length: number): fc.Arbitrary<Record<string, number> | undefined> =>
  fc.oneof(
    { weight: 3, arbitrary: fc.constant(undefined) },
    {
      weight: 3,
      arbitrary: fc.record({ data: fc.constantFrom(0, 4, 8, 16, 32), data_end: fc.constant(length) }),
    },
    {
      weight: 2,
      arbitrary: fc.record({ data: fc.constantFrom(0, 4, 0), data_end: fc.integer({ min: Math.min(14, length), max: length }) }),
    },
    {
      weight: 1,
      arbitrary: fc.record({
        data: fc.constantFrom(0, 2, 4),
        data_end: fc.constant(length),
        ingress_ifindex: fc.constantFrom(1, 1, 1, 99),
        rx_queue_index: fc.constantFrom(0, 0, 0, 1),
      }),
    },
  );

/** There is always one: without ctx_in, Linux leaves wire_len at 0 unless ctx_out is asked for. */
const skbContext: fc.Arbitrary<Record<string, number>> = fc.oneof(
  { weight: 3, arbitrary: fc.constant({}) },
  {
    weight: 3,
    arbitrary: fc.record(
      {
        mark: word,
        priority: word,
        cb0: word,
        cb1: word,
        cb4: word,
        tstamp: word,
        hwtstamp: word,
        ingress_ifindex: fc.constantFrom(0, 1),
        gso_segs: fc.nat({ max: 65535 }),
        gso_size: fc.nat({ max: 1500 }),
        wire_len: fc.constantFrom(0, 4000, 65536),
        ifindex: fc.constantFrom(0, 1),
      },
      { requiredKeys: [] },
    ),
  },
  { weight: 1, arbitrary: fc.record({ mark: word, len: fc.constantFrom(0, 1), hash: fc.constantFrom(0, 0, 5) }) },
);

/** Three runs on one state, as a rule. */
export const runsOf = (type: ProgramTypeName): fc.Arbitrary<GeneratedRun[]> => {
  const run = packet.chain((chosen) =>
    fc.record({
      packet: fc.constant(chosen),
      context: type === "xdp" ? xdpContext(chosen.length) : skbContext,
      entries: fc.array(preset, { maxLength: 2 }),
    }),
  );
  return fc.array(run, { minLength: 1, maxLength: 3, size: "max" });
};
