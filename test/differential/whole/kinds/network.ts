import fc from "fast-check";
import { FibLookup } from "../../../../src/layout/index.ts";
import { parseIpAddress } from "../../../../src/packet/index.ts";
import { ADDRESSES_4, ADDRESSES_6, IFINDEXES } from "../network.ts";
import { type AnyKind, defineKind } from "../statement.ts";

const AF_INET = 2;
const AF_INET6 = 10;

interface Query {
  readonly family: number;
  readonly source: number;
  readonly target: number;
  readonly ifindex: number;
  readonly length: number;
  readonly table: number;
}

const query: fc.Arbitrary<Query> = fc.record({
  family: fc.constantFrom(AF_INET, AF_INET, AF_INET6, 0),
  source: fc.nat({ max: 11 }),
  target: fc.nat({ max: 11 }),
  ifindex: fc.constantFrom(...IFINDEXES),
  length: fc.constantFrom(0, 60, 1000, 1401, 1500, 9001),
  table: fc.constantFrom(0, 254, 255, 7),
});

/** struct bpf_fib_lookup with what is asked. */
function queryBytes({ family, source, target, ifindex, length, table }: Query): Uint8Array {
  const bytes = new Uint8Array(FibLookup.size);
  const view = new DataView(bytes.buffer);
  view.setUint8(0, family);
  view.setUint8(1, 17);
  view.setUint16(4, 53);
  view.setUint16(6, length, true);
  view.setUint32(8, ifindex, true);
  for (const [index, at] of [
    [source, FibLookup.at.src],
    [target, FibLookup.at.dst],
  ] as const) {
    if (family === AF_INET6) bytes.set(parseIpAddress(ADDRESSES_6[index % ADDRESSES_6.length]!)!, at);
    else view.setUint32(at, ADDRESSES_4[index]!);
  }
  view.setUint32(FibLookup.at.tbid, table, true);
  return bytes;
}

export const networkKinds: readonly AnyKind[] = [
  ...(["xdp", "sched_cls"] as const).map((type) =>
    defineKind({
      name: `bpf_fib_lookup of ${type}`,
      subject: "verdict",
      type,
      weight: 8,
      params: fc.record({
        query,
        flags: fc.oneof(fc.constantFrom(0, 0, 1, 2, 4, 8, 16, 32, 64), fc.nat({ max: 63 })),
        short: fc.nat({ max: 15 }),
      }),
      covers: () => [`bpf_fib_lookup (${type})`],
      stack: 64,
      write(out, { query: asked, flags, short }) {
        const { code } = out;
        const at = out.stack(64);
        // Of the mark that flag 32 asks routing rules for, all rules here think the same.
        out.bytes(at, queryBytes(asked));
        code.copy(1, 6);
        code.frame(2, at);
        code.set(3, short === 0 ? 63 : 64);
        code.set(4, flags);
        out.call("bpf_fib_lookup");
        out.keep(0);
        out.keepStack(at, 64);
      },
    }),
  ),
];
