/** Captures for tests, byte by byte: formats and byte orders that the writers do not write. */

export interface PcapRecord {
  readonly seconds: number;
  readonly fraction: number;
  readonly bytes: Uint8Array;
  /** Bytes on the wire beyond those captured. */
  readonly more: number;
}

const MAGIC = { us: 0xa1b2c3d4, ns: 0xa1b23c4d, modified: 0xa1b2cd34 } as const;

export interface PcapShape {
  readonly kind?: keyof typeof MAGIC;
  readonly littleEndian?: boolean;
  /** The whole word, with the bits of the frame check sequence. */
  readonly linkType?: number;
}

export function pcapFile(records: readonly PcapRecord[], { kind = "us", littleEndian = true, linkType = 1 }: PcapShape): Uint8Array {
  const header = Buffer.alloc(24);
  const view = new DataView(header.buffer, header.byteOffset, 24);
  view.setUint32(0, MAGIC[kind], littleEndian);
  view.setUint16(4, 2, littleEndian);
  view.setUint16(6, 4, littleEndian);
  view.setUint32(16, 65535, littleEndian);
  view.setUint32(20, linkType, littleEndian);
  const parts: Uint8Array[] = [header];
  for (const { seconds, fraction, bytes, more } of records) {
    const record = new DataView(new ArrayBuffer(kind === "modified" ? 24 : 16));
    record.setUint32(0, seconds, littleEndian);
    record.setUint32(4, fraction, littleEndian);
    record.setUint32(8, bytes.length, littleEndian);
    record.setUint32(12, bytes.length + more, littleEndian);
    parts.push(new Uint8Array(record.buffer), bytes);
  }
  return Uint8Array.from(Buffer.concat(parts));
}

const padded = (length: number) => Math.ceil(length / 4) * 4;

/** A pcapng block around `content`, which is padded to 4 bytes. */
export function block(type: number, content: Uint8Array, littleEndian = true): Uint8Array {
  const length = 12 + padded(content.length);
  const bytes = new Uint8Array(length);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, type, littleEndian);
  view.setUint32(4, length, littleEndian);
  bytes.set(content, 8);
  view.setUint32(length - 4, length, littleEndian);
  return bytes;
}

/** Numbers of 2 or 4 bytes one after the other: `[size, value]`. */
export function numbers(littleEndian: boolean, ...values: readonly (readonly [size: 2 | 4, value: number])[]): Uint8Array {
  const bytes = new Uint8Array(values.reduce((sum, [size]) => sum + size, 0));
  const view = new DataView(bytes.buffer);
  let at = 0;
  for (const [size, value] of values) {
    if (size === 2) view.setUint16(at, value, littleEndian);
    else view.setUint32(at, value, littleEndian);
    at += size;
  }
  return bytes;
}

export function option(code: number, value: Uint8Array, littleEndian = true): Uint8Array {
  const bytes = new Uint8Array(4 + padded(value.length));
  bytes.set(numbers(littleEndian, [2, code], [2, value.length]));
  bytes.set(value, 4);
  return bytes;
}

export function sectionHeader(littleEndian = true): Uint8Array {
  return block(0x0a0d0d0a, numbers(littleEndian, [4, 0x1a2b3c4d], [2, 1], [2, 0], [4, 0xffffffff], [4, 0xffffffff]), littleEndian);
}

export interface InterfaceShape {
  readonly linkType?: number;
  readonly snaplen?: number;
  /** Byte of if_tsresol; left out when undefined. */
  readonly resolution?: number | undefined;
  /** if_tsoffset; left out when 0. */
  readonly offset?: bigint;
}

export function interfaceBlock({ linkType = 1, snaplen = 0, resolution, offset = 0n }: InterfaceShape, littleEndian = true): Uint8Array {
  const options: Uint8Array[] = [];
  if (resolution !== undefined) options.push(option(9, Uint8Array.of(resolution), littleEndian));
  if (offset !== 0n) {
    const value = new DataView(new ArrayBuffer(8));
    value.setBigInt64(0, offset, littleEndian);
    options.push(option(14, new Uint8Array(value.buffer), littleEndian));
  }
  if (options.length > 0) options.push(new Uint8Array(4));
  return block(1, joined([numbers(littleEndian, [2, linkType], [2, 0], [4, snaplen]), ...options]), littleEndian);
}

export interface PacketShape {
  readonly interface: number;
  readonly ticks: bigint;
  readonly bytes: Uint8Array;
  readonly more: number;
  /** epb_flags, pack_flags. */
  readonly flags?: number | undefined;
}

export function enhancedPacket(packet: PacketShape, littleEndian = true): Uint8Array {
  return packetBlock(6, packet, numbers(littleEndian, [4, packet.interface]), littleEndian);
}

/** The obsolete packet block: 16 bits of interface, and a count of drops. */
export function obsoletePacket(packet: PacketShape, littleEndian = true): Uint8Array {
  return packetBlock(2, packet, numbers(littleEndian, [2, packet.interface], [2, 3]), littleEndian);
}

function packetBlock(type: number, { ticks, bytes, more, flags }: PacketShape, head: Uint8Array, littleEndian: boolean): Uint8Array {
  const fields = numbers(
    littleEndian,
    [4, Number(ticks >> 32n)],
    [4, Number(ticks & 0xffffffffn)],
    [4, bytes.length],
    [4, bytes.length + more],
  );
  const data = new Uint8Array(padded(bytes.length));
  data.set(bytes);
  const options =
    flags === undefined ? [] : [option(1, Buffer.from("why"), littleEndian), option(2, numbers(littleEndian, [4, flags]), littleEndian)];
  return block(type, joined([head, fields, data, ...options]), littleEndian);
}

export function simplePacket(bytes: Uint8Array, length: number, littleEndian = true): Uint8Array {
  return block(3, joined([numbers(littleEndian, [4, length]), bytes]), littleEndian);
}

export function joined(parts: readonly Uint8Array[]): Uint8Array {
  return Uint8Array.from(Buffer.concat(parts));
}
