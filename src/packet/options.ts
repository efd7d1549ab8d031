/** Options of pcapng blocks: type, length, value, padded to 4 bytes, in the byte order of the section. draft-ietf-opsawg-pcapng, section 3.5. */

export interface BlockOption {
  readonly code: number;
  readonly value: Uint8Array;
}

/** The codes that xdplane itself reads or writes. */
export const OPTION = {
  comment: 1,
  sectionHardware: 2,
  sectionOs: 3,
  sectionApplication: 4,
  interfaceName: 2,
  interfaceDescription: 3,
  interfaceTimeResolution: 9,
  interfaceFcsLength: 13,
  interfaceTimeOffset: 14,
  packetFlags: 2,
  packetId: 5,
  packetQueue: 6,
  packetVerdict: 7,
} as const;

const padded = (length: number) => Math.ceil(length / 4) * 4;

/**
 * The options in `bytes` from `at` to `end`, in order. Values are views. One whose length runs over the end is left out, with what follows it: options never
 * make a packet unreadable.
 */
export function readOptions(bytes: Uint8Array, at: number, end: number, littleEndian: boolean): BlockOption[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const options: BlockOption[] = [];
  while (end - at >= 4) {
    const code = view.getUint16(at, littleEndian);
    const length = view.getUint16(at + 2, littleEndian);
    if (code === 0 || length > end - at - 4) break;
    options.push({ code, value: bytes.subarray(at + 4, at + 4 + length) });
    at += 4 + padded(length);
  }
  return options;
}

/** Bytes that the options take with their end mark; 0 when there are none. */
export function optionsLength(options: readonly BlockOption[]): number {
  if (options.length === 0) return 0;
  return options.reduce((sum, { value }) => sum + 4 + padded(value.length), 4);
}

/** Writes options in little endian at `at`. The bytes there must be zero: padding and end mark are left as they are. */
export function writeOptions(bytes: Uint8Array, at: number, options: readonly BlockOption[]): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (const { code, value } of options) {
    view.setUint16(at, code, true);
    view.setUint16(at + 2, value.length, true);
    bytes.set(value, at + 4);
    at += 4 + padded(value.length);
  }
}

/** The value of the first option with that code. */
export function optionValue(options: readonly BlockOption[], code: number): Uint8Array | undefined {
  return options.find((option) => option.code === code)?.value;
}

/** Text of an option: UTF-8, up to a NUL where one stands, faulty bytes replaced. */
export function optionText(value: Uint8Array): string {
  const nul = value.indexOf(0);
  // A view of shared memory cannot be decoded: the bytes are copied first.
  return new TextDecoder().decode(Uint8Array.from(nul < 0 ? value : value.subarray(0, nul)));
}

/** An unsigned number of 1, 2, 4 or 8 bytes; undefined for other sizes. */
export function optionNumber(value: Uint8Array, littleEndian: boolean): bigint | undefined {
  if (![1, 2, 4, 8].includes(value.length)) return undefined;
  const bytes = Array.from(value);
  return (littleEndian ? bytes.reverse() : bytes).reduce((sum, byte) => (sum << 8n) | BigInt(byte), 0n);
}
