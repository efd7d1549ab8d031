import type { Result } from "../../problem/index.ts";
import { formatHex } from "./hexBytes.ts";
import { bitfieldOf, sizeOfType, stripped } from "./layout.ts";
import { asResult, bitfieldWindow, namedMembers, readInteger, type TypedValue, ValueWalk } from "./typedValue.ts";
import { type Btf, type BtfComposite, type BtfDataSection, type BtfEnum, type BtfInt, type BtfType, btfName } from "./types.ts";

/** Reads bytes as a value of the type: exactly as many as it has. The problem names the member that could not be read. */
export function decodeValue(btf: Btf, typeId: number, bytes: Uint8Array, root = "value"): Result<TypedValue> {
  return asResult(() => {
    const walk = new ValueWalk(btf, root);
    const expected = sizeOfType(btf, typeId);
    if (bytes.length !== expected)
      walk.fail("value_wrong_size", { size: bytes.length, type: btfName(stripped(btf, typeId)) || "its type", expected });
    return new Decoder(walk, bytes).value(typeId, 0);
  });
}

class Decoder {
  readonly #walk: ValueWalk;
  readonly #btf: Btf;
  readonly #bytes: Uint8Array;

  constructor(walk: ValueWalk, bytes: Uint8Array) {
    this.#walk = walk;
    this.#btf = walk.btf;
    this.#bytes = bytes;
  }

  value(typeId: number, at: number): TypedValue {
    const type = stripped(this.#btf, typeId);
    switch (type.kind) {
      case "int":
        return this.#int(type, at);
      case "enum":
      case "enum64":
        return enumerator(type, this.#integer(at, type.size, type.size * 8, type.signed));
      case "float":
        return this.#float(at, type.size);
      case "ptr":
        return `0x${this.#integer(at, 8, 64, false).toString(16)}`;
      case "array":
        return this.#array(type.element, type.length, at);
      case "struct":
      case "union":
        return this.#composite(type, at);
      case "datasec":
        return this.#section(type, at);
      case "var":
        return this.value(type.type, at);
      default:
        return this.#walk.fail("value_no_form", { type: btfName(type) || type.kind });
    }
  }

  #need(at: number, size: number): void {
    if (at < 0 || at + size > this.#bytes.length) this.#walk.fail("value_member_outside", { size: this.#bytes.length });
  }

  #integer(at: number, size: number, bits: number, signed: boolean): bigint {
    this.#need(at, size);
    const value = readInteger(this.#bytes, at, size, this.#btf.littleEndian);
    return signed ? BigInt.asIntN(bits, value) : value;
  }

  #int(type: BtfInt, at: number): TypedValue {
    if (type.bits !== type.size * 8) return this.#bitfield(type, at * 8 + type.bitOffset, type.bits);
    return scalar(type, this.#integer(at, type.size, type.bits, type.signed));
  }

  #bitfield(type: BtfType, bitOffset: number, bits: number): TypedValue {
    const { at, size, shift } = bitfieldWindow(bitOffset, bits, this.#btf.littleEndian);
    this.#need(at, size);
    const raw = BigInt.asUintN(bits, readInteger(this.#bytes, at, size, this.#btf.littleEndian) >> shift);
    if (type.kind === "enum" || type.kind === "enum64") return enumerator(type, type.signed ? BigInt.asIntN(bits, raw) : raw);
    if (type.kind !== "int") return this.#walk.fail("value_no_form", { type: `bitfield of ${type.kind}` });
    return scalar(type, type.signed ? BigInt.asIntN(bits, raw) : raw);
  }

  #float(at: number, size: number): TypedValue {
    this.#need(at, size);
    const view = new DataView(this.#bytes.buffer, this.#bytes.byteOffset + at, size);
    const value =
      size === 4 ? view.getFloat32(0, this.#btf.littleEndian) : size === 8 ? view.getFloat64(0, this.#btf.littleEndian) : Number.NaN;
    // JSON knows no infinity and no negative zero.
    if (Number.isFinite(value) && !Object.is(value, -0)) return value;
    return formatHex(this.#bytes.subarray(at, at + size));
  }

  #array(element: number, length: number, at: number): TypedValue {
    const size = sizeOfType(this.#btf, element);
    this.#need(at, size * length);
    const type = stripped(this.#btf, element);
    if (size === 0) return [];
    if (isChar(type)) {
      const text = printable(this.#bytes.subarray(at, at + length));
      if (text !== null) return text;
    }
    return Array.from({ length }, (_, index) => this.#walk.inside(`[${index}]`, () => this.value(element, at + index * size)));
  }

  #composite(type: BtfComposite, at: number): TypedValue {
    const entries = namedMembers(this.#walk, type).map(({ name, member, bitOffset }): [string, TypedValue] => {
      const value = this.#walk.inside(`.${name}`, () => {
        const field = bitfieldOf(this.#btf, { ...member, bitOffset });
        if (field !== null) return this.#bitfield(stripped(this.#btf, member.type), at * 8 + field.bitOffset, field.bits);
        return this.value(member.type, at + Math.floor(bitOffset / 8));
      });
      return [name, value];
    });
    return Object.fromEntries(entries);
  }

  #section(type: BtfDataSection, at: number): TypedValue {
    const entries = type.variables.map(({ type: id, offset }): [string, TypedValue] => {
      const variable = stripped(this.#btf, id);
      const name = btfName(variable) || `at ${offset}`;
      return [name, this.#walk.inside(`.${name}`, () => this.value(id, at + offset))];
    });
    return Object.fromEntries(entries);
  }
}

/** `char` itself, by name or by encoding; `unsigned char` is a number. */
export const isChar = (type: BtfType): boolean => type.kind === "int" && type.size === 1 && (type.char || type.name === "char");

/** Text of printable ASCII, up to the zeros that fill the array's end; null for anything else. */
function printable(bytes: Uint8Array): string | null {
  let end = bytes.length;
  while (end > 0 && bytes[end - 1] === 0) end--;
  const text = bytes.subarray(0, end);
  return text.every((byte) => byte >= 0x20 && byte < 0x7f) ? String.fromCharCode(...text.subarray(0, LONGEST_TEXT)) + rest(text) : null;
}

/** Arguments that one call takes safely; longer text is put together. */
const LONGEST_TEXT = 4096;
const rest = (text: Uint8Array): string => (text.length > LONGEST_TEXT ? new TextDecoder().decode(text.subarray(LONGEST_TEXT)) : "");

function scalar(type: BtfInt, value: bigint): TypedValue {
  if (type.bool && (value === 0n || value === 1n)) return value === 1n;
  return plain(value);
}

const enumerator = (type: BtfEnum, value: bigint): TypedValue => type.values.find((one) => one.value === value)?.name ?? plain(value);

/** A number where a double holds it exactly, else decimal digits. */
const plain = (value: bigint): number | string => {
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : value.toString();
};
