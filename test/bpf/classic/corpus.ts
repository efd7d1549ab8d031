import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import type { FilteredPacket } from "../../../src/bpf/classic/index.ts";
import { bytesFromFile } from "../../../src/packet/file.node.ts";
import { gunzip } from "../../../src/packet/gzip.node.ts";
import { forEachPacket, openCapture } from "../../../src/packet/index.ts";
import { captureReader } from "../../../src/report/dumpCapture.node.ts";

/** Captures of other projects; beside a checkout, not part of it. */
const shared = join(import.meta.dirname, "../../../../shared/pcaps");
const own = join(import.meta.dirname, "../../../pcaps");

export const sharedCapturesHere = existsSync(shared);

/** Packets of one link type, with the captures they are from. */
export interface Group {
  readonly linkType: number;
  readonly bigEndian: boolean;
  readonly packets: readonly FilteredPacket[];
  readonly files: ReadonlySet<string>;
}

/** All packets of the project's own captures and of the shared ones, by link type; those of NULL by byte order too, which their filters depend on. */
export async function readCorpus(): Promise<Group[]> {
  const groups = new Map<string, { linkType: number; bigEndian: boolean; packets: FilteredPacket[]; files: Set<string> }>();
  const { memory, walk } = captureReader();
  for (const path of [...captureFiles(own), ...captureFiles(shared)]) {
    memory.reset();
    const source = await openCapture(memory, bytesFromFile(path), { name: path, links: "as-is", gunzip });
    await forEachPacket(source, memory, walk, ({ bytes, length, interface: index }) => {
      const { linkType, littleEndian } = source.interfaces[index]!;
      const bigEndian = linkType === 0 && !littleEndian;
      const key = `${linkType} ${bigEndian}`;
      const group = groups.get(key) ?? { linkType, bigEndian, packets: [], files: new Set() };
      groups.set(key, group);
      group.packets.push({ bytes: bytes.slice(), length });
      group.files.add(path);
      return true;
    });
    await source.close();
  }
  return [...groups.values()];
}

function captureFiles(folder: string): string[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { recursive: true, encoding: "utf8" })
    .filter((name) => /\.pcap(ng)?(\.gz)?$/.test(name))
    .sort()
    .map((name) => join(folder, name));
}
