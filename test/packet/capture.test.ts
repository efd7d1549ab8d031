import { gzipSync } from "node:zlib";
import fc from "fast-check";
import { expect, test } from "vitest";
import { type ByteSource, bytesFromMemory, udp } from "../../src/packet/index.ts";
import { ticksToNanoseconds } from "../../src/packet/timeResolution.ts";
import {
  block,
  enhancedPacket,
  interfaceBlock,
  joined,
  numbers,
  obsoletePacket,
  option,
  type PcapRecord,
  pcapFile,
  sectionHeader,
  simplePacket,
} from "./files.ts";
import { makeBench, type Packet, readCapture, readPackets } from "./walk.ts";

const bench = makeBench();
const frame = udp({ from: "10.0.0.1:53", to: "10.0.0.2:4000", payload: 10 });
const one = (bytes: Uint8Array = frame): PcapRecord => ({ seconds: 1, fraction: 2, bytes, more: 0 });

/** What is compared of a packet. */
const shape = ({ bytes, length, ts, interface: index, flags }: Packet) => ({ bytes, length, ts, index, direction: flags & 3 });

/** A source that gives at most `most` bytes a read, some of them after a wait. */
function trickle(bytes: Uint8Array, most: number): ByteSource {
  let at = 0;
  let turn = 0;
  return {
    read(into) {
      const count = Math.min(into.length, most, bytes.length - at);
      into.set(bytes.subarray(at, at + count));
      at += count;
      return turn++ % 3 === 0 ? Promise.resolve(count) : count;
    },
    close() {},
  };
}

const resolution = fc.oneof(
  { weight: 3, arbitrary: fc.constant(undefined) },
  { weight: 3, arbitrary: fc.constantFrom(0, 3, 6, 9) },
  fc.nat(255),
);
const ticks = fc.oneof(fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }), fc.bigInt({ min: 0n, max: 2n ** 50n }));
const offset = fc.oneof(
  fc.constant(0n),
  fc.bigInt({ min: -100_000n, max: 100_000n }),
  fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
);
const packet = fc.record({
  kind: fc.constantFrom("enhanced" as const, "obsolete" as const, "simple" as const, "statistics" as const, "custom" as const),
  interface: fc.nat(4),
  ticks,
  bytes: fc.uint8Array({ maxLength: 120 }),
  more: fc.nat(50),
  flags: fc.option(fc.nat(2 ** 32 - 1), { nil: undefined }),
});
const section = fc.record({
  littleEndian: fc.boolean(),
  interfaces: fc.array(fc.record({ snaplen: fc.constantFrom(0, 60, 65535), resolution, offset }), { minLength: 1, maxLength: 4 }),
  packets: fc.array(packet, { maxLength: 12 }),
});

test("the walker reads pcapng as its definition says: sections, byte orders, block types, every time resolution and offset", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(section, { minLength: 1, maxLength: 3 }), fc.integer({ min: 1, max: 700 }), async (sections, most) => {
      const parts: Uint8Array[] = [];
      const expected: ReturnType<typeof shape>[] = [];
      let firstInterface = 0;
      for (const { littleEndian, interfaces, packets } of sections) {
        parts.push(sectionHeader(littleEndian), ...interfaces.map((described) => interfaceBlock(described, littleEndian)));
        for (const item of packets) {
          const id = item.interface % interfaces.length;
          const described = interfaces[id]!;
          const direction = item.flags === undefined ? 0 : (item.flags & 3) % 3;
          const length = item.bytes.length + item.more;
          if (item.kind === "statistics") parts.push(block(5, numbers(littleEndian, [4, id], [4, 0], [4, 0]), littleEndian));
          if (item.kind === "custom") parts.push(block(0xbad, item.bytes, littleEndian));
          if (item.kind === "simple") {
            const snaplen = interfaces[0]?.snaplen ?? 0;
            const bytes = snaplen === 0 ? item.bytes : item.bytes.subarray(0, snaplen);
            const wire = bytes.length < snaplen || snaplen === 0 ? bytes.length : length;
            parts.push(simplePacket(bytes, wire, littleEndian));
            expected.push({ bytes, length: wire, ts: null, index: firstInterface, direction: 0 });
          }
          if (item.kind !== "enhanced" && item.kind !== "obsolete") continue;
          const written = { ...item, interface: id };
          parts.push(item.kind === "enhanced" ? enhancedPacket(written, littleEndian) : obsoletePacket(written, littleEndian));
          const ts = ticksToNanoseconds(item.ticks, described.resolution ?? 6, described.offset);
          expected.push({ bytes: item.bytes, length, ts, index: firstInterface + id, direction });
        }
        firstInterface += interfaces.length;
      }
      const { source, packets } = await readCapture(trickle(joined(parts), most), { windowBytes: 512, windows: 2 }, bench);
      expect(source.problem).toBeNull();
      expect(packets.map(shape)).toEqual(expected);
      expect(packets.map(({ id }) => id)).toEqual(expected.map((_, index) => BigInt(index + 1)));
      expect(source.interfaces.length).toBe(firstInterface);
    }),
    { numRuns: 300 },
  );
});

test("the walker reads every pcap format in both byte orders", async () => {
  const record = fc.record({
    seconds: fc.nat(2 ** 32 - 1),
    fraction: fc.nat(2 ** 32 - 1),
    bytes: fc.uint8Array({ maxLength: 99 }),
    more: fc.nat(9),
  });
  const kind = fc.constantFrom("us" as const, "ns" as const, "modified" as const);
  await fc.assert(
    fc.asyncProperty(
      fc.array(record, { maxLength: 30 }),
      kind,
      fc.boolean(),
      fc.integer({ min: 1, max: 99 }),
      async (records, which, littleEndian, most) => {
        const file = pcapFile(records, { kind: which, littleEndian });
        const { source, packets } = await readCapture(trickle(file, most), { windowBytes: 64 }, bench);
        const unit = which === "ns" ? 1n : 1000n;
        expect([source.problem, source.format]).toEqual([null, `pcap-${which}-${littleEndian ? "le" : "be"}`]);
        expect(packets.map(shape)).toEqual(
          records.map(({ seconds, fraction, bytes, more }) => ({
            bytes,
            length: bytes.length + more,
            ts: BigInt(seconds) * 10n ** 9n + BigInt(fraction) * unit,
            index: 0,
            direction: 0,
          })),
        );
      },
    ),
    { numRuns: 200 },
  );
});

test("any mutation of a capture ends, with packets and at most a Problem that names file and offset", async () => {
  const good = joined([
    sectionHeader(),
    interfaceBlock({ resolution: 9 }),
    enhancedPacket({ interface: 0, ticks: 5n, bytes: frame, more: 0, flags: 2 }),
    simplePacket(frame, 52),
    obsoletePacket({ interface: 0, ticks: 6n, bytes: frame, more: 3 }),
    block(4, numbers(true, [2, 1], [2, 8], [4, 0x0100000a], [4, 0x0000632e], [4, 0])),
    sectionHeader(false),
    interfaceBlock({ linkType: 113 }, false),
    enhancedPacket({ interface: 0, ticks: 7n, bytes: frame, more: 0 }, false),
  ]);
  const classic = pcapFile([one(), one(), one()], {});
  const edit = fc.record({ at: fc.nat(), value: fc.oneof(fc.nat(255), fc.constantFrom(0, 0xff, 0x7f, 0x80)) });
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom(good, classic),
      fc.array(edit, { minLength: 1, maxLength: 6 }),
      fc.option(fc.nat(), { nil: undefined }),
      fc.constantFrom("as-is" as const, "as-ethernet" as const, "refuse" as const),
      async (base, edits, cut, links) => {
        const bytes = Uint8Array.from(base);
        for (const { at, value } of edits) bytes[at % bytes.length] = value;
        const file = cut === undefined ? bytes : bytes.subarray(0, cut % (bytes.length + 1));
        const { source, packets } = await readCapture(file, { links, windowBytes: 256, windows: 2 }, bench);
        expect(packets.length).toBeLessThan(40);
        if (source.problem !== null) {
          expect(source.problem.exit).toBe(3);
          expect(source.problem.at.file).toBe("test.pcap");
          expect(source.problem.at.offset).toBeGreaterThanOrEqual(0);
          expect(source.problem.at.offset).toBeLessThanOrEqual(file.length);
          expect(source.problem.message).not.toMatch(/[{}]/);
        }
      },
    ),
    { numRuns: 2000 },
  );
});

test("packets of other link types get Ethernet headers, or are refused at the first", async () => {
  const ip = frame.subarray(14);
  const behind = (...header: number[]) => Uint8Array.from([...header, ...ip]);
  const cooked = (type: number) => behind(0, type, 0, 1, 0, 6, 0xaa, 0xbb, 0xcc, 1, 2, 3, 0, 0, 8, 0);
  const cooked2 = (type: number) => behind(8, 0, 0, 0, 0, 0, 0, 3, 0, 1, type, 6, 0xaa, 0xbb, 0xcc, 1, 2, 3, 0, 0);
  const rows: [linkType: number, bytes: Uint8Array, header: string, direction: number][] = [
    [101, ip, "0200000000010200000000020800", 0],
    [12, ip, "0200000000010200000000020800", 0],
    [0, behind(2, 0, 0, 0), "0200000000010200000000020800", 0],
    [108, behind(0, 0, 0, 2), "0200000000010200000000020800", 0],
    [113, cooked(0), "020000000001aabbcc0102030800", 1],
    [113, cooked(1), "ffffffffffffaabbcc0102030800", 1],
    [113, cooked(4), "020000000002aabbcc0102030800", 2],
    [276, cooked2(0), "020000000001aabbcc0102030800", 1],
    [276, cooked2(4), "020000000002aabbcc0102030800", 2],
  ];
  for (const [linkType, bytes, header, direction] of rows) {
    const file = pcapFile([one(bytes)], { linkType });
    const made = await readCapture(file, { links: "as-ethernet" }, bench);
    expect(made.source.problem).toBeNull();
    expect(Buffer.from(made.packets[0]!.bytes).toString("hex")).toBe(header + Buffer.from(ip).toString("hex"));
    expect([made.packets[0]?.length, made.packets[0]!.flags & 3]).toEqual([14 + ip.length, direction]);

    const plain = await readCapture(file, { links: "as-is" }, bench);
    expect(plain.packets.map((packet) => [packet.bytes, packet.flags & 3])).toEqual([[bytes, direction]]);

    const refused = await readCapture(file, { links: "refuse" }, bench);
    expect(refused.packets).toEqual([]);
    expect(refused.source.problem).toMatchObject({ code: "capture_link_type", exit: 3, hint: expect.stringContaining("--as-ethernet") });
  }
});

test("a packet to a group goes to the group's Ethernet address", async () => {
  const to = async (packet: Uint8Array) => {
    const { packets } = await readCapture(pcapFile([one(packet.subarray(14))], { linkType: 101 }), { links: "as-ethernet" }, bench);
    return Buffer.from(packets[0]!.bytes.subarray(0, 6)).toString("hex");
  };
  expect(await to(udp({ from: "10.0.0.1:1", to: "239.129.2.3:2" }))).toBe("01005e010203");
  expect(await to(udp({ from: "[fe80::1]:1", to: "[ff02::fb]:2" }))).toBe("3333000000fb");
  expect(await to(udp({ from: "10.0.0.1:1", to: "255.255.255.255:2" }))).toBe("ffffffffffff");
});

test("802.11 cannot become Ethernet, and says so", async () => {
  const { source } = await readCapture(pcapFile([one()], { linkType: 105 }), { links: "as-ethernet" }, bench);
  expect(source.problem?.message).toBe("interface 0 has link type IEEE802_11, and a device receives Ethernet frames");
  expect(source.problem?.hint).not.toContain("--as-ethernet");
});

test("a frame check sequence is left out on the way to a device, kept in a dump, and what the snap length cut of it is not cut again", async () => {
  const withFcs = joined([frame, Uint8Array.of(1, 2, 3, 4)]);
  const file = pcapFile([one(withFcs), { ...one(withFcs.subarray(0, 54)), more: 2 }, { ...one(withFcs.subarray(0, 40)), more: 16 }], {
    linkType: 0x24000001,
  });
  const lengths = (packets: Packet[]) => packets.map(({ bytes, length }) => [bytes.length, length]);
  expect(lengths((await readCapture(file, { links: "refuse" }, bench)).packets)).toEqual([
    [52, 52],
    [52, 52],
    [40, 52],
  ]);
  expect(lengths((await readCapture(file, { links: "as-is" }, bench)).packets)).toEqual([
    [56, 56],
    [54, 56],
    [40, 56],
  ]);
});

test("gzip is unpacked, member after member; a cut or damaged one gives its packets and is reported", async () => {
  const file = pcapFile(
    Array.from({ length: 5000 }, () => one()),
    {},
  );
  const members = joined([gzipSync(file.subarray(0, 1000)), gzipSync(file.subarray(1000, 1001)), gzipSync(file.subarray(1001))]);
  for (const resident of [0, 1 << 30]) {
    const whole = await readCapture(members, { resident }, bench);
    expect([whole.source.problem, whole.packets.length, whole.source.resident]).toEqual([null, 5000, resident > 0]);
    const cut = await readCapture(members.subarray(0, members.length - 200), { resident }, bench);
    expect(cut.source.problem).toMatchObject({ code: "gzip_truncated", exit: 3, at: { file: "test.pcap" } });
    expect(cut.source.truncated).toBe(true);
    expect(cut.packets.length).toBeGreaterThan(1000);
    // The last eight bytes are the checksum and length of the last member.
    const damaged = await readCapture(Uint8Array.from(members).fill(0, members.length - 8), { resident }, bench);
    expect(damaged.source.problem).toMatchObject({ code: "gzip_damaged", exit: 3 });
    expect(damaged.packets.length).toBeGreaterThan(1000);
  }
});

test("what follows the last gzip member is no part of the capture", async () => {
  const packed = gzipSync(pcapFile([one()], {}));
  for (const behind of [1, 2, 3, 100, 16383, 16384, 40000, 70000]) {
    for (const filling of [0, 0x42, 0xff]) {
      const file = joined([packed, new Uint8Array(behind).fill(filling)]);
      for (const most of [1 << 20, 16384, 7000]) {
        const { source, packets } = await readCapture(trickle(file, most), {}, bench);
        expect([source.problem, packets.length]).toEqual([null, 1]);
      }
    }
  }
});

test("a resident capture is walked again from the start, with the same packets and ids that go on", async () => {
  const file = joined([
    sectionHeader(),
    interfaceBlock({ linkType: 101 }),
    enhancedPacket({ interface: 0, ticks: 5n, bytes: frame.subarray(14), more: 0 }),
    sectionHeader(false),
    interfaceBlock({ linkType: 1 }, false),
    enhancedPacket({ interface: 0, ticks: 6n, bytes: frame, more: 0 }, false),
  ]);
  const { source, packets } = await readCapture(file, { resident: 1 << 20, links: "as-ethernet" }, bench);
  for (let pass = 1; pass < 4; pass++) {
    source.rewind();
    const again = await readPackets(source, bench);
    expect(again.map(shape)).toEqual(packets.map(shape));
    expect(again.map(({ id }) => id)).toEqual([BigInt(2 * pass + 1), BigInt(2 * pass + 2)]);
  }
  expect(source.interfaces.length).toBe(2);

  const cut = pcapFile([one(), one(), one()], {}).subarray(0, 190);
  const classic = await readCapture(cut, { resident: 1 << 20 }, bench);
  expect([classic.packets.length, classic.source.problem?.code]).toEqual([2, "capture_truncated"]);
  classic.source.rewind();
  expect((await readPackets(classic.source, bench)).map(shape)).toEqual(classic.packets.map(shape));
  expect(classic.source.problem?.code).toBe("capture_truncated");
});

test("options of interfaces beyond all measure are left out, and their interfaces kept", async () => {
  const long = joined([...Array.from({ length: 7 }, () => option(1, new Uint8Array(65000))), new Uint8Array(4)]);
  const described = block(1, joined([numbers(true, [2, 1], [2, 0], [4, 96]), long]));
  const { source } = await readCapture(joined([sectionHeader(), ...Array.from({ length: 40 }, () => described)]), {}, bench);
  expect([source.problem, source.interfaces.length]).toEqual([null, 40]);
  expect(source.interfaces.filter(({ options }) => options.length === 7).length).toBe(36);
  expect(source.warnings).toEqual([expect.stringContaining("16 MiB of options")]);
});

test("a window is reused only after the packets in it were released", async () => {
  const records = Array.from({ length: 200 }, (_, index) => one(Uint8Array.of(index, index, index, index)));
  let released = 0;
  const options = { windowBytes: 400, windows: 2, release: () => Promise.resolve(void released++) };
  const { packets } = await readCapture(pcapFile(records, {}), options, bench);
  expect(packets.map(({ bytes }) => bytes[0])).toEqual(records.map((_, index) => index));
  expect(released).toBeGreaterThan(9);
});

test("blocks longer than any window are gone over, and their lengths compared", async () => {
  const head = joined([sectionHeader(), interfaceBlock({})]);
  const tail = enhancedPacket({ interface: 0, ticks: 5n, bytes: frame, more: 0 });
  const long = block(0xbad, new Uint8Array(3_000_000));
  const whole = await readCapture(trickle(joined([head, long, tail]), 5000), {}, bench);
  expect([whole.source.problem, whole.packets.length]).toEqual([null, 1]);
  const damaged = Uint8Array.from(long);
  damaged[long.length - 4] = 1;
  const { source, packets } = await readCapture(joined([head, damaged, tail]), {}, bench);
  expect(source.problem?.code).toBe("capture_block_trailer");
  expect(packets).toEqual([]);
  const cut = await readCapture(joined([head, long.subarray(0, 2_000_000)]), {}, bench);
  expect([cut.source.problem?.code, cut.source.truncated]).toEqual(["capture_truncated", true]);
});

test("a section with more interfaces than the table holds is refused, and so is another major version", async () => {
  const many = joined([sectionHeader(), ...Array.from({ length: 1025 }, () => interfaceBlock({}))]);
  expect((await readCapture(many, {}, bench)).source.problem?.code).toBe("capture_too_many_interfaces");
  const second = sectionHeader();
  second[12] = 2;
  expect((await readCapture(joined([sectionHeader(), second]), {}, bench)).source.problem).toMatchObject({
    code: "capture_version",
    at: { offset: 28 },
  });
});

test("options of interfaces are kept, also those nobody knows", async () => {
  const options = joined([
    option(2, Buffer.from("eth7")),
    option(0x123, Uint8Array.of(1, 2, 3)),
    option(13, Uint8Array.of(4)),
    new Uint8Array(4),
  ]);
  const file = joined([sectionHeader(), block(1, joined([numbers(true, [2, 1], [2, 0], [4, 96]), options]))]);
  const { source } = await readCapture(file, {}, bench);
  expect(source.interfaces[0]).toMatchObject({ name: "eth7", snaplen: 96, fcsLength: 4 });
  expect(source.interfaces[0]?.options.map(({ code }) => code)).toEqual([2, 0x123, 13]);
});

test("names and comments of a gzip header may be longer than what is read at once", async () => {
  const packed = gzipSync(
    joined([sectionHeader(), interfaceBlock({}), enhancedPacket({ interface: 0, ticks: 1n, bytes: frame, more: 0 })]),
  );
  const named = Uint8Array.from(packed.subarray(0, 10));
  named[3] = 8 | 16;
  const texts = joined([named, Buffer.alloc(100_000, "n"), Uint8Array.of(0), Buffer.alloc(20_000, "c")]);
  const whole = await readCapture(trickle(joined([texts, Uint8Array.of(0), packed.subarray(10)]), 5000), {}, bench);
  expect([whole.source.problem, whole.packets.length]).toEqual([null, 1]);
  const { source } = await readCapture(texts, {}, bench);
  expect([source.problem?.code, source.truncated]).toEqual(["gzip_truncated", true]);
});

test("nothing at all, and something else, are told apart", async () => {
  expect((await readCapture(new Uint8Array(0), {}, bench)).source.problem?.code).toBe("capture_empty");
  expect((await readCapture(Buffer.from("hello"), {}, bench)).source.problem?.message).toContain("68656c6c");
  const unpackable = await readCapture(bytesFromMemory(gzipSync("x")), { gunzip: undefined }, bench);
  expect(unpackable.source.problem?.code).toBe("capture_is_gzip");
});

test("epb_flags may say that a packet has a frame check sequence where the interface does not", async () => {
  const withFcs = joined([frame, Uint8Array.of(1, 2, 3, 4)]);
  const packets = [0, 4 << 5].map((flags) => enhancedPacket({ interface: 0, ticks: 1n, bytes: withFcs, more: 0, flags }));
  const file = joined([sectionHeader(), interfaceBlock({}), ...packets]);
  expect((await readCapture(file, { links: "refuse" }, bench)).packets.map(({ length }) => length)).toEqual([56, 52]);
  expect((await readCapture(file, { links: "as-is" }, bench)).packets.map(({ length }) => length)).toEqual([56, 56]);
});
