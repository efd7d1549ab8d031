import type { Result } from "../../problem/index.ts";
import { formatHex } from "./hexBytes.ts";
import { bitfieldOf, sizeOfType, stripped } from "./layout.ts";
import { asResult, bitfieldWindow, namedMembers, type PlainValue, readInteger, type TypedValue, ValueWalk } from "./typedValue.ts";
import { type Btf, type BtfComposite, type BtfDataSection, type BtfEnum, type BtfInt, type BtfType, btfName } from "./types.ts";

/** Reads bytes as a value of the type: exactly as many as it has. The problem names the member that could not be read. */
export const decodeValue = (btf: Btf, typeId: number, bytes: Uint8Array, root = "value"): Result<TypedValue> =>
  decode(btf, typeId, bytes, root, asJson);

/** The same as a value that a program handles: its form depends on the type alone, never on what it holds. */
export const decodePlain = (btf: Btf, typeId: number, bytes: Uint8Array, root = "value"): Result<PlainValue> =>
  decode(btf, typeId, bytes, root, asPlain);

function decode<V>(btf: Btf, typeId: number, bytes: Uint8Array, root: string, form: ValueForm<V>): Result<V> {
  return asResult(() => {
    const walk = new ValueWalk(btf, root);
    const expected = sizeOfType(btf, typeId);
    if (bytes.length !== expected)
      walk.fail("value_wrong_size", { size: bytes.length, type: btfName(stripped(btf, typeId)) || "its type", expected });
    return new Decoder(walk, bytes, form).value(typeId, 0);
  });
}

/** How scalars, and arrays that stand for one, are written. */
interface ValueForm<V> {
  /** An integer; `wide` when its type has 8 bytes or more. */
  integer(value: bigint, wide: boolean): V;
  boolean(value: bigint): V;
  name(enumerator: string): V;
  pointer(value: bigint): V;
  float(value: number, bytes: Uint8Array): V;
  /** An array of char, or one of unsigned bytes; null when it is a list like any other. */
  characters(bytes: Uint8Array): V | null;
  octets(bytes: Uint8Array): V | null;
  list(elements: readonly V[]): V;
  object(members: { readonly [member: string]: V }): V;
}

const asJson: ValueForm<TypedValue> = {
  integer: (value) => plain(value),
  // What holds neither is shown as it is.
  boolean: (value) => (value === 0n || value === 1n ? value === 1n : plain(value)),
  name: (enumerator) => enumerator,
  pointer: (value) => `0x${value.toString(16)}`,
  // JSON knows no infinity and no negative zero.
  float: (value, bytes) => (Number.isFinite(value) && !Object.is(value, -0) ? value : formatHex(bytes)),
  characters: printable,
  octets: () => null,
  list: (elements) => elements,
  object: (members) => members,
};

const asPlain: ValueForm<PlainValue> = {
  integer: (value, wide) => (wide ? value : Number(value)),
  boolean: (value) => value !== 0n,
  name: (enumerator) => enumerator,
  pointer: (value) => value,
  float: (value) => value,
  characters: (bytes) => latin1(bytes.subarray(0, textEnd(bytes))),
  octets: (bytes) => bytes.slice(),
  list: (elements) => elements,
  object: (members) => members,
};

class Decoder<V> {
  readonly #walk: ValueWalk;
  readonly #btf: Btf;
  readonly #bytes: Uint8Array;
  readonly #form: ValueForm<V>;

  constructor(walk: ValueWalk, bytes: Uint8Array, form: ValueForm<V>) {
    this.#walk = walk;
    this.#btf = walk.btf;
    this.#bytes = bytes;
    this.#form = form;
  }

  value(typeId: number, at: number): V {
    const type = stripped(this.#btf, typeId);
    switch (type.kind) {
      case "int":
        return this.#int(type, at);
      case "enum":
      case "enum64":
        return this.#enumerator(type, this.#integer(at, type.size, type.size * 8, type.signed));
      case "float":
        return this.#float(at, type.size);
      case "ptr":
        return this.#form.pointer(this.#integer(at, 8, 64, false));
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

  #int(type: BtfInt, at: number): V {
    if (type.bits !== type.size * 8) return this.#bitfield(type, at * 8 + type.bitOffset, type.bits);
    return this.#scalar(type, this.#integer(at, type.size, type.bits, type.signed));
  }

  #bitfield(type: BtfType, bitOffset: number, bits: number): V {
    const { at, size, shift } = bitfieldWindow(bitOffset, bits, this.#btf.littleEndian);
    this.#need(at, size);
    const raw = BigInt.asUintN(bits, readInteger(this.#bytes, at, size, this.#btf.littleEndian) >> shift);
    if (type.kind === "enum" || type.kind === "enum64") return this.#enumerator(type, type.signed ? BigInt.asIntN(bits, raw) : raw);
    if (type.kind !== "int") return this.#walk.fail("value_no_form", { type: `bitfield of ${type.kind}` });
    return this.#scalar(type, type.signed ? BigInt.asIntN(bits, raw) : raw);
  }

  #float(at: number, size: number): V {
    this.#need(at, size);
    const view = new DataView(this.#bytes.buffer, this.#bytes.byteOffset + at, size);
    const value =
      size === 4 ? view.getFloat32(0, this.#btf.littleEndian) : size === 8 ? view.getFloat64(0, this.#btf.littleEndian) : Number.NaN;
    return this.#form.float(value, this.#bytes.subarray(at, at + size));
  }

  #scalar(type: BtfInt, value: bigint): V {
    if (type.bool) return this.#form.boolean(value);
    return this.#form.integer(value, type.size >= 8);
  }

  #enumerator(type: BtfEnum, value: bigint): V {
    const named = type.values.find((one) => one.value === value);
    return named === undefined ? this.#form.integer(value, type.size >= 8) : this.#form.name(named.name);
  }

  #array(element: number, length: number, at: number): V {
    const size = sizeOfType(this.#btf, element);
    this.#need(at, size * length);
    const type = stripped(this.#btf, element);
    if (size === 0) return this.#form.list([]);
    const bytes = this.#bytes.subarray(at, at + length);
    const whole = isChar(type) ? this.#form.characters(bytes) : isOctet(type) ? this.#form.octets(bytes) : null;
    if (whole !== null) return whole;
    return this.#form.list(
      Array.from({ length }, (_, index) => this.#walk.inside(`[${index}]`, () => this.value(element, at + index * size))),
    );
  }

  #composite(type: BtfComposite, at: number): V {
    const entries = namedMembers(this.#walk, type).map(({ name, member, bitOffset }): [string, V] => {
      const value = this.#walk.inside(`.${name}`, () => {
        const field = bitfieldOf(this.#btf, { ...member, bitOffset });
        if (field !== null) return this.#bitfield(stripped(this.#btf, member.type), at * 8 + field.bitOffset, field.bits);
        return this.value(member.type, at + Math.floor(bitOffset / 8));
      });
      return [name, value];
    });
    return this.#form.object(Object.fromEntries(entries));
  }

  #section(type: BtfDataSection, at: number): V {
    const entries = type.variables.map(({ type: id, offset }): [string, V] => {
      const variable = stripped(this.#btf, id);
      const name = btfName(variable) || `at ${offset}`;
      return [name, this.#walk.inside(`.${name}`, () => this.value(id, at + offset))];
    });
    return this.#form.object(Object.fromEntries(entries));
  }
}

/** An unsigned byte that is a number: `unsigned char`, `__u8`. */
export const isOctet = (type: BtfType): boolean =>
  type.kind === "int" && type.size === 1 && type.bits === 8 && !type.signed && !type.bool && !isChar(type);

/** `char` itself, by name or by encoding; `unsigned char` is a number. */
export const isChar = (type: BtfType): boolean => type.kind === "int" && type.size === 1 && (type.char || type.name === "char");

/** Text of printable ASCII, up to the zeros that fill the array's end; null for anything else. */
function printable(bytes: Uint8Array): string | null {
  const text = bytes.subarray(0, textEnd(bytes));
  return text.every((byte) => byte >= 0x20 && byte < 0x7f) ? latin1(text) : null;
}

/** Where the zeros begin that fill an array's end. */
function textEnd(bytes: Uint8Array): number {
  let end = bytes.length;
  while (end > 0 && bytes[end - 1] === 0) end--;
  return end;
}

/** One letter a byte. */
function latin1(bytes: Uint8Array): string {
  let text = "";
  for (let at = 0; at < bytes.length; at += LONGEST_TEXT) text += String.fromCharCode(...bytes.subarray(at, at + LONGEST_TEXT));
  return text;
}

/** Arguments that one call takes safely; longer text is put together. */
const LONGEST_TEXT = 4096;

/** A number where a double holds it exactly, else decimal digits. */
const plain = (value: bigint): number | string => {
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : value.toString();
};
