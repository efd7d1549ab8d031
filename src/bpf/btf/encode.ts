import type { Result } from "../../problem/index.ts";
import { ipv4Bytes, ipv6Bytes, macBytes } from "./addressText.ts";
import { isChar } from "./decode.ts";
import { parseHex } from "./hexBytes.ts";
import { bitfieldOf, sizeOfType, stripped } from "./layout.ts";
import { asResult, bitfieldWindow, type NamedMember, namedMembers, readInteger, shown, ValueWalk, writeInteger } from "./typedValue.ts";
import { type Btf, type BtfComposite, type BtfDataSection, type BtfEnum, type BtfType, btfName } from "./types.ts";

/**
 * Writes a value of the type as bytes: the reverse of `decodeValue`, taking more than that gives. Integers may be numbers, bigints, decimal or
 * 0x strings; members left out are 0; addresses may be written as text where they fit: "10.0.0.1" for 4 bytes, a MAC address for 6, an IPv6 address
 * for 16, always in packet order; any value may be given as hexadecimal bytes of its whole size ("0a 00 00 01"). The problem names the member.
 */
export const encodeValue = (btf: Btf, typeId: number, value: unknown, root = "value"): Result<Uint8Array> =>
  encode(btf, typeId, value, root, (text) => new TextEncoder().encode(text));

/** The reverse of `decodePlain`, as forgiving as `encodeValue`; but a text for an array of char has one letter a byte. */
export const encodePlain = (btf: Btf, typeId: number, value: unknown, root = "value"): Result<Uint8Array> =>
  encode(btf, typeId, value, root, latin1Bytes);

type TextBytes = (text: string) => Uint8Array | null;

function encode(btf: Btf, typeId: number, value: unknown, root: string, textBytes: TextBytes): Result<Uint8Array> {
  return asResult(() => {
    const walk = new ValueWalk(btf, root);
    const bytes = new Uint8Array(sizeOfType(btf, typeId));
    new Encoder(walk, bytes, textBytes).value(typeId, 0, value);
    return bytes;
  });
}

/** One byte a letter; null for letters that have none. */
function latin1Bytes(text: string): Uint8Array | null {
  const bytes = Uint8Array.from(text, (letter) => letter.codePointAt(0)!);
  return [...text].every((letter) => letter.codePointAt(0)! < 256) ? bytes : null;
}

class Encoder {
  readonly #walk: ValueWalk;
  readonly #btf: Btf;
  readonly #bytes: Uint8Array;
  readonly #textBytes: TextBytes;

  constructor(walk: ValueWalk, bytes: Uint8Array, textBytes: TextBytes) {
    this.#textBytes = textBytes;
    this.#walk = walk;
    this.#btf = walk.btf;
    this.#bytes = bytes;
  }

  value(typeId: number, at: number, value: unknown): void {
    const type = stripped(this.#btf, typeId);
    switch (type.kind) {
      case "int": {
        if (this.#asText(value, at, type.size)) return;
        const bits = type.bits;
        this.#bits(type, at * 8 + type.bitOffset, bits, this.#integer(type, value, bits, type.signed));
        return;
      }
      case "enum":
      case "enum64":
        this.#bits(type, at * 8, type.size * 8, this.#enumerator(type, value, type.size * 8));
        return;
      case "float":
        this.#float(type.size, at, value);
        return;
      case "ptr":
        this.#bits(type, at * 8, 64, this.#integer(type, value, 64, false));
        return;
      case "array":
        this.#array(type.element, type.length, at, value);
        return;
      case "struct":
      case "union":
        if (this.#asText(value, at, type.size)) return;
        this.#composite(type, at, value);
        return;
      case "datasec":
        if (this.#asText(value, at, type.size)) return;
        this.#section(type, at, value);
        return;
      case "var":
        this.value(type.type, at, value);
        return;
      default:
        this.#walk.fail("value_no_form", { type: typeText(type) });
    }
  }

  #wrong(value: unknown, expected: string): never {
    return this.#walk.fail("value_wrong_form", { given: shown(value), expected });
  }

  #need(at: number, size: number): void {
    if (at < 0 || at + size > this.#bytes.length) this.#walk.fail("value_member_outside", { size: this.#bytes.length });
  }

  /** An address in its usual form, or hexadecimal bytes, of exactly that size. */
  #asText(value: unknown, at: number, size: number): boolean {
    if (typeof value !== "string") return false;
    const bytes = addressOrBytes(value, size);
    if (bytes === null) return false;
    this.#need(at, size);
    this.#bytes.set(bytes, at);
    return true;
  }

  #bits(type: BtfType, bitOffset: number, bits: number, value: bigint): void {
    const little = this.#btf.littleEndian;
    const { at, size, shift } = bitfieldWindow(bitOffset, bits, little);
    this.#need(at, size);
    if (bits === 0) this.#walk.fail("value_no_form", { type: typeText(type) });
    const mask = ((1n << BigInt(bits)) - 1n) << shift;
    const old = bits === size * 8 ? 0n : readInteger(this.#bytes, at, size, little) & ~mask;
    writeInteger(this.#bytes, at, size, little, old | ((value << shift) & mask));
  }

  /** Numbers are taken in the range of the type; a negative one in an unsigned type is out of it. */
  #integer(type: BtfType, value: unknown, bits: number, signed: boolean): bigint {
    const integer = asInteger(value);
    if (integer === null) return this.#wrong(value, `an integer for ${typeText(type)}`);
    if ((signed ? BigInt.asIntN(bits, integer) : BigInt.asUintN(bits, integer)) !== integer)
      this.#walk.fail("value_out_of_range", {
        given: integer,
        type: `${typeText(type)} (${signed ? "signed" : "unsigned"}, ${bits} bits)`,
      });
    return integer;
  }

  #enumerator(type: BtfEnum, value: unknown, bits: number): bigint {
    if (typeof value === "string") {
      const named = type.values.find(({ name }) => name === value);
      if (named !== undefined) return named.value;
      if (asInteger(value) === null) {
        const names = type.values.map(({ name }) => name);
        const enumerators = names.length > 12 ? `${names.slice(0, 12).join(", ")}, …` : names.join(", ");
        this.#walk.fail("value_unknown_enumerator", { type: typeText(type), given: value, enumerators });
      }
    }
    return this.#integer(type, value, bits, type.signed);
  }

  #float(size: number, at: number, value: unknown): void {
    if (this.#asText(value, at, size)) return;
    this.#need(at, size);
    const view = new DataView(this.#bytes.buffer, this.#bytes.byteOffset + at, size);
    if (typeof value !== "number" || (size !== 4 && size !== 8)) this.#wrong(value, size > 8 ? `${size} hexadecimal bytes` : "a number");
    else if (size === 4) view.setFloat32(0, value, this.#btf.littleEndian);
    else view.setFloat64(0, value, this.#btf.littleEndian);
  }

  #array(element: number, length: number, at: number, value: unknown): void {
    const size = sizeOfType(this.#btf, element);
    const type = stripped(this.#btf, element);
    if (typeof value === "string") {
      if (isChar(type)) {
        this.#text(length, at, value);
        return;
      }
      if (type.kind === "int" && this.#asText(value, at, size * length)) return;
    }
    if (!Array.isArray(value) && !isTypedArray(value))
      this.#wrong(value, `a list of ${length} (${typeText(type)})${size === 1 ? textForms(length) : ""}`);
    const list = value as readonly unknown[];
    if (list.length > length && size > 0)
      this.#walk.fail("value_too_many_elements", { given: list.length, type: `${typeText(type)}[${length}]`, expected: length });
    if (size === 0) return;
    for (const [index, one] of list.entries()) this.#walk.inside(`[${index}]`, () => this.value(element, at + index * size, one));
  }

  #text(length: number, at: number, value: string): void {
    const text = this.#textBytes(value) ?? this.#wrong(value, `letters of one byte each for char[${length}]`);
    if (text.length > length) this.#walk.fail("value_too_many_elements", { given: text.length, type: `char[${length}]`, expected: length });
    this.#need(at, length);
    this.#bytes.fill(0, at, at + length);
    this.#bytes.set(text, at);
  }

  #composite(type: BtfComposite, at: number, value: unknown): void {
    const members = namedMembers(this.#walk, type);
    this.#members(
      typeText(type),
      value,
      members.map(({ name }) => name),
      (name, given) => {
        // A name may occur twice in a damaged type only: the last one stands, as when it is read.
        const found = members.findLast((one) => one.name === name);
        if (found !== undefined) this.#member(found, at, given);
      },
    );
  }

  #member({ member, bitOffset }: NamedMember, at: number, value: unknown): void {
    const field = bitfieldOf(this.#btf, { ...member, bitOffset });
    if (field === null) {
      this.value(member.type, at + Math.floor(bitOffset / 8), value);
      return;
    }
    const type = stripped(this.#btf, member.type);
    if (type.kind === "enum" || type.kind === "enum64")
      this.#bits(type, at * 8 + field.bitOffset, field.bits, this.#enumerator(type, value, field.bits));
    else if (type.kind === "int")
      this.#bits(type, at * 8 + field.bitOffset, field.bits, this.#integer(type, value, field.bits, type.signed));
    else this.#walk.fail("value_no_form", { type: `bitfield of ${type.kind}` });
  }

  #section(type: BtfDataSection, at: number, value: unknown): void {
    const names = type.variables.map(({ type: id, offset }) => btfName(stripped(this.#btf, id)) || `at ${offset}`);
    this.#members(type.name, value, names, (name, given) => {
      const variable = type.variables[names.lastIndexOf(name)]!;
      this.value(variable.type, at + variable.offset, given);
    });
  }

  #members(type: string, value: unknown, names: readonly string[], write: (name: string, given: unknown) => void): void {
    if (typeof value !== "object" || value === null || Array.isArray(value)) this.#wrong(value, `an object for ${type}`);
    const known = new Set(names);
    for (const [name, given] of Object.entries(value as Record<string, unknown>)) {
      if (!known.has(name)) {
        const members = names.length > 20 ? `${names.slice(0, 20).join(", ")}, …` : names.join(", ");
        this.#walk.fail("value_unknown_member", { type, member: name, members });
      }
      this.#walk.inside(`.${name}`, () => write(name, given));
    }
  }
}

/** How `size` bytes may be written as one string, for a problem's text. */
function textForms(size: number): string {
  const hex = `, or hexadecimal bytes such as "${Array.from({ length: Math.min(size, 4) }, (_, index) => `0${index}`).join(" ")}${size > 4 ? " …" : ""}"`;
  if (size === 4) return `, an IPv4 address such as "10.0.0.1"${hex}`;
  if (size === 6) return `, a MAC address such as "02:00:00:00:00:01"${hex}`;
  if (size === 16) return `, an IPv6 address such as "2001:db8::1"${hex}`;
  return size > 1 ? hex : "";
}

/** Numbers in a row: Uint32Array and the like. */
const isTypedArray = (value: unknown): value is unknown[] => ArrayBuffer.isView(value) && !(value instanceof DataView);

/** An address in its usual form, or hexadecimal bytes that are told apart from numbers by their separators, of exactly that size. */
function addressOrBytes(text: string, size: number): Uint8Array | null {
  const address = size === 4 ? ipv4Bytes(text) : size === 6 ? macBytes(text) : size === 16 ? ipv6Bytes(text) : null;
  if (address !== null) return address;
  if (!/^hex\s|^[0-9a-fA-F]{2}(?:[\s:]+[0-9a-fA-F]{2})+$/.test(text.trim())) return null;
  const bytes = parseHex(text);
  return bytes?.length === size ? bytes : null;
}

/** The integer that a number, a bigint, a bool, or a decimal or 0x string stands for; null for anything else. */
function asInteger(value: unknown): bigint | null {
  if (typeof value === "bigint") return value;
  if (typeof value === "boolean") return value ? 1n : 0n;
  if (typeof value === "number") return Number.isInteger(value) ? BigInt(value) : null;
  if (typeof value !== "string" || !/^[-+]?(?:0[xX][0-9a-fA-F]{1,64}|\d{1,64})$/.test(value)) return null;
  return value.startsWith("-") ? -BigInt(value.slice(1)) : BigInt(value.replace("+", ""));
}

/** A type in a problem's text: `struct flow`, `__u32`, `pointer`. */
function typeText(type: BtfType): string {
  const name = btfName(type);
  if (type.kind === "struct" || type.kind === "union" || type.kind === "enum" || type.kind === "enum64")
    return `${type.kind === "enum64" ? "enum" : type.kind}${name === "" ? "" : ` ${name}`}`;
  if (type.kind === "ptr") return "a pointer";
  return name || type.kind;
}
