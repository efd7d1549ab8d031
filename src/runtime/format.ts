import { EINVAL } from "../layout/index.ts";

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

const isSpace = (letter: string): boolean => letter === " " || (letter >= "\t" && letter <= "\r");
const isPrintable = (letter: string): boolean => letter >= " " && letter <= "~";
const isAlphanumeric = (letter: string): boolean => /^[0-9A-Za-z]$/.test(letter);
/** Ends a directive that may not be followed by a letter or digit. */
const endsWord = (letter: string | undefined): boolean =>
  letter === undefined || isSpace(letter) || (isPrintable(letter) && !isAlphanumeric(letter));

/** Longest width of a field. lib/vsprintf.c: FIELD_WIDTH_MAX. */
const WIDTH_MAX = 2 ** 23 - 1;
/** Room for the strings of one call. kernel/bpf/helpers.c: MAX_BPRINTF_BIN_ARGS. */
const STRINGS_MAX = 512;

const directive = /^([0 +-]*)([1-9][0-9]*)?(?:(p)(ks|us|[iI][46]|[KxsSB](?![0-9A-Za-z])|(?![0-9A-Za-z]))|(s)|(c)|(l{0,2})([diuxX]))/;

/**
 * Splits a format as the kernel's printing helpers check it: printable ASCII and blanks; directives %d %i %u %x %X with l or ll, %c, %s, %p,
 * %px, %pK, %pks, %pus, %ps, %pS, %pB, %pi4, %pI4, %pi6, %pI6, with flags "0 +-" and a width; no more directives than arguments. Undefined: -EINVAL.
 * kernel/bpf/helpers.c: bpf_bprintf_prepare.
 */
function parseFormat(format: string, argumentCount: number): Piece[] | undefined {
  const pieces: Piece[] = [];
  let used = 0;
  for (let at = 0; at < format.length; at++) {
    const letter = format[at]!;
    if (!isPrintable(letter) && !isSpace(letter)) return undefined;
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
    if (isText && !endsWord(format[end + 1])) return undefined;
    // The printing proper passes over letters and digits that follow a pointer's kind.
    if (pointer !== undefined && !isText) while (end + 1 < format.length && isAlphanumeric(format[end + 1]!)) end++;
    const conversion = isText ? "s" : (character ?? (pointer === undefined ? integer.replace("i", "d") : `p${kind}`));
    pieces.push({ flags, width: Math.min(Number(width), WIDTH_MAX), conversion, long: length !== "" });
    at = end;
  }
  return pieces;
}

/** Output that keeps its first `limit` bytes and counts the rest. */
class Output {
  readonly bytes: number[] = [];
  readonly #limit: number;
  length = 0;

  constructor(limit: number) {
    this.#limit = limit;
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
  /** The first `limit` bytes. */
  readonly bytes: Uint8Array;
  /** Bytes of the whole text. */
  readonly length: number;
}

/** Formats as the kernel does for BPF programs; a negative errno for a format that it refuses. */
export function formatText(format: Uint8Array, values: readonly bigint[], memory: FormatMemory, limit: number): Formatted | number {
  const pieces = parseFormat(Array.from(format, (letter) => String.fromCharCode(letter)).join(""), values.length);
  if (pieces === undefined) return -EINVAL;
  const output = new Output(limit);
  let next = 0;
  let room = STRINGS_MAX;
  for (const piece of pieces) {
    if (typeof piece === "string") output.write(piece);
    else room -= writeDirective(output, piece, values[next++]!, memory, room);
  }
  return { bytes: Uint8Array.from(output.bytes), length: output.length };
}

/** Gives how much of the room for strings it took. */
function writeDirective(output: Output, made: Directive, value: bigint, memory: FormatMemory, room: number): number {
  const { conversion } = made;
  if (conversion === "s") {
    const text = memory.textAt(value, Math.max(room - 1, 0)) ?? new Uint8Array(0);
    output.field(text, made);
    return text.length + 1;
  }
  if (conversion === "c") output.field(Uint8Array.of(Number(value & 0xffn)), { ...made, width: Math.max(made.width, 1) });
  else if (/^p[iI]/.test(conversion)) output.write(addressText(conversion.slice(1), value, memory));
  else if (conversion.startsWith("p")) writePointer(output, made, value);
  else writeNumber(output, made, value);
  return 0;
}

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
