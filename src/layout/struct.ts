/** What stands at a field: how many bytes, and how a DataView reads and writes them (always little endian, as the memory is). */
export interface FieldType {
  readonly name: string;
  readonly size: number;
  readonly align: number;
}

const scalar = (name: string, size: number): FieldType => ({ name, size, align: size });

export const u8 = scalar("u8", 1);
export const u16 = scalar("u16", 2);
export const u32 = scalar("u32", 4);
export const i32 = scalar("i32", 4);
export const u64 = scalar("u64", 8);
export const i64 = scalar("i64", 8);
export const f64 = scalar("f64", 8);

/** `count` elements of `type`, one after the other. `of` may be a struct's own size through `bytes`. */
export const array = (type: FieldType, count: number): FieldType => ({
  name: `${type.name}[${count}]`,
  size: type.size * count,
  align: type.align,
});

/** `count` raw bytes; also used as padding that keeps two writers on different cache lines. */
export const bytes = (count: number, align = 1): FieldType => ({ name: `bytes[${count}]`, size: count, align });

/** A 32-bit word that more than one thread touches; `writer` says who stores to it. Always accessed through Atomics. */
export const atomic = (writer: string): FieldType => ({ name: `atomic u32, written by ${writer}`, size: 4, align: 4 });

/** Zero-sized marker for what follows the struct in memory. */
export const trailing = (type: FieldType): FieldType => ({ name: `${type.name}[]`, size: 0, align: type.align });

interface Field {
  readonly offset: number;
  readonly size: number;
  readonly type: FieldType;
}

export interface Struct<Name extends string = string> {
  readonly name: string;
  /** Bytes from one element of an array of these to the next. */
  readonly size: number;
  readonly field: Readonly<Record<Name, Field>>;
  /** Byte offset of a field. */
  readonly at: Readonly<Record<Name, number>>;
  /** Reads a scalar of at most 32 bits, unsigned (signed for i32). */
  read(view: DataView, base: number, name: Name): number;
  write(view: DataView, base: number, name: Name, value: number): void;
  /** Reads a scalar of 64 bits, unsigned (signed for i64). */
  readBig(view: DataView, base: number, name: Name): bigint;
  writeBig(view: DataView, base: number, name: Name, value: bigint): void;
  /** Reads an f64. */
  readFloat(view: DataView, base: number, name: Name): number;
  writeFloat(view: DataView, base: number, name: Name, value: number): void;
}

const alignUp = (value: number, align: number): number => Math.ceil(value / align) * align;

/**
 * Declares a struct of the memory: fields in order, each naturally aligned. `expected` pins offsets (and `size`) that others rely on
 * (uapi structs, or what a comment promises); a field that drifts throws at import.
 */
export function defineStruct<const Fields extends Record<string, FieldType>>(
  name: string,
  fields: Fields,
  expected: Partial<Record<keyof Fields | "size", number>> = {},
): Struct<keyof Fields & string> {
  type Name = keyof Fields & string;
  const field = {} as Record<Name, Field>;
  const at = {} as Record<Name, number>;
  let offset = 0;
  let structAlign = 1;
  for (const [fieldName, type] of Object.entries(fields) as [Name, FieldType][]) {
    offset = alignUp(offset, type.align);
    field[fieldName] = { offset, size: type.size, type };
    at[fieldName] = offset;
    offset += type.size;
    structAlign = Math.max(structAlign, type.align);
  }
  const size = alignUp(offset, structAlign);
  for (const [key, value] of Object.entries(expected)) {
    const actual = key === "size" ? size : at[key as Name];
    if (actual !== value) throw new Error(`struct ${name}: ${key} is at ${actual}, expected ${value}`);
  }
  return {
    name,
    size,
    field,
    at,
    read(view, base, fieldName) {
      const { offset: o, type } = field[fieldName];
      if (type.size === 1) return view.getUint8(base + o);
      if (type.size === 2) return view.getUint16(base + o, true);
      return type.name === "i32" ? view.getInt32(base + o, true) : view.getUint32(base + o, true);
    },
    write(view, base, fieldName, value) {
      const { offset: o, type } = field[fieldName];
      if (type.size === 1) view.setUint8(base + o, value);
      else if (type.size === 2) view.setUint16(base + o, value, true);
      else view.setUint32(base + o, value, true);
    },
    readBig(view, base, fieldName) {
      const { offset: o, type } = field[fieldName];
      return type.name === "i64" ? view.getBigInt64(base + o, true) : view.getBigUint64(base + o, true);
    },
    writeBig: (view, base, fieldName, value) => view.setBigUint64(base + field[fieldName].offset, value, true),
    readFloat: (view, base, fieldName) => view.getFloat64(base + field[fieldName].offset, true),
    writeFloat: (view, base, fieldName, value) => view.setFloat64(base + field[fieldName].offset, value, true),
  };
}
