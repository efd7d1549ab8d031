import { createHash } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { bytesFromFile } from "../../src/packet/file.node.ts";
import { makeBench, type Packet, readCapture } from "./walk.ts";

/** Captures of other projects with what libwireshark, libpcap and a plain reader make of them; beside a checkout, not part of it. */
const folder = join(import.meta.dirname, "../../../shared/pcaps");
const here = existsSync(join(folder, "expected.jsonl"));

interface Values {
  readonly packets: number;
  readonly first_ts_ns: string | null;
  readonly last_ts_ns: string | null;
  readonly caplen_sum: number;
  readonly origlen_sum: number;
  readonly sha256_of_concatenated_packet_bytes: string;
}

interface Row extends Values {
  readonly file: string;
  readonly format: string;
  readonly linktypes: readonly number[];
  readonly truncated: boolean;
  readonly snapped: number;
  readonly no_timestamp: number;
  readonly error?: string;
  readonly plain_reader: Partial<Values> & { readonly agrees: boolean; readonly error?: string };
}

/**
 * Where the plain reader differs from libwireshark, whom the folder's own notes say to trust: the plain reader, save for the block whose length is no
 * multiple of 4, which libwireshark and xdplane round up.
 */
const TRUST_LIBWIRESHARK = ["bad-ng-odd-block-length.pcapng"];
/** libwireshark takes an empty file for one of another format, and has no dissector for one link type; both are matters of theirs. */
const ERRORS: Readonly<Record<string, boolean>> = { "bad-empty-file.pcap": true, "eth-dsa-unsupported.pcap": false };

function expectedOf(row: Row) {
  const trusted = row.plain_reader.agrees || TRUST_LIBWIRESHARK.includes(row.file) ? {} : row.plain_reader;
  const times =
    row.file === "ng-tsresol-s-ms-ps-2pow32-tsoffset.pcapng" ? { first_ts_ns: row.first_ts_ns, last_ts_ns: row.last_ts_ns } : {};
  const { packets, first_ts_ns, last_ts_ns, caplen_sum, origlen_sum, sha256_of_concatenated_packet_bytes } = {
    ...row,
    ...trusted,
    ...times,
  };
  return {
    format: row.format,
    linktypes: row.linktypes,
    packets,
    truncated: row.truncated,
    first_ts_ns,
    last_ts_ns,
    caplen_sum,
    origlen_sum,
    sha256_of_concatenated_packet_bytes,
    failed: ERRORS[row.file] ?? row.error !== undefined,
  };
}

const rows = here
  ? readFileSync(join(folder, "expected.jsonl"), "utf8")
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as Row)
  : [];

describe.skipIf(!here)("captures of other projects read as libwireshark and libpcap read them", () => {
  const bench = makeBench();
  test.each(rows.map((row) => [row.file, row] as const))("%s", async (file, row) => {
    for (const resident of [0, 1 << 30]) {
      const { source, packets } = await readCapture(bytesFromFile(join(folder, file)), { name: file, resident }, bench);
      const found = {
        format: source.format,
        linktypes: [...new Set(source.interfaces.map((one) => one.linkType))],
        packets: packets.length,
        truncated: source.truncated,
        first_ts_ns: packets[0]?.ts?.toString() ?? null,
        last_ts_ns: packets.at(-1)?.ts?.toString() ?? null,
        caplen_sum: packets.reduce((sum, packet) => sum + packet.bytes.length, 0),
        origlen_sum: packets.reduce((sum, packet) => sum + packet.length, 0),
        sha256_of_concatenated_packet_bytes: digest(packets),
        failed: source.problem !== null,
      };
      expect(found).toEqual(expectedOf(row));
      if (row.plain_reader.agrees) {
        expect(packets.filter((packet) => packet.bytes.length < packet.length).length).toBe(row.snapped);
        expect(packets.filter((packet) => packet.ts === null).length).toBe(row.no_timestamp);
      }
    }
  });
});

function digest(packets: readonly Packet[]): string {
  const hash = createHash("sha256");
  for (const { bytes } of packets) hash.update(bytes);
  return hash.digest("hex");
}
