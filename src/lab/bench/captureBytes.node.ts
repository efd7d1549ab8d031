import { bytesFromFile } from "../../packet/file.node.ts";
import { gunzip } from "../../packet/gzip.node.ts";
import { type ByteSource, bytesFromMemory } from "../../packet/index.ts";

const CHUNK = 1 << 20;

/** All bytes of a capture file, unpacked when gzip is around it. What cannot be read throws a ProblemError. */
export async function readCaptureBytes(path: string): Promise<Uint8Array> {
  const bytes = await readAll(bytesFromFile(path));
  const packed = bytes[0] === 0x1f && bytes[1] === 0x8b;
  return packed ? readAll(gunzip(bytesFromMemory(bytes))) : bytes;
}

async function readAll(source: ByteSource): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  try {
    for (;;) {
      const chunk = new Uint8Array(CHUNK);
      const count = await source.read(chunk);
      if (count === 0) return Buffer.concat(chunks);
      chunks.push(chunk.subarray(0, count));
    }
  } finally {
    await source.close();
  }
}
