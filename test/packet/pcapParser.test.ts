import { readFileSync } from "node:fs";
import fc from "fast-check";
import { expect, test } from "vitest";
import { type ByteSource, bytesFromMemory, bytesFromStream } from "../../src/packet/index.ts";
import { throughPcapParser } from "../../src/packet/pcapParserSource.node.ts";
import { pcapFile } from "./files.ts";
import { makeBench, readCapture } from "./walk.ts";

const bench = makeBench();

/** A source that gives its bytes in pieces of the given sizes, over and over. */
function inPieces(bytes: Uint8Array, sizes: readonly number[]): ByteSource {
  return bytesFromStream(
    (async function* () {
      for (let at = 0, turn = 0; at < bytes.length; turn++) {
        const size = sizes[turn % sizes.length] ?? 1;
        yield bytes.subarray(at, at + size);
        at += size;
      }
    })(),
  );
}

const records = fc.array(
  fc.record({ seconds: fc.nat(2 ** 32 - 1), fraction: fc.nat(999_999), bytes: fc.uint8Array({ maxLength: 200 }), more: fc.nat(100) }),
  { maxLength: 30 },
);

test("pcap-parser and the walker agree on captures of either byte order, however they arrive and wherever they are cut", async () => {
  await fc.assert(
    fc.asyncProperty(
      records,
      fc.boolean(),
      fc.array(fc.integer({ min: 1, max: 500 }), { minLength: 1, maxLength: 5 }),
      fc.double({ min: 0, max: 1, noNaN: true }),
      async (packets, littleEndian, sizes, share) => {
        const whole = pcapFile(packets, { littleEndian });
        const file = whole.subarray(0, Math.round(share * whole.length));
        const own = await readCapture(file, {}, bench);
        const other = await readCapture(await throughPcapParser(inPieces(file, sizes)), {}, bench);
        expect(other.packets).toEqual(own.packets);
        expect(other.source.problem).toEqual(own.source.problem);
        expect(other.source.truncated).toBe(own.source.truncated);
        expect(other.source.format).toBe(own.source.format);
        expect(other.source.interfaces).toEqual(own.source.interfaces);
      },
    ),
    { numRuns: 80 },
  );
});

test("a capture cut inside a record is reported, which pcap-parser alone does not do", async () => {
  const whole = pcapFile([{ seconds: 1, fraction: 2, bytes: new Uint8Array(60), more: 0 }], {});
  const { source, packets } = await readCapture(await throughPcapParser(bytesFromMemory(whole.subarray(0, 70))), {}, bench);
  expect(packets).toEqual([]);
  expect(source.truncated).toBe(true);
  expect(source.problem).toMatchObject({ code: "capture_truncated", at: { offset: 24 } });
});

test("formats that pcap-parser does not know pass it by", async () => {
  const bytes = readFileSync(new URL(import.meta.url));
  const source = await throughPcapParser(bytesFromMemory(bytes));
  const into = new Uint8Array(bytes.length);
  let count = 0;
  for (;;) {
    const came = await source.read(into.subarray(count));
    if (came === 0) break;
    count += came;
  }
  expect(Buffer.from(into).equals(bytes)).toBe(true);
});

test("closing a stream ends the read that waits for it", async () => {
  const source = bytesFromStream(
    (async function* () {
      yield Uint8Array.of(1);
      await new Promise(() => {});
    })(),
  );
  const into = new Uint8Array(4);
  expect(await source.read(into)).toBe(1);
  const waiting = source.read(into);
  await source.close();
  expect(await waiting).toBe(0);
});
