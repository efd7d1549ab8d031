import { EINVAL, ENOSPC } from "../layout/index.ts";

/** What a format may point to: memory of programs, read with bounds. Undefined: no such address. */
export interface FormatMemory {
  bytesAt(address: bigint, size: number): Uint8Array | undefined;
  /** The bytes before the first NUL, at most `limit`; undefined when the address is not there. */
  textAt(address: bigint, limit: number): Uint8Array | undefined;
}

/** A directive of a format, checked. */
interface Directive {
  readonly flags: string;
  readonly width: number;
  /** d (and i), u, x, X, c, s, or p with what follows it. */
  readonly conversion: string;
  /** An integer of 64 bits, else of 32. */
  readonly long: boolean;
}

type Piece = string | Directive;

/** lib/ctype.c: the bytes beyond ASCII are those of Latin-1. */
const isSpace = (letter: string): boolean => letter === " " || (letter >= "\t" && letter <= "\r") || letter === "\xa0";
const isAlphanumeric = (letter: string): boolean => /^[0-9A-Za-z\xc0-\xd6\xd8-\xf6\xf8-\xff]$/.test(letter);
const isPrintable = (letter: string): boolean => (letter >= " " && letter <= "~") || letter >= "\xa0";
/** Ends a directive that may not be followed by a letter or digit. */
const endsWord = (letter: string | undefined): boolean =>
  letter === undefined || isSpace(letter) || (isPrintable(letter) && !isAlphanumeric(letter));

/** Longest width of a field. lib/vsprintf.c: FIELD_WIDTH_MAX. */
const WIDTH_MAX = 2 ** 23 - 1;
/** Room for the values of one call. kernel/bpf/helpers.c: MAX_BPRINTF_BIN_ARGS. */
const VALUES_MAX = 512;

const directive = /^([0 +-]*)([1-9][0-9]*)?(?:(p)(ks|us|[iI][46]|[KxsSB]|)|(s)|(c)|(l{0,2})([diuxX]))/;

/**
 * Splits a format as the kernel's printing helpers check it: printable ASCII, blanks, and bytes beyond ASCII; directives %d %i %u %x %X with l or ll, %c, %s, %p,
 * %px, %pK, %pks, %pus, %ps, %pS, %pB, %pi4, %pI4, %pi6, %pI6, with flags "0 +-" and a width; no more directives than arguments. Undefined: -EINVAL.
 * kernel/bpf/helpers.c: bpf_bprintf_prepare.
 */
function parseFormat(format: string, argumentCount: number): Piece[] | undefined {
  const pieces: Piece[] = [];
  let used = 0;
  for (let at = 0; at < format.length; at++) {
    const letter = format[at]!;
    if (!isPrintable(letter) && !isSpace(letter) && letter < "\x80") return undefined;
    if (letter !== "%") {
      pieces.push(letter);
      continue;
    }
    if (format[at + 1] === "%") {
      pieces.push("%");
      at++;
      continue;
    }
    if (used++ >= argumentCount) return undefined;
    const rest = format.slice(at + 1);
    const match = directive.exec(rest);
    if (match === null) return undefined;
    const [whole, flags = "", width = "0", pointer, kind = "", text, character, length = "", integer = ""] = match;
    const isText = text !== undefined || kind === "ks" || kind === "us";
    let end = at + whole.length;
    if ((isText || (pointer !== undefined && kind === "")) && !endsWord(format[end + 1])) return undefined;
    // The printing proper passes over letters and digits that follow a pointer's kind.
    if (pointer !== undefined && !isText) while (end + 1 < format.length && isAlphanumeric(format[end + 1]!)) end++;
    const conversion = text ?? character ?? (pointer === undefined ? integer.replace("i", "d") : `p${kind}`);
    pieces.push({ flags, width: Math.min(Number(width), WIDTH_MAX), conversion, long: length !== "" });
    at = end;
  }
  return pieces;
}

/** Output into a buffer of `size` bytes, of which the last is a NUL's: keeps what comes before it and counts the rest. */
class Output {
  readonly bytes: number[] = [];
  readonly #size: number;
  readonly #limit: number;
  length = 0;

  constructor(size: number) {
    this.#size = size;
    this.#limit = Math.max(size - 1, 0);
  }

  /** The buffer is at its end. */
  get full(): boolean {
    return this.length >= this.#size;
  }

  write(text: Uint8Array | string, times = 1): void {
    for (let turn = 0; turn < times; turn++) {
      if (this.bytes.length >= this.#limit) break;
      for (let at = 0; at < text.length && this.bytes.length < this.#limit; at++) {
        this.bytes.push(typeof text === "string" ? text.charCodeAt(at) : text[at]!);
      }
    }
    this.length += text.length * times;
  }

  /** In a field: blanks before it, or behind it with the flag "-". */
  field(text: Uint8Array | string, { flags, width }: Directive): void {
    const blanks = Math.max(width - text.length, 0);
    if (!flags.includes("-")) this.write(" ", blanks);
    this.write(text);
    if (flags.includes("-")) this.write(" ", blanks);
  }
}

export interface Formatted {
  /** What a buffer of `size` bytes holds of it, in front of a NUL. */
  readonly bytes: Uint8Array;
  /** Bytes of the whole text. */
  readonly length: number;
}

/**
 * Formats as the kernel does for BPF programs; a negative errno for a format that it refuses, or values that need too much room. As there, values are first collected
 * one behind the other, texts among them, and printed from there (kernel/bpf/helpers.c: bpf_bprintf_prepare; lib/vsprintf.c: bstr_printf).
 */
export function formatText(format: Uint8Array, values: readonly bigint[], memory: FormatMemory, size: number): Formatted | number {
  const pieces = parseFormat(Array.from(format, (letter) => String.fromCharCode(letter)).join(""), values.length);
  if (pieces === undefined) return -EINVAL;
  const collected = new CollectedValues();
  let next = 0;
  for (const piece of pieces) if (typeof piece !== "string" && !collect(collected, piece, values[next++]!, memory)) return -ENOSPC;
  const output = new Output(size);
  for (const piece of pieces) {
    if (typeof piece === "string") output.write(piece);
    else writeDirective(output, piece, collected);
  }
  return { bytes: Uint8Array.from(output.bytes), length: output.length };
}

/** The values of a call as the kernel collects them: numbers of 1, 4 and 8 bytes, the longer ones at multiples of 4; texts with their NUL. */
class CollectedValues {
  readonly #bytes = new Uint8Array(VALUES_MAX);
  readonly #view = new DataView(this.#bytes.buffer);
  #end = 0;
  #next = 0;

  /** Room for a text with its NUL. */
  get room(): number {
    return VALUES_MAX - this.#end;
  }

  /** False where there is no room. */
  addNumber(value: bigint, size: 1 | 4 | 8): boolean {
    const at = size === 1 ? this.#end : Math.ceil(this.#end / 4) * 4;
    if (at + size > VALUES_MAX) return false;
    if (size === 8) this.#view.setBigUint64(at, BigInt.asUintN(64, value), true);
    else if (size === 4) this.#view.setUint32(at, Number(value & 0xffffffffn), true);
    else this.#view.setUint8(at, Number(value & 0xffn));
    this.#end = at + size;
    return true;
  }

  addText(text: Uint8Array): boolean {
    if (this.room < text.length + 1) return false;
    this.#bytes.set(text, this.#end);
    this.#end += text.length + 1;
    return true;
  }

  takeNumber(size: 1 | 4 | 8): bigint {
    const at = size === 1 ? this.#next : Math.ceil(this.#next / 4) * 4;
    this.#next = at + size;
    if (this.#next > VALUES_MAX) return 0n;
    return size === 8 ? this.#view.getBigUint64(at, true) : BigInt(size === 4 ? this.#view.getUint32(at, true) : this.#view.getUint8(at));
  }

  takeText(): Uint8Array {
    const end = this.#bytes.indexOf(0, this.#next);
    const text = this.#bytes.subarray(this.#next, end < 0 ? VALUES_MAX : end);
    this.#next += text.length + 1;
    return text;
  }
}

/** Pointers that are followed when values are collected: their text is printed without a field. */
const isFollowed = (conversion: string): boolean => /^p(?:[iI][46]|ks|us|B)$/.test(conversion);

/** Adds what a directive prints; false where there is no room. */
function collect(collected: CollectedValues, { conversion, long }: Directive, value: bigint, memory: FormatMemory): boolean {
  if (conversion === "s" || conversion === "pks" || conversion === "pus") {
    if (collected.room === 0) return false;
    return collected.addText(memory.textAt(value, collected.room - 1) ?? new Uint8Array(0));
  }
  if (conversion === "pB") return collected.addText(textBytes(symbolText(value)));
  if (isFollowed(conversion)) return collected.addText(textBytes(addressText(conversion.slice(1), value, memory)));
  return collected.addNumber(value, conversion === "c" ? 1 : long || conversion.startsWith("p") ? 8 : 4);
}

function writeDirective(output: Output, made: Directive, collected: CollectedValues): void {
  const { conversion, long } = made;
  if (conversion === "s") output.field(collected.takeText(), made);
  else if (conversion === "c") output.field(Uint8Array.of(Number(collected.takeNumber(1))), { ...made, width: Math.max(made.width, 1) });
  else if (isFollowed(conversion)) {
    // At the buffer's end Linux passes this over, and takes what was collected for the values behind it.
    if (!output.full) output.write(collected.takeText());
  } else if (conversion === "ps" || conversion === "pS") output.field(symbolText(collected.takeNumber(8)), made);
  else if (conversion.startsWith("p")) writePointer(output, made, collected.takeNumber(8));
  else writeNumber(output, made, collected.takeNumber(long ? 8 : 4));
}

/** An address of the kernel's code by its name; here there are none. */
const symbolText = (value: bigint): string => `0x${value.toString(16)}`;

const textBytes = (text: string): Uint8Array => Uint8Array.from(text, (letter) => letter.charCodeAt(0));

function writeNumber(output: Output, made: Directive, value: bigint): void {
  const { conversion, flags, width, long } = made;
  const signed = conversion === "d";
  const number = signed ? BigInt.asIntN(long ? 64 : 32, value) : BigInt.asUintN(long ? 64 : 32, value);
  const sign = !signed ? "" : number < 0n ? "-" : flags.includes("+") ? "+" : flags.includes(" ") ? " " : "";
  const digits = (number < 0n ? -number : number).toString(conversion === "x" || conversion === "X" ? 16 : 10);
  const cased = conversion === "X" ? digits.toUpperCase() : digits;
  if (flags.includes("0") && !flags.includes("-")) {
    output.write(sign);
    output.write("0", Math.max(width - sign.length - cased.length, 0));
    output.write(cased);
  } else output.field(sign + cased, made);
}

/** A pointer: %px as it is, others as 32 bits that stand for it (the kernel hashes them with a secret), in 16 digits. */
function writePointer(output: Output, made: Directive, value: bigint): void {
  const shown = made.conversion === "px" || value === 0n ? value : ((value * 0x9e3779b97f4a7c15n) >> 16n) & 0xffffffffn;
  const width = made.width === 0 ? 16 : made.width;
  const flags = made.width === 0 ? `${made.flags}0` : made.flags;
  writeNumber(output, { conversion: "x", long: true, flags, width }, shown);
}

function addressText(kind: string, value: bigint, memory: FormatMemory): string {
  const size = kind.endsWith("4") ? 4 : 16;
  const bytes = memory.bytesAt(value, size) ?? new Uint8Array(size);
  if (size === 4) return Array.from(bytes, (byte) => (kind === "i4" ? String(byte).padStart(3, "0") : String(byte))).join(".");
  const groups = Array.from({ length: 8 }, (_, index) => ((bytes[index * 2]! << 8) | bytes[index * 2 + 1]!).toString(16).padStart(4, "0"));
  return groups.join(kind === "I6" ? ":" : "");
}
