import { crc32, createInflateRaw } from "node:zlib";
import { ProblemError } from "../problem/index.ts";
import { type ByteSource, bytesFromStream } from "./byteSource.ts";
import { problems } from "./problems.ts";

/** Packed bytes given to the unpacker at once: unpacked they may be a thousand times as many, and all of them wait in memory. */
const INPUT = 16384;
/** Unpacked bytes come in pieces of this size; of a damaged stream up to one piece before the damage is lost. */
const OUTPUT = 65536;

/** Bits of the header's flag byte. RFC 1952, section 2.3.1. */
const FLAG = { headerChecksum: 2, extra: 4, name: 8, comment: 16, reserved: 0xe0 } as const;

/**
 * Unpacks gzip, any number of members one after the other; what follows the last and is no member is left out, as gzip does. Where the stream is cut or damaged,
 * the bytes that could be unpacked come first, then a ProblemError. Members are told apart here and not by zlib's own Gunzip: that takes what follows the last
 * member for garbage or for a fault, depending on how the bytes happened to arrive.
 */
export function gunzip(packed: ByteSource): ByteSource {
  const { read, close } = bytesFromStream(unpack(new PackedInput(packed)));
  return {
    read,
    async close() {
      await close();
      await packed.close();
    },
  };
}

/** Packed bytes, with the possibility to look ahead and to give back. */
class PackedInput {
  readonly #source: ByteSource;
  #held: Uint8Array = new Uint8Array(0);

  constructor(source: ByteSource) {
    this.#source = source;
  }

  /** Some bytes, at least one but at the end. */
  async some(): Promise<Uint8Array> {
    if (this.#held.length === 0) await this.#readMore();
    const bytes = this.#held;
    this.#held = new Uint8Array(0);
    return bytes;
  }

  giveBack(bytes: Uint8Array): void {
    this.#held = bytes;
  }

  /** The next `length` bytes without taking them; fewer at the end. */
  async peek(length: number): Promise<Uint8Array> {
    while (this.#held.length < length && (await this.#readMore())) {}
    return this.#held.subarray(0, length);
  }

  /** Takes `length` bytes. Throws where they end before. */
  async take(length: number): Promise<Uint8Array> {
    const bytes = await this.peek(length);
    if (bytes.length < length) throw new ProblemError(problems.gzip_truncated());
    this.#held = this.#held.subarray(length);
    return bytes;
  }

  async #readMore(): Promise<boolean> {
    const more = new Uint8Array(INPUT);
    const count = await this.#source.read(more);
    const joined = new Uint8Array(this.#held.length + count);
    joined.set(this.#held);
    joined.set(more.subarray(0, count), this.#held.length);
    this.#held = joined;
    return count > 0;
  }
}

async function* unpack(input: PackedInput): AsyncGenerator<Uint8Array> {
  do {
    await skipHeader(input);
    yield* inflate(input);
  } while (await beginsMember(input));
}

async function beginsMember(input: PackedInput): Promise<boolean> {
  const magic = await input.peek(2);
  return magic[0] === 0x1f && magic[1] === 0x8b;
}

async function skipHeader(input: PackedInput): Promise<void> {
  const header = await input.take(10);
  const method = header[2] ?? 0;
  const flags = header[3] ?? 0;
  if (method !== 8) throw damaged(`compression method ${method}, and only 8 is known`);
  if ((flags & FLAG.reserved) !== 0) throw damaged("reserved bits are set in a header");
  if ((flags & FLAG.extra) !== 0) {
    const [low = 0, high = 0] = await input.take(2);
    await input.take(low | (high << 8));
  }
  if ((flags & FLAG.name) !== 0) await skipText(input);
  if ((flags & FLAG.comment) !== 0) await skipText(input);
  if ((flags & FLAG.headerChecksum) !== 0) await input.take(2);
}

/** A name or comment, which a zero ends: chunk by chunk, for nothing says how long it may be. */
async function skipText(input: PackedInput): Promise<void> {
  for (;;) {
    const bytes = await input.some();
    if (bytes.length === 0) throw new ProblemError(problems.gzip_truncated());
    const end = bytes.indexOf(0);
    if (end === -1) continue;
    input.giveBack(bytes.subarray(end + 1));
    return;
  }
}

/** Unpacks one member's data, and compares its checksum and length with what stands behind it. */
async function* inflate(input: PackedInput): AsyncGenerator<Uint8Array> {
  const unpacker = createInflateRaw({ chunkSize: OUTPUT });
  const unpacked: Uint8Array[] = [];
  let ended = false;
  let fault: Error | undefined;
  let settle = () => {};
  unpacker.on("data", (chunk: Uint8Array) => unpacked.push(chunk));
  unpacker.on("end", () => {
    ended = true;
    settle();
  });
  unpacker.on("error", (error) => {
    fault = error;
    settle();
  });
  let checksum = 0;
  let length = 0;
  try {
    while (!ended) {
      const packed = await input.some();
      if (packed.length === 0) throw new ProblemError(problems.gzip_truncated());
      const before = unpacker.bytesWritten;
      await new Promise<void>((resolve) => {
        settle = resolve;
        unpacker.write(packed, () => resolve());
      });
      for (let chunk = unpacked.shift(); chunk !== undefined; chunk = unpacked.shift()) {
        checksum = crc32(chunk, checksum);
        length += chunk.length;
        yield chunk;
      }
      if (fault !== undefined) throw damaged(fault.message);
      if (ended) input.giveBack(packed.subarray(unpacker.bytesWritten - before));
    }
  } finally {
    unpacker.destroy();
  }
  const trailer = await input.take(8);
  const view = new DataView(trailer.buffer, trailer.byteOffset, 8);
  if (view.getUint32(0, true) !== checksum) throw damaged("a checksum differs");
  if (view.getUint32(4, true) !== length % 2 ** 32) throw damaged("a length differs");
}

function damaged(reason: string): ProblemError {
  return new ProblemError(problems.gzip_damaged({ reason }));
}
