import { ByteWriter, lebLength } from "./bytes.ts";
import type { CodeWriter } from "./code.ts";
import { externalKinds, plainCodes, sections, type ValueType, valueTypes } from "./opcodes.ts";

export interface FunctionType {
  readonly parameters: readonly ValueType[];
  readonly results: readonly ValueType[];
}

/** What an imported memory or table must at least hold, in pages or elements. A shared memory needs a maximum. */
export interface Limits {
  readonly minimum: number;
  readonly maximum?: number;
  readonly shared?: boolean;
}

interface Body {
  readonly name: string;
  readonly type: number;
  code?: CodeWriter;
}

/** A finished module: its bytes, and where each function's first instruction stands in them (behind the locals), in function order. */
export interface WrittenModule {
  readonly bytes: Uint8Array;
  readonly codeStart: readonly number[];
}

const HEADER = [0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00];

/** Runs of equal types, as the locals of a function body are written. */
function localRuns(locals: readonly ValueType[]): { count: number; type: ValueType }[] {
  const runs: { count: number; type: ValueType }[] = [];
  for (const type of locals) {
    const last = runs.at(-1);
    if (last?.type === type) last.count++;
    else runs.push({ count: 1, type });
  }
  return runs;
}

/** What a function's body begins with: its locals. */
function headOf({ locals }: CodeWriter): ByteWriter {
  const head = new ByteWriter(16);
  const runs = localRuns(locals);
  head.u32(runs.length);
  for (const { count, type } of runs) {
    head.u32(count);
    head.u8(valueTypes[type]);
  }
  return head;
}

/**
 * Puts a WebAssembly module together. Imports come first: function and global indices count imports before own functions, so an import after the
 * first `declare` throws. Functions are declared (so that others can call them) and get their code later.
 */
export class ModuleWriter {
  readonly #name: string;
  readonly #types = new ByteWriter();
  readonly #typeIndex = new Map<string, number>();
  readonly #imports = new ByteWriter();
  #importCount = 0;
  readonly #importedFunctions: string[] = [];
  #importedGlobals = 0;
  readonly #functions: Body[] = [];
  readonly #exports = new ByteWriter();
  #exportCount = 0;

  /** `name` shows in stack traces. */
  constructor(name: string) {
    this.#name = name;
  }

  /** Index of a function type; equal types share one. */
  type(type: FunctionType): number {
    const key = `${type.parameters.join()}:${type.results.join()}`;
    const known = this.#typeIndex.get(key);
    if (known !== undefined) return known;
    this.#types.u8(0x60);
    for (const list of [type.parameters, type.results]) {
      this.#types.u32(list.length);
      for (const value of list) this.#types.u8(valueTypes[value]);
    }
    const index = this.#typeIndex.size;
    this.#typeIndex.set(key, index);
    return index;
  }

  #import(module: string, name: string, kind: keyof typeof externalKinds): ByteWriter {
    this.#imports.name(module);
    this.#imports.name(name);
    this.#imports.u8(externalKinds[kind]);
    this.#importCount++;
    return this.#imports;
  }

  #limits(out: ByteWriter, { minimum, maximum, shared }: Limits): void {
    out.u8((shared ? 2 : 0) | (maximum === undefined ? 0 : 1));
    out.u32(minimum);
    if (maximum !== undefined) out.u32(maximum);
  }

  /** Function index of an imported function. */
  importFunction(module: string, name: string, type: FunctionType): number {
    if (this.#functions.length > 0) throw new Error(`import of ${name} after the first function`);
    this.#import(module, name, "function").u32(this.type(type));
    return this.#importedFunctions.push(name) - 1;
  }

  importMemory(module: string, name: string, limits: Limits): void {
    this.#limits(this.#import(module, name, "memory"), limits);
  }

  /** The module's one table, of functions. */
  importTable(module: string, name: string, limits: Limits): void {
    const out = this.#import(module, name, "table");
    out.u8(0x70);
    this.#limits(out, limits);
  }

  /** Global index of an imported global. */
  importGlobal(module: string, name: string, type: ValueType, mutable: boolean): number {
    const out = this.#import(module, name, "global");
    out.u8(valueTypes[type]);
    out.u8(mutable ? 1 : 0);
    return this.#importedGlobals++;
  }

  /** Function index of a function whose code follows by `define`. */
  declare(name: string, type: FunctionType): number {
    return this.#importedFunctions.length + this.#functions.push({ name, type: this.type(type) }) - 1;
  }

  define(functionIndex: number, code: CodeWriter): void {
    this.#functions[functionIndex - this.#importedFunctions.length]!.code = code;
  }

  exportFunction(name: string, functionIndex: number): void {
    this.#exports.name(name);
    this.#exports.u8(externalKinds.function);
    this.#exports.u32(functionIndex);
    this.#exportCount++;
  }

  finish(): WrittenModule {
    const out = new ByteWriter(1024);
    for (const byte of HEADER) out.u8(byte);
    const counted = (section: keyof typeof sections, count: number, content: ByteWriter) => {
      if (count === 0) return;
      out.u8(sections[section]);
      out.vector(count, content);
    };
    counted("type", this.#typeIndex.size, this.#types);
    counted("import", this.#importCount, this.#imports);
    const signatures = new ByteWriter();
    for (const { type } of this.#functions) signatures.u32(type);
    counted("function", this.#functions.length, signatures);
    counted("export", this.#exportCount, this.#exports);
    const codeStart = this.#writeCode(out);
    this.#writeNames(out);
    return { bytes: out.bytes.slice(), codeStart };
  }

  #writeCode(out: ByteWriter): number[] {
    const heads = this.#functions.map(({ name, code }) => {
      if (code === undefined) throw new Error(`function ${name} was declared and never defined`);
      return { code, head: headOf(code) };
    });
    const sizeOf = ({ code, head }: (typeof heads)[number]) => head.length + code.position + 1;
    const length = heads.reduce((sum, body) => sum + lebLength(sizeOf(body)) + sizeOf(body), lebLength(heads.length));
    out.u8(sections.code);
    out.u32(length);
    // Bodies may take millions of bytes: they are copied once.
    out.reserve(length);
    out.u32(heads.length);
    return heads.map((body) => {
      out.u32(sizeOf(body));
      out.append(body.head.bytes);
      const start = out.length;
      out.append(body.code.bytes);
      out.u8(plainCodes.end);
      return start;
    });
  }

  /** The custom section "name": module, functions and locals, for stack traces and the printer. */
  #writeNames(out: ByteWriter): void {
    const content = new ByteWriter();
    content.name("name");
    const part = (id: number, write: (into: ByteWriter) => void) => {
      const into = new ByteWriter();
      write(into);
      content.u8(id);
      content.sized(into);
    };
    part(0, (into) => into.name(this.#name));
    part(1, (into) => {
      const names = [...this.#importedFunctions, ...this.#functions.map(({ name }) => name)];
      into.u32(names.length);
      for (const [index, name] of names.entries()) {
        into.u32(index);
        into.name(name);
      }
    });
    part(2, (into) => {
      into.u32(this.#functions.length);
      for (const [index, { code }] of this.#functions.entries()) {
        into.u32(this.#importedFunctions.length + index);
        into.u32(code!.localNames.length);
        for (const [local, name] of code!.localNames.entries()) {
          into.u32(local);
          into.name(name);
        }
      }
    });
    out.u8(sections.custom);
    out.sized(content);
  }
}
