import { createGunzip } from "node:zlib";
import { ProblemError } from "../problem/index.ts";
import type { ByteSource } from "./byteSource.ts";
import { problems } from "./problems.ts";

/** Packed bytes given to the unpacker at once: unpacked they may be a thousand times as many, and all of them wait in memory. */
const INPUT = 16384;
/** Unpacked bytes come in pieces of this size; of a damaged stream up to one piece before the damage is lost. */
const OUTPUT = 65536;

/**
 * Unpacks gzip, any number of members one after the other. Where the stream is cut or damaged, the bytes that could be unpacked come first, then a
 * ProblemError.
 */
export function gunzip(packed: ByteSource): ByteSource {
  const unpacker = createGunzip({ chunkSize: OUTPUT });
  const unpacked: Uint8Array[] = [];
  let at = 0;
  let ended = false;
  let fault: NodeJS.ErrnoException | undefined;
  let settle = () => {};
  unpacker.on("data", (chunk: Uint8Array) => unpacked.push(chunk));
  unpacker.on("end", () => settle());
  unpacker.on("error", (error) => {
    fault = error;
    settle();
  });

  /** Settles when all that `chunk` unpacks to (at the end: all that was left) stands in `unpacked`, or when the unpacker failed. */
  const feed = (chunk: Uint8Array | undefined) =>
    new Promise<void>((resolve) => {
      settle = resolve;
      if (chunk !== undefined) unpacker.write(chunk, () => resolve());
      else unpacker.end();
    });

  const take = (into: Uint8Array): number => {
    const chunk = unpacked[0];
    if (chunk === undefined) return 0;
    const count = Math.min(into.length, chunk.length - at);
    into.set(chunk.subarray(at, at + count));
    at += count;
    if (at === chunk.length) {
      unpacked.shift();
      at = 0;
    }
    return count;
  };

  const unpackMore = async (into: Uint8Array): Promise<number> => {
    const input = new Uint8Array(INPUT);
    while (unpacked.length === 0) {
      if (fault !== undefined) throw problemOf(fault);
      if (ended) return 0;
      const count = await packed.read(input);
      ended = count === 0;
      // The unpacker may keep what it was given: each piece is its own.
      await feed(ended ? undefined : input.slice(0, count));
    }
    return take(into);
  };

  return {
    read: (into) => (unpacked.length > 0 ? take(into) : unpackMore(into)),
    async close() {
      unpacker.destroy();
      await packed.close();
    },
  };
}

function problemOf({ code, message }: NodeJS.ErrnoException): ProblemError {
  return new ProblemError(code === "Z_BUF_ERROR" ? problems.gzip_truncated() : problems.gzip_damaged({ reason: message }));
}
