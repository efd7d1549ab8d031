import { CAPTURE_PCAP, CAPTURE_PCAPNG } from "../layout/index.ts";

/** What the first four bytes of a file say. */
export interface CaptureFormat {
  /** `pcap-us-le`, `pcap-ns-be`, `pcap-modified-le`, `pcapng-le`, …; the section's byte order of pcapng is known only later. */
  readonly name: string;
  /** CAPTURE_PCAP or CAPTURE_PCAPNG. */
  readonly walk: number;
  readonly littleEndian: boolean;
  /** pcap: bytes of a record header, and nanoseconds in a unit of its sub-second field. */
  readonly recordHeader: number;
  readonly fractionNs: number;
}

/** Bytes of a pcap file header. draft-ietf-opsawg-pcap, section 4. */
export const PCAP_FILE_HEADER = 24;

/** Magic numbers, as a reader of the right byte order sees them. The modified format is that of Alexey Kuznetzov's patch to libpcap. */
const MAGICS = [
  { magic: 0xa1b2c3d4, name: "pcap-us", recordHeader: 16, fractionNs: 1000 },
  { magic: 0xa1b23c4d, name: "pcap-ns", recordHeader: 16, fractionNs: 1 },
  { magic: 0xa1b2cd34, name: "pcap-modified", recordHeader: 24, fractionNs: 1000 },
] as const;

/** Type of a section header block: the same in both byte orders. */
export const SECTION_HEADER = 0x0a0d0d0a;

/** The format that `bytes` begins with; undefined when it is none that xdplane knows, or fewer than four bytes. */
export function captureFormat(bytes: Uint8Array): CaptureFormat | undefined {
  if (bytes.length < 4) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (view.getUint32(0) === SECTION_HEADER)
    return { name: "pcapng", walk: CAPTURE_PCAPNG, littleEndian: true, recordHeader: 0, fractionNs: 0 };
  for (const littleEndian of [true, false]) {
    const row = MAGICS.find(({ magic }) => magic === view.getUint32(0, littleEndian));
    if (row === undefined) continue;
    const { name, recordHeader, fractionNs } = row;
    return { name: `${name}-${littleEndian ? "le" : "be"}`, walk: CAPTURE_PCAP, littleEndian, recordHeader, fractionNs };
  }
  return undefined;
}

export function isGzip(bytes: Uint8Array): boolean {
  return bytes[0] === 0x1f && bytes[1] === 0x8b;
}
