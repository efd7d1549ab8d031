import { EventEmitter } from "node:events";
import { parse } from "pcap-parser";
import { type ByteSource, bytesAfter } from "./byteSource.ts";
import { PCAP_FILE_HEADER } from "./formats.ts";

const INPUT = 65536;

/**
 * Reads a classic capture with microseconds through the package pcap-parser, and hands on what that made of it as such a capture again: same byte order, lengths and
 * offsets. Other formats, and versions that the package refuses, pass by unchanged. The package says nothing of a capture that ends inside a record: the bytes it
 * left lying follow as they were counted, so that the reader behind it finds the record cut short.
 */
export async function throughPcapParser(input: ByteSource): Promise<ByteSource> {
  const header = await readFully(input, PCAP_FILE_HEADER);
  const littleEndian = byteOrder(header);
  return littleEndian === undefined ? bytesAfter(header, input) : parsed(header, littleEndian, input);
}

/** Whether a file header of the package's own format and version is in little endian; undefined for all others. */
function byteOrder(header: Uint8Array): boolean | undefined {
  if (header.length < PCAP_FILE_HEADER) return undefined;
  const view = new DataView(header.buffer);
  const littleEndian = view.getUint32(0, true) === 0xa1b2c3d4;
  if (!littleEndian && view.getUint32(0, false) !== 0xa1b2c3d4) return undefined;
  return view.getUint16(4, littleEndian) === 2 && view.getUint16(6, littleEndian) === 4 ? littleEndian : undefined;
}

function parsed(header: Uint8Array, littleEndian: boolean, input: ByteSource): ByteSource {
  /** The package wants a readable stream; it only listens, and is told to begin. */
  const stream = Object.assign(new EventEmitter(), { pause() {}, resume() {} });
  const ready: Uint8Array[] = [];
  let at = 0;
  let given = 0;
  let taken = 0;
  let ended = false;
  const push = (bytes: Uint8Array) => {
    taken += bytes.length;
    if (bytes.length > 0) ready.push(bytes);
  };
  parse(stream)
    .on("globalHeader", () => push(header))
    .on("packetHeader", (record) =>
      push(words(littleEndian, record.timestampSeconds, record.timestampMicroseconds, record.capturedLength, record.originalLength)),
    )
    .on("packetData", push);
  const give = (bytes: Uint8Array) => {
    given += bytes.length;
    stream.emit("data", Buffer.from(bytes));
  };
  give(header);

  const take = (into: Uint8Array): number => {
    const first = ready[0];
    if (first === undefined) return 0;
    const count = Math.min(into.length, first.length - at);
    into.set(first.subarray(at, at + count));
    at += count;
    if (at === first.length) {
      ready.shift();
      at = 0;
    }
    return count;
  };

  const parseMore = async (into: Uint8Array): Promise<number> => {
    const chunk = new Uint8Array(INPUT);
    while (ready.length === 0 && !ended) {
      const count = await input.read(chunk);
      if (count > 0) give(chunk.slice(0, count));
      else {
        ended = true;
        push(new Uint8Array(given - taken));
      }
    }
    return take(into);
  };

  return {
    read: (into) => (ready.length > 0 ? take(into) : parseMore(into)),
    close: () => input.close(),
  };
}

/** Up to `length` bytes, fewer only at the end. */
async function readFully(input: ByteSource, length: number): Promise<Uint8Array> {
  const bytes = new Uint8Array(length);
  let count = 0;
  while (count < length) {
    const came = await input.read(bytes.subarray(count));
    if (came === 0) break;
    count += came;
  }
  return bytes.slice(0, count);
}

function words(littleEndian: boolean, ...values: readonly number[]): Uint8Array {
  const bytes = new Uint8Array(4 * values.length);
  const view = new DataView(bytes.buffer);
  for (const [index, value] of values.entries()) view.setUint32(4 * index, value, littleEndian);
  return bytes;
}
