import fc from "fast-check";
import { expect, test } from "vitest";
import { type PacketToWrite, PcapngWriter, PcapWriter, udp } from "../../src/packet/index.ts";
import { makeBench, readCapture } from "./walk.ts";

const bench = makeBench();

/** All chunks that a writer gave, as one. */
function collect(write: (sink: (chunk: Uint8Array) => void) => void): Uint8Array {
  const chunks: Uint8Array[] = [];
  write((chunk) => chunks.push(chunk));
  return Uint8Array.from(Buffer.concat(chunks));
}

const someBytes = fc.uint8Array({ maxLength: 300 });
const someTime = fc.bigInt({ min: 0n, max: 2n ** 63n - 1n });

test("what the pcapng writer writes, the reader reads: bytes, times, lengths, interfaces, directions", async () => {
  const packet = fc.record(
    {
      interface: fc.integer({ min: 0, max: 2 }),
      ts_ns: someTime,
      bytes: someBytes,
      length: fc.nat(70000),
      direction: fc.constantFrom("inbound" as const, "outbound" as const),
      packetId: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
      queue: fc.nat(2 ** 31),
      verdicts: fc.array(fc.record({ hook: fc.constantFrom("tc" as const, "xdp" as const), code: fc.integer({ min: -1, max: 8 }) }), {
        maxLength: 3,
      }),
      comments: fc.array(fc.string({ unit: "grapheme" }), { maxLength: 2 }),
    },
    { requiredKeys: ["interface", "ts_ns", "bytes"] },
  );
  await fc.assert(
    fc.asyncProperty(
      fc.array(packet, { maxLength: 40 }),
      fc.integer({ min: 4097, max: 9000 }),
      async (packets: PacketToWrite[], windowBytes) => {
        const file = collect((sink) => {
          const writer = new PcapngWriter(sink, { application: "xdplane" });
          for (const name of ["eth0", "eth1", "balancer:main()@fexit"]) writer.addInterface({ name });
          for (const one of packets) writer.writePacket(one);
          writer.finish();
        });
        expect(file.length % 4).toBe(0);
        const { source, packets: found } = await readCapture(file, { windowBytes, windows: 2 }, bench);
        expect(source.problem).toBeNull();
        expect(source.interfaces.map((one) => one.name)).toEqual(["eth0", "eth1", "balancer:main()@fexit"]);
        expect(found.map(({ bytes, ts, interface: index, length }) => ({ bytes, ts, index, length }))).toEqual(
          packets.map(({ bytes, ts_ns, interface: index, length = 0 }) => ({
            bytes,
            ts: ts_ns,
            index,
            length: Math.max(length, bytes.length),
          })),
        );
        expect(found.map(({ flags }) => flags & 3)).toEqual(
          packets.map(({ direction }) => (direction === undefined ? 0 : direction === "inbound" ? 1 : 2)),
        );
      },
    ),
    { numRuns: 60 },
  );
});

test("what the pcap writer writes, the reader reads", async () => {
  const packet = fc.record({ ts: fc.bigInt({ min: 0n, max: 4294967295_999_999_999n }), bytes: someBytes, more: fc.nat(1000) });
  await fc.assert(
    fc.asyncProperty(fc.array(packet, { maxLength: 60 }), async (packets) => {
      const file = collect((sink) => {
        const writer = new PcapWriter(sink, 101);
        for (const { ts, bytes, more } of packets) writer.writePacket(ts, bytes, bytes.length + more);
        writer.finish();
      });
      const { source, packets: found } = await readCapture(file, {}, bench);
      expect([source.problem, source.format, source.interfaces[0]?.linkType]).toEqual([null, "pcap-ns-le", 101]);
      expect(found.map(({ bytes, ts, length }) => ({ bytes, ts, more: length - bytes.length }))).toEqual(packets);
    }),
    { numRuns: 60 },
  );
});

test("a packet's options come back as they were written", async () => {
  const file = collect((sink) => {
    const writer = new PcapngWriter(sink);
    writer.addInterface({ name: "eth0", description: "the wire", linkType: 1, snaplen: 96 });
    writer.writePacket({
      interface: 0,
      ts_ns: 1n,
      bytes: udp({ from: "10.0.0.1:1", to: "10.0.0.2:2" }),
      direction: "outbound",
      packetId: 0x1_0000_0002n,
      queue: 3,
      verdicts: [
        { hook: "xdp", code: 2 },
        { hook: "tc", code: -1 },
      ],
      comments: ["Grüße"],
    });
    writer.finish();
  });
  const hex = Buffer.from(file).toString("hex");
  expect(hex).toContain("02000400020000000500080002000000010000000600040003000000" + "07000900020200000000000000000000");
  expect(hex).toContain(`0700090001ffffffffffffffff00000001000700${Buffer.from("Grüße").toString("hex")}00`);
});

test("a time that a pcap file has no room for is refused", () => {
  const writer = new PcapWriter(() => {});
  expect(() => writer.writePacket(2n ** 32n * 10n ** 9n, new Uint8Array(1))).toThrow(/32 bits/);
});
