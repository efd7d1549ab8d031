/** Writes pcapng: one section in little endian, times in nanoseconds. draft-ietf-opsawg-pcapng. */
import { BLOCK } from "./blocks.ts";
import { type ChunkSink, ChunkWriter } from "./chunkWriter.ts";
import { LINKTYPE } from "./linkTypes.ts";
import { type BlockOption, OPTION, optionsLength, writeOptions } from "./options.ts";

/** What wrote the capture: options of the section header. */
export interface SectionDescription {
  readonly hardware?: string;
  readonly os?: string;
  readonly application?: string;
}

export interface InterfaceToWrite {
  readonly name: string;
  readonly description?: string;
  /** Ethernet unless said. */
  readonly linkType?: number;
  /** 0, no limit, unless said. */
  readonly snaplen?: number;
}

/** What a hook decided, as epb_verdict tells it: the return code of the program. */
export interface Verdict {
  readonly hook: "tc" | "xdp";
  readonly code: number;
}

export interface PacketToWrite {
  /** As `addInterface` gave it. */
  readonly interface: number;
  /** Nanoseconds since 1970. Times before are written as 0: the format has none. */
  readonly ts_ns: bigint;
  readonly bytes: Uint8Array;
  /** Bytes on the wire, when more than are written. */
  readonly length?: number;
  readonly direction?: "inbound" | "outbound";
  /** The same number marks the same packet at different points of its way. */
  readonly packetId?: bigint;
  readonly queue?: number;
  readonly verdicts?: readonly Verdict[];
  readonly comments?: readonly string[];
}

/** First byte of an epb_verdict. */
const VERDICT_TYPE = { tc: 1, xdp: 2 } as const;
/** Direction bits of epb_flags. */
const DIRECTION = { inbound: 1, outbound: 2 } as const;
/** Bytes of the longest option value. */
const OPTION_LIMIT = 0xffff;
const U64_MAX = 2n ** 64n - 1n;

export class PcapngWriter {
  readonly #out: ChunkWriter;
  #interfaces = 0;

  constructor(sink: ChunkSink, section: SectionDescription = {}) {
    this.#out = new ChunkWriter(sink);
    const options = [
      ...text(OPTION.sectionHardware, section.hardware),
      ...text(OPTION.sectionOs, section.os),
      ...text(OPTION.sectionApplication, section.application),
    ];
    const view = this.#block(BLOCK.sectionHeader, 16, new Uint8Array(0), options);
    view.setUint32(8, 0x1a2b3c4d, true);
    view.setUint16(12, 1, true);
    view.setUint16(14, 0, true);
    // All ones: the section's length is not known beforehand.
    view.setBigUint64(16, U64_MAX, true);
  }

  /** Describes an interface and gives its number. */
  addInterface(description: InterfaceToWrite): number {
    const options = [
      ...text(OPTION.interfaceName, description.name),
      ...text(OPTION.interfaceDescription, description.description),
      { code: OPTION.interfaceTimeResolution, value: Uint8Array.of(9) },
    ];
    const view = this.#block(BLOCK.interfaceDescription, 8, new Uint8Array(0), options);
    view.setUint16(8, description.linkType ?? LINKTYPE.ethernet, true);
    view.setUint32(12, description.snaplen ?? 0, true);
    return this.#interfaces++;
  }

  writePacket(packet: PacketToWrite): void {
    if (!(packet.interface < this.#interfaces)) throw new RangeError(`interface ${packet.interface} of the capture was not described`);
    const view = this.#block(BLOCK.enhancedPacket, 20, packet.bytes, packetOptions(packet));
    const ticks = packet.ts_ns < 0n ? 0n : packet.ts_ns > U64_MAX ? U64_MAX : packet.ts_ns;
    view.setUint32(8, packet.interface, true);
    view.setUint32(12, Number(ticks >> 32n), true);
    view.setUint32(16, Number(ticks & 0xffffffffn), true);
    view.setUint32(20, packet.bytes.length, true);
    view.setUint32(24, Math.max(packet.length ?? 0, packet.bytes.length), true);
  }

  /** Hands the rest to the sink. */
  finish(): void {
    this.#out.flush();
  }

  /** A block with `fixed` bytes of fields behind type and length, then data and options; the caller fills in the fields. */
  #block(type: number, fixed: number, data: Uint8Array, options: readonly BlockOption[]): DataView {
    const dataLength = Math.ceil(data.length / 4) * 4;
    const length = 8 + fixed + dataLength + optionsLength(options) + 4;
    const { bytes, view } = this.#out.take(length);
    view.setUint32(0, type, true);
    view.setUint32(4, length, true);
    bytes.set(data, 8 + fixed);
    writeOptions(bytes, 8 + fixed + dataLength, options);
    view.setUint32(length - 4, length, true);
    return view;
  }
}

function packetOptions(packet: PacketToWrite): BlockOption[] {
  const options: BlockOption[] = [];
  if (packet.direction !== undefined) options.push({ code: OPTION.packetFlags, value: unsigned(4, BigInt(DIRECTION[packet.direction])) });
  if (packet.packetId !== undefined) options.push({ code: OPTION.packetId, value: unsigned(8, packet.packetId) });
  if (packet.queue !== undefined) options.push({ code: OPTION.packetQueue, value: unsigned(4, BigInt(packet.queue)) });
  for (const { hook, code } of packet.verdicts ?? [])
    options.push({ code: OPTION.packetVerdict, value: Uint8Array.of(VERDICT_TYPE[hook], ...unsigned(8, BigInt(code))) });
  for (const comment of packet.comments ?? []) options.push(...text(OPTION.comment, comment));
  return options;
}

/** A number in little endian, two's complement. */
function unsigned(size: number, value: bigint): Uint8Array {
  return Uint8Array.from({ length: size }, (_, index) => Number((value >> BigInt(8 * index)) & 0xffn));
}

/** An option of text, cut before the first character that an option has no room for; none when there is nothing to say. */
function text(code: number, value: string | undefined): BlockOption[] {
  if (value === undefined) return [];
  const room = new Uint8Array(Math.min(OPTION_LIMIT, value.length * 3));
  const { written } = new TextEncoder().encodeInto(value, room);
  return [{ code, value: room.subarray(0, written) }];
}
