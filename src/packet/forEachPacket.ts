import {
  PACKET_FLAG_HAS_OPTIONS,
  PACKET_FLAG_INBOUND,
  PACKET_FLAG_NO_TIME,
  PACKET_FLAG_OUTBOUND,
  PacketDescriptor,
} from "../layout/index.ts";
import type { CaptureMemory } from "./captureWindow.ts";
import type { PacketSource } from "./source.ts";

/** The walker (capture.as.ts: captureWalk), as an instance of the runtime exports it. */
export type CaptureWalk = (state: number, first: number, max: number) => number;

/** A descriptor, read out. */
export interface DescribedPacket {
  readonly id: bigint;
  /** A view of the memory: good until the visit is over. */
  readonly bytes: Uint8Array;
  /** Bytes on the wire. */
  readonly length: number;
  /** Nanoseconds since 1970; null where the record has no time. */
  readonly ts_ns: bigint | null;
  readonly interface: number;
  readonly direction: "inbound" | "outbound" | null;
  readonly hasOptions: boolean;
  /** Address of the record; `CaptureSource` gives its offset and options. */
  readonly record: number;
  readonly descriptor: number;
}

const BATCH = 256;

/**
 * Takes every packet of a source to TypeScript, in order: for dumps and tests, not for replays. `visit` returns false to stop early. The source's `problem` says how
 * it ended.
 */
export async function forEachPacket(
  source: PacketSource,
  memory: CaptureMemory,
  walk: CaptureWalk,
  visit: (packet: DescribedPacket) => boolean | undefined,
): Promise<void> {
  const first = memory.allocate("engine", BATCH * PacketDescriptor.size, 64, "packet descriptors");
  for (;;) {
    const count = walk(source.state, first, BATCH);
    for (let index = 0; index < count; index++) {
      if (visit(readDescriptor(memory, first + index * PacketDescriptor.size)) === false) return;
    }
    if (count > 0) continue;
    const more = source.advance();
    if (!(more instanceof Promise ? await more : more)) return;
  }
}

export function readDescriptor({ view, bytes }: CaptureMemory, descriptor: number): DescribedPacket {
  const address = PacketDescriptor.read(view, descriptor, "address");
  const flags = PacketDescriptor.read(view, descriptor, "flags");
  return {
    id: PacketDescriptor.readBig(view, descriptor, "id"),
    bytes: bytes.subarray(address, address + PacketDescriptor.read(view, descriptor, "caplen")),
    length: PacketDescriptor.read(view, descriptor, "length"),
    ts_ns: (flags & PACKET_FLAG_NO_TIME) !== 0 ? null : PacketDescriptor.readBig(view, descriptor, "ts_ns"),
    interface: PacketDescriptor.read(view, descriptor, "interface"),
    direction: (flags & PACKET_FLAG_OUTBOUND) !== 0 ? "outbound" : (flags & PACKET_FLAG_INBOUND) !== 0 ? "inbound" : null,
    hasOptions: (flags & PACKET_FLAG_HAS_OPTIONS) !== 0,
    record: PacketDescriptor.read(view, descriptor, "record"),
    descriptor,
  };
}
