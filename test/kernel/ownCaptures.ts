import { readFileSync } from "node:fs";

/** The frames of a capture that pcaps/make.mjs wrote: pcap or pcapng with enhanced packet blocks, little endian. */
export function framesOf(name: string): Uint8Array[] {
  const bytes = readFileSync(new URL(`../../pcaps/${name}`, import.meta.url));
  const copy = (at: number, length: number) => Uint8Array.from(bytes.subarray(at, at + length));
  const frames: Uint8Array[] = [];
  if (name.endsWith(".pcap")) {
    for (let at = 24; at < bytes.length; at += 16 + bytes.readUInt32LE(at + 8)) frames.push(copy(at + 16, bytes.readUInt32LE(at + 8)));
    return frames;
  }
  for (let at = 0; at < bytes.length; at += bytes.readUInt32LE(at + 4))
    if (bytes.readUInt32LE(at) === 6) frames.push(copy(at + 28, bytes.readUInt32LE(at + 20)));
  return frames;
}
