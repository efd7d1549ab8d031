import { type Place, ProblemError } from "../../problem/index.ts";
import { btfProblems } from "./problems.ts";

/**
 * Bytes of a file, in its byte order, of which every read is checked: one that goes outside throws a ProblemError that names the file and the
 * offset in it. Offsets given to the methods count from the start of the range.
 */
export class FileRange {
  readonly bytes: Uint8Array;
  readonly file: string;
  /** Where the range begins in the file. */
  readonly start: number;
  readonly littleEndian: boolean;
  readonly #view: DataView;

  constructor(bytes: Uint8Array, file: string, start: number, littleEndian: boolean) {
    this.bytes = bytes;
    this.file = file;
    this.start = start;
    this.littleEndian = littleEndian;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  get length(): number {
    return this.bytes.length;
  }

  /** The place of a byte of this range, for a problem. */
  place(at: number): Place {
    return { file: this.file, offset: this.start + at };
  }

  /** A part of the range. `what` names it in the problem that is thrown when it is not all there. */
  part(at: number, length: number, what: string): FileRange {
    this.#need(at, length, what);
    return new FileRange(this.bytes.subarray(at, at + length), this.file, this.start + at, this.littleEndian);
  }

  /** The same bytes, read in another byte order. */
  inByteOrder(littleEndian: boolean): FileRange {
    return new FileRange(this.bytes, this.file, this.start, littleEndian);
  }

  u8(at: number, what: string): number {
    this.#need(at, 1, what);
    return this.#view.getUint8(at);
  }

  u16(at: number, what: string): number {
    this.#need(at, 2, what);
    return this.#view.getUint16(at, this.littleEndian);
  }

  u32(at: number, what: string): number {
    this.#need(at, 4, what);
    return this.#view.getUint32(at, this.littleEndian);
  }

  i32(at: number, what: string): number {
    this.#need(at, 4, what);
    return this.#view.getInt32(at, this.littleEndian);
  }

  u64(at: number, what: string): bigint {
    this.#need(at, 8, what);
    return this.#view.getBigUint64(at, this.littleEndian);
  }

  /** A 64-bit offset or size: as a number when the file could hold it, else the problem. */
  offset64(at: number, what: string): number {
    const value = this.u64(at, what);
    return value > BigInt(Number.MAX_SAFE_INTEGER) ? Number.MAX_SAFE_INTEGER : Number(value);
  }

  #need(at: number, length: number, what: string): void {
    if (at >= 0 && length >= 0 && at + length <= this.bytes.length) return;
    const have = Math.max(0, this.bytes.length - at);
    throw new ProblemError(btfProblems.object_cut({ what, need: length, have }, this.place(Math.min(Math.max(at, 0), this.bytes.length))));
  }
}
