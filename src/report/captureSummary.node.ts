import { createHash } from "node:crypto";
import type { CaptureSource, DescribedPacket } from "../packet/index.ts";
import type { Problem } from "../problem/index.ts";

/** What a capture holds, in one object. Times are decimal strings of nanoseconds: they exceed 2^53. */
export interface CaptureSummary {
  readonly format: string;
  /** LINKTYPE_* numbers in order of first interface. */
  readonly linktypes: readonly number[];
  readonly packets: number;
  /** The input ends inside a record, block or header. */
  readonly truncated: boolean;
  /** Packets of which fewer bytes were captured than were on the wire. */
  readonly snapped: number;
  /** With a filter: packets that it left out, which nothing else here counts. */
  readonly filtered?: number;
  /** Of the first and last packet in file order; null where that has no time. */
  readonly first_ts_ns: string | null;
  readonly last_ts_ns: string | null;
  readonly caplen_sum: number;
  readonly origlen_sum: number;
  readonly sha256_of_concatenated_packet_bytes: string;
  /** Why reading ended early, with the offset in the unpacked file. */
  readonly error: string | null;
}

/** Sums up packets as they pass. */
export class CaptureTally {
  readonly #hash = createHash("sha256");
  #packets = 0;
  #snapped = 0;
  #first: bigint | null = null;
  #last: bigint | null = null;
  #caplen = 0;
  #origlen = 0;

  add({ bytes, length, ts_ns }: DescribedPacket): void {
    if (this.#packets === 0) this.#first = ts_ns;
    this.#last = ts_ns;
    this.#packets++;
    this.#caplen += bytes.length;
    this.#origlen += length;
    if (bytes.length < length) this.#snapped++;
    this.#hash.update(bytes);
  }

  /** Once, at the end. */
  summary(source: CaptureSource, filtered?: number): CaptureSummary {
    return {
      format: source.format,
      linktypes: [...new Set(source.interfaces.map((one) => one.linkType))],
      packets: this.#packets,
      truncated: source.truncated,
      snapped: this.#snapped,
      ...(filtered === undefined ? {} : { filtered }),
      first_ts_ns: this.#first?.toString() ?? null,
      last_ts_ns: this.#last?.toString() ?? null,
      caplen_sum: this.#caplen,
      origlen_sum: this.#origlen,
      sha256_of_concatenated_packet_bytes: this.#hash.digest("hex"),
      error: source.problem === null ? null : problemSentence(source.problem),
    };
  }
}

function problemSentence({ message, at }: Problem): string {
  return at.offset === undefined ? message : `${message} (offset ${at.offset})`;
}
