import {
  BR_TABLE,
  blockCodes,
  bulkCodes,
  externalKinds,
  I32_CONST,
  I64_CONST,
  indexCodes,
  indirectCodes,
  memoryCodes,
  plainCodes,
  sections,
  type ValueType,
  valueTypes,
} from "./opcodes.ts";

/** One instruction as it stands in a module: its name and immediates, and its offset in the module's bytes. */
export interface ReadInstruction {
  readonly offset: number;
  readonly name: string;
  readonly immediates: readonly (number | bigint)[];
}

export interface ReadFunction {
  readonly index: number;
  readonly name: string;
  readonly parameters: readonly ValueType[];
  readonly results: readonly ValueType[];
  /** Types of parameters and locals, and their names where the module gives them. */
  readonly locals: readonly { readonly type: ValueType; readonly name: string }[];
  readonly instructions: readonly ReadInstruction[];
}

export interface ReadModule {
  readonly name: string;
  readonly imports: readonly { readonly module: string; readonly name: string; readonly text: string }[];
  readonly exports: readonly { readonly name: string; readonly index: number }[];
  /** Names of all functions by index, imported ones first. */
  readonly functionNames: readonly string[];
  readonly functions: readonly ReadFunction[];
}

type Immediate = "index" | "memory" | "block" | "s32" | "s64" | "table" | "indirect" | "zeros1" | "zeros2" | "none";

function instructionTable(): Map<number, { name: string; immediate: Immediate }> {
  const table = new Map<number, { name: string; immediate: Immediate }>();
  const add = (rows: Readonly<Record<string, number | readonly [number, number]>>, immediate: Immediate) => {
    for (const [name, code] of Object.entries(rows)) table.set(typeof code === "number" ? code : code[0], { name, immediate });
  };
  add(plainCodes, "none");
  add(memoryCodes, "memory");
  add(blockCodes, "block");
  add(indexCodes, "index");
  add(indirectCodes, "indirect");
  add({ br_table: BR_TABLE }, "table");
  add({ "i32.const": I32_CONST }, "s32");
  add({ "i64.const": I64_CONST }, "s64");
  for (const [name, [code, zeros]] of Object.entries(bulkCodes)) table.set(code, { name, immediate: zeros === 2 ? "zeros2" : "zeros1" });
  return table;
}

const instructions = instructionTable();
const typeNames = new Map(Object.entries(valueTypes).map(([name, code]) => [code as number, name as ValueType]));

/** A cursor over a module's bytes. */
class Cursor {
  readonly bytes: Uint8Array;
  at: number;

  constructor(bytes: Uint8Array, at = 0) {
    this.bytes = bytes;
    this.at = at;
  }

  u8(): number {
    const byte = this.bytes[this.at++];
    if (byte === undefined) throw new Error("the module ends too early");
    return byte;
  }

  signed(): bigint {
    let value = 0n;
    let shift = 0n;
    for (;;) {
      const byte = this.u8();
      value |= BigInt(byte & 0x7f) << shift;
      shift += 7n;
      if (byte < 0x80) return byte & 0x40 ? value - (1n << shift) : value;
    }
  }

  u32(): number {
    let value = 0;
    let scale = 1;
    for (;;) {
      const byte = this.u8();
      value += (byte & 0x7f) * scale;
      scale *= 128;
      if (byte < 0x80) return value;
    }
  }

  name(): string {
    const length = this.u32();
    this.at += length;
    return new TextDecoder().decode(this.bytes.subarray(this.at - length, this.at));
  }

  valueType(): ValueType {
    const name = typeNames.get(this.u8());
    if (name === undefined) throw new Error("unknown value type");
    return name;
  }

  list<T>(read: (index: number) => T): T[] {
    return Array.from({ length: this.u32() }, (_, index) => read(index));
  }
}

function readImmediates(cursor: Cursor, immediate: Immediate): (number | bigint)[] {
  switch (immediate) {
    case "index":
      return [cursor.u32()];
    case "memory":
      return [cursor.u32(), cursor.u32()];
    case "block":
      return [cursor.u8()];
    case "s32":
    case "s64":
      return [cursor.signed()];
    case "table":
      return [...cursor.list(() => cursor.u32()), cursor.u32()];
    case "indirect":
      return [cursor.u32(), cursor.u32()];
    case "zeros1":
      cursor.u8();
      return [];
    case "zeros2":
      cursor.u8();
      cursor.u8();
      return [];
    case "none":
      return [];
  }
}

function readInstruction(cursor: Cursor): ReadInstruction {
  const offset = cursor.at;
  const first = cursor.u8();
  const code = first === 0xfc || first === 0xfe ? (first << 8) | cursor.u32() : first;
  const row = instructions.get(code);
  if (row === undefined) throw new Error(`instruction ${code.toString(16)} at ${offset} is not one that the writer emits`);
  return { offset, name: row.name, immediates: readImmediates(cursor, row.immediate) };
}

interface Signature {
  readonly parameters: ValueType[];
  readonly results: ValueType[];
}

const signatureText = ({ parameters, results }: Signature): string =>
  [parameters.length > 0 ? `(param ${parameters.join(" ")})` : "", results.length > 0 ? `(result ${results.join(" ")})` : ""]
    .filter((part) => part !== "")
    .join(" ");

function limitsText(cursor: Cursor): string {
  const flags = cursor.u8();
  const minimum = cursor.u32();
  return [minimum, ...(flags & 1 ? [cursor.u32()] : []), ...(flags & 2 ? ["shared"] : [])].join(" ");
}

function readImport(cursor: Cursor, types: readonly Signature[]) {
  const module = cursor.name();
  const name = cursor.name();
  const kind = cursor.u8();
  if (kind === externalKinds.function) return { module, name, kind, text: `(func ${signatureText(types[cursor.u32()]!)})` };
  if (kind === externalKinds.memory) return { module, name, kind, text: `(memory ${limitsText(cursor)})` };
  if (kind === externalKinds.table) {
    cursor.u8();
    return { module, name, kind, text: `(table ${limitsText(cursor)} funcref)` };
  }
  const type = cursor.valueType();
  return { module, name, kind, text: cursor.u8() === 1 ? `(global (mut ${type}))` : `(global ${type})` };
}

/** Names from the custom section: functions, and locals by function. */
function readNames(cursor: Cursor, end: number) {
  const names = { module: "", functions: new Map<number, string>(), locals: new Map<number, Map<number, string>>() };
  while (cursor.at < end) {
    const id = cursor.u8();
    const next = cursor.u32() + cursor.at;
    const map = () => new Map(cursor.list(() => [cursor.u32(), cursor.name()] as const));
    if (id === 0) names.module = cursor.name();
    else if (id === 1) names.functions = map();
    else if (id === 2) names.locals = new Map(cursor.list(() => [cursor.u32(), map()] as const));
    cursor.at = next;
  }
  return names;
}

/** Takes a module that `ModuleWriter` wrote apart again, for printing; not a reader of other people's modules. */
export function readModule(bytes: Uint8Array): ReadModule {
  const cursor = new Cursor(bytes, 8);
  const types: Signature[] = [];
  let imports: ReturnType<typeof readImport>[] = [];
  let signatures: number[] = [];
  let exports: { name: string; index: number }[] = [];
  let bodies: { locals: ValueType[]; instructions: ReadInstruction[] }[] = [];
  let names: ReturnType<typeof readNames> = { module: "", functions: new Map(), locals: new Map() };
  while (cursor.at < bytes.length) {
    const id = cursor.u8();
    const end = cursor.u32() + cursor.at;
    if (id === sections.type) {
      cursor.list(() => {
        cursor.u8();
        types.push({ parameters: cursor.list(() => cursor.valueType()), results: cursor.list(() => cursor.valueType()) });
      });
    } else if (id === sections.import) imports = cursor.list(() => readImport(cursor, types));
    else if (id === sections.function) signatures = cursor.list(() => cursor.u32());
    else if (id === sections.export) {
      exports = cursor.list(() => {
        const name = cursor.name();
        cursor.u8();
        return { name, index: cursor.u32() };
      });
    } else if (id === sections.code) {
      bodies = cursor.list(() => {
        const bodyEnd = cursor.u32() + cursor.at;
        const runs = cursor.list(() => ({ count: cursor.u32(), type: cursor.valueType() }));
        const locals = runs.flatMap(({ count, type }) => new Array<ValueType>(count).fill(type));
        const read: ReadInstruction[] = [];
        while (cursor.at < bodyEnd) read.push(readInstruction(cursor));
        return { locals, instructions: read };
      });
    } else if (cursor.name() === "name") names = readNames(cursor, end);
    cursor.at = end;
  }
  const imported = imports.filter(({ kind }) => kind === externalKinds.function);
  const nameOf = (index: number) => names.functions.get(index) ?? String(index);
  const functions = signatures.map((type, position): ReadFunction => {
    const index = imported.length + position;
    const { parameters, results } = types[type]!;
    const localNames = names.locals.get(index);
    const all = [...parameters, ...bodies[position]!.locals];
    return {
      index,
      name: nameOf(index),
      parameters,
      results,
      locals: all.map((local, at) => ({ type: local, name: localNames?.get(at) ?? String(at) })),
      instructions: bodies[position]!.instructions,
    };
  });
  const functionNames = Array.from({ length: imported.length + functions.length }, (_, index) => nameOf(index));
  return { name: names.module, imports, exports, functionNames, functions };
}
