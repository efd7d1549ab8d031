/** Writes classic pcap in little endian with nanoseconds. draft-ietf-opsawg-pcap. */
import { ProblemError } from "../problem/index.ts";
import { type ChunkSink, ChunkWriter } from "./chunkWriter.ts";
import { PCAP_FILE_HEADER } from "./formats.ts";
import { LINKTYPE } from "./linkTypes.ts";
import { problems } from "./problems.ts";

const SECOND = 1_000_000_000n;
const RECORD_HEADER = 16;
/** What libpcap writes where no limit was set. */
const NO_SNAPLEN = 262144;

export class PcapWriter {
  readonly #out: ChunkWriter;

  constructor(sink: ChunkSink, linkType: number = LINKTYPE.ethernet) {
    this.#out = new ChunkWriter(sink);
    const { view } = this.#out.take(PCAP_FILE_HEADER);
    view.setUint32(0, 0xa1b23c4d, true);
    view.setUint16(4, 2, true);
    view.setUint16(6, 4, true);
    view.setUint32(16, NO_SNAPLEN, true);
    view.setUint32(20, linkType, true);
  }

  /** `ts_ns`: nanoseconds since 1970, up to the year 2106. `length`: bytes on the wire, when more than are written. Throws a ProblemError for other times. */
  writePacket(ts_ns: bigint, bytes: Uint8Array, length = bytes.length): void {
    if (ts_ns < 0n || ts_ns / SECOND > 0xffffffffn) throw new ProblemError(problems.capture_time_range({ time: ts_ns }));
    const record = this.#out.take(RECORD_HEADER + bytes.length);
    record.view.setUint32(0, Number(ts_ns / SECOND), true);
    record.view.setUint32(4, Number(ts_ns % SECOND), true);
    record.view.setUint32(8, bytes.length, true);
    record.view.setUint32(12, Math.max(length, bytes.length), true);
    record.bytes.set(bytes, RECORD_HEADER);
  }

  /** Hands the rest to the sink. */
  finish(): void {
    this.#out.flush();
  }
}
