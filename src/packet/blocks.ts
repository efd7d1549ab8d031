/** pcapng blocks that carry no packet, from their bytes. draft-ietf-opsawg-pcapng, section 4. */
import { formatIpAddress } from "./address.ts";
import { type BlockOption, OPTION, optionNumber, optionText, optionValue, readOptions } from "./options.ts";

export const BLOCK = {
  interfaceDescription: 1,
  obsoletePacket: 2,
  simplePacket: 3,
  nameResolution: 4,
  interfaceStatistics: 5,
  enhancedPacket: 6,
  sectionHeader: 0x0a0d0d0a,
} as const;

/** Bytes of the shortest block of a type, both lengths included; 12 for types that are not known. */
export function leastBlockLength(type: number): number {
  switch (type) {
    case BLOCK.sectionHeader:
      return 28;
    case BLOCK.interfaceDescription:
      return 20;
    case BLOCK.interfaceStatistics:
      return 24;
    case BLOCK.nameResolution:
      return 16;
    default:
      return 12;
  }
}

export interface Section {
  readonly littleEndian: boolean;
  readonly major: number;
  readonly minor: number;
  readonly options: readonly BlockOption[];
}

export interface InterfaceDescription {
  readonly linkType: number;
  readonly snaplen: number;
  /** Byte of if_tsresol; 6, microseconds, where it is absent. */
  readonly timeResolution: number;
  /** if_tsoffset, seconds. */
  readonly timeOffset: bigint;
  /** if_fcslen in bytes; 0 where it is absent. */
  readonly fcsLength: number;
  readonly name?: string;
  readonly description?: string;
  readonly options: readonly BlockOption[];
}

export interface InterfaceStatistics {
  /** Interface within its section. */
  readonly interfaceId: number;
  readonly ticks: bigint;
  readonly options: readonly BlockOption[];
}

export interface NameResolution {
  readonly names: readonly { readonly address: string; readonly names: readonly string[] }[];
  readonly options: readonly BlockOption[];
}

/** Byte order by the magic at offset 8 of a section header; undefined when it is neither. */
export function sectionByteOrder(magic: Uint8Array): "little" | "big" | undefined {
  const view = new DataView(magic.buffer, magic.byteOffset, magic.byteLength);
  if (view.getUint32(0, true) === 0x1a2b3c4d) return "little";
  return view.getUint32(0, false) === 0x1a2b3c4d ? "big" : undefined;
}

// The functions below take a whole block of at least `leastBlockLength` bytes; its lengths were compared.

export function readSection(block: Uint8Array, littleEndian: boolean): Section {
  const view = viewOf(block);
  return {
    littleEndian,
    major: view.getUint16(12, littleEndian),
    minor: view.getUint16(14, littleEndian),
    options: readOptions(block, 24, block.length - 4, littleEndian),
  };
}

export function readInterface(block: Uint8Array, littleEndian: boolean): InterfaceDescription {
  const view = viewOf(block);
  const options = readOptions(block, 16, block.length - 4, littleEndian);
  const name = optionValue(options, OPTION.interfaceName);
  const description = optionValue(options, OPTION.interfaceDescription);
  const offset = optionValue(options, OPTION.interfaceTimeOffset);
  return {
    linkType: view.getUint16(8, littleEndian),
    snaplen: view.getUint32(12, littleEndian),
    timeResolution: optionValue(options, OPTION.interfaceTimeResolution)?.[0] ?? 6,
    timeOffset: offset?.length === 8 ? BigInt.asIntN(64, optionNumber(offset, littleEndian) ?? 0n) : 0n,
    fcsLength: optionValue(options, OPTION.interfaceFcsLength)?.[0] ?? 0,
    ...(name === undefined ? {} : { name: optionText(name) }),
    ...(description === undefined ? {} : { description: optionText(description) }),
    options,
  };
}

export function readStatistics(block: Uint8Array, littleEndian: boolean): InterfaceStatistics {
  const view = viewOf(block);
  return {
    interfaceId: view.getUint32(8, littleEndian),
    ticks: (BigInt(view.getUint32(12, littleEndian)) << 32n) | BigInt(view.getUint32(16, littleEndian)),
    options: readOptions(block, 20, block.length - 4, littleEndian),
  };
}

/** Record types of a name resolution block, and how many bytes of address they begin with. */
const NAME_RECORDS: Readonly<Record<number, number>> = { 1: 4, 2: 16 };

/** Records of unknown types are left out; what does not fit ends the list. */
export function readNames(block: Uint8Array, littleEndian: boolean): NameResolution {
  const view = viewOf(block);
  const end = block.length - 4;
  const names: { address: string; names: string[] }[] = [];
  let at = 8;
  while (end - at >= 4) {
    const type = view.getUint16(at, littleEndian);
    const length = view.getUint16(at + 2, littleEndian);
    at += 4;
    if (type === 0 || length > end - at) break;
    const addressLength = NAME_RECORDS[type];
    if (addressLength !== undefined && length >= addressLength) {
      const text = block.subarray(at + addressLength, at + length);
      names.push({ address: formatIpAddress(block, at, addressLength), names: zeroTerminated(text) });
    }
    at += Math.ceil(length / 4) * 4;
  }
  return { names, options: readOptions(block, at, end, littleEndian) };
}

function zeroTerminated(bytes: Uint8Array): string[] {
  return new TextDecoder()
    .decode(Uint8Array.from(bytes))
    .split("\0")
    .filter((name) => name !== "");
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
