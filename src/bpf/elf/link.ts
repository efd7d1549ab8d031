import { BPF_COMPLEXITY_LIMIT_INSNS, kfuncNames } from "../../layout/index.ts";
import { ProblemError } from "../../problem/index.ts";
import type { BtfExt, LineInfo } from "../btf/index.ts";
import type { FunctionSpec, SourceLine } from "../spec.ts";
import { type ElfFunction, INSTRUCTION_SIZE } from "./functions.ts";
import { type ElfImage, type ElfRelocation, SHN_UNDEF, STB_WEAK } from "./image.ts";
import type { Kconfig } from "./kconfig.ts";
import type { PlacedMap } from "./placedMap.ts";
import { elfProblems } from "./problems.ts";

/** The two instructions that relocations patch (RFC 9669), and the meanings of their source register (include/uapi/linux/bpf.h). */
const LD_IMM64 = 0x18;
const CALL = 0x85;
const PSEUDO_MAP = 1;
const PSEUDO_MAP_VALUE = 2;
const PSEUDO_FUNC = 4;
const PSEUDO_CALL = 1;
const PSEUDO_KFUNC_CALL = 2;

/** Instructions of all programs of an object together, each with its own copy of its subprograms. */
const TOTAL_LIMIT = 8 * BPF_COMPLEXITY_LIMIT_INSNS;

/** What a program's code is made of, besides its type. */
export interface LinkedCode {
  readonly instructions: Uint8Array;
  readonly functions: readonly FunctionSpec[];
  readonly lines: readonly SourceLine[];
  readonly kfuncs: ReadonlyMap<number, string>;
  readonly poisoned: ReadonlyMap<number, string>;
}

/** A function that has its place in a program being put together. */
interface Placed {
  readonly code: ElfFunction;
  /** Its first instruction in the program. */
  readonly base: number;
  /** The next of its instructions to be looked at. */
  next: number;
}

/**
 * Puts programs together as libbpf does: a program's own function first, then each subprogram when the first call to it is met, depth first. Map and
 * callback references become what bpf/spec.ts says; code of a big-endian object becomes little-endian.
 */
export class Linker {
  readonly #image: ElfImage;
  readonly #functions = new Map<string, ElfFunction>();
  readonly #relocations = new Map<number, Map<number, ElfRelocation>>();
  readonly #maps: readonly PlacedMap[];
  readonly #kconfig: Kconfig | null;
  readonly #externFunctions: ReadonlySet<string>;
  readonly #lines = new Map<string, LineInfo[]>();
  readonly #functionTypes = new Map<string, number>();
  /** kfuncs by the immediate that their calls hold; the same in all programs of the object. */
  readonly #kfuncs = new Map<string, number>();
  #total = 0;

  constructor(
    image: ElfImage,
    functions: readonly ElfFunction[],
    maps: readonly PlacedMap[],
    kconfig: Kconfig | null,
    externFunctions: ReadonlySet<string>,
    ext: BtfExt | null,
  ) {
    this.#image = image;
    this.#maps = maps;
    this.#kconfig = kconfig;
    this.#externFunctions = externFunctions;
    for (const one of functions) this.#functions.set(`${one.section.index}:${one.from}`, one);
    for (const [section, list] of image.relocations)
      if (image.sections[section]?.executable) this.#relocations.set(section, new Map(list.map((one) => [one.offset, one])));
    for (const { section, offset, typeId } of ext?.functions ?? []) this.#functionTypes.set(`${section}:${offset}`, typeId);
    for (const line of ext?.lines ?? []) {
      const list = this.#lines.get(line.section);
      if (list === undefined) this.#lines.set(line.section, [line]);
      else list.push(line);
    }
    for (const list of this.#lines.values()) list.sort((a, b) => a.offset - b.offset);
  }

  /** The whole code of the program that begins with `main`. Throws a ProblemError. */
  link(main: ElfFunction): LinkedCode {
    const program = new ProgramCode(main.name);
    const first = program.place(main);
    this.#copy(program, first);
    const open = [first];
    while (open.length > 0) {
      const placed = open.at(-1)!;
      const called = this.#resolveUntilCall(program, placed);
      if (called === null) {
        open.pop();
      } else {
        this.#copy(program, called);
        open.push(called);
      }
    }
    const instructions = program.bytes();
    this.#total += instructions.length / INSTRUCTION_SIZE;
    const kfuncs = new Map([...this.#kfuncs].filter(([, imm]) => program.kfuncs.has(imm)).map(([name, imm]) => [imm, name]));
    return { instructions, functions: this.#functionSpecs(program), lines: this.#sourceLines(program), kfuncs, poisoned: program.poisoned };
  }

  /** Appends a function's instructions, in little-endian form. */
  #copy(program: ProgramCode, { code }: Placed): void {
    const count = (code.to - code.from) / INSTRUCTION_SIZE;
    if (program.count + count > BPF_COMPLEXITY_LIMIT_INSNS || this.#total + program.count + count > TOTAL_LIMIT)
      throw new ProblemError(
        elfProblems.elf_function_too_long({ name: program.name, limit: BPF_COMPLEXITY_LIMIT_INSNS }, code.section.data.place(code.from)),
      );
    const bytes = code.section.data.bytes.subarray(code.from, code.to);
    program.append(this.#image.littleEndian ? bytes : littleEndianCode(bytes));
  }

  /** Resolves a function's instructions one after the other, up to one that refers to a function which has no place yet: that one is given. */
  #resolveUntilCall(program: ProgramCode, placed: Placed): Placed | null {
    const { code, base } = placed;
    const count = (code.to - code.from) / INSTRUCTION_SIZE;
    const relocations = this.#relocations.get(code.section.index);
    while (placed.next < count) {
      const at = base + placed.next;
      const offset = code.from + placed.next * INSTRUCTION_SIZE;
      const relocation = relocations?.get(offset);
      const opcode = program.opcode(at);
      let called: Placed | null = null;
      if (opcode === LD_IMM64) {
        if (placed.next + 1 >= count)
          throw new ProblemError(elfProblems.elf_half_instruction({ name: code.name }, code.section.data.place(offset)));
        called = this.#resolveLoad(program, at, relocation, code, offset);
      } else if (opcode === CALL && (relocation !== undefined || program.source(at) === PSEUDO_CALL)) {
        called = this.#resolveCall(program, at, relocation, code, offset);
      } else if (relocation !== undefined) {
        this.#bad(relocation, `the instruction is neither a call nor a 64-bit load (opcode 0x${opcode.toString(16).padStart(2, "0")})`);
      }
      // A function that was placed just now is copied behind, and this instruction is looked at once more.
      if (called !== null) return called;
      placed.next += opcode === LD_IMM64 ? 2 : 1;
    }
    return null;
  }

  #bad(relocation: ElfRelocation, why: string): never {
    throw new ProblemError(
      elfProblems.elf_bad_relocation(
        { symbol: relocation.symbol.name || "no name", why },
        { file: this.#image.file, offset: relocation.fileOffset },
      ),
    );
  }

  #resolveLoad(program: ProgramCode, at: number, relocation: ElfRelocation | undefined, code: ElfFunction, offset: number): Placed | null {
    if (relocation === undefined) {
      const source = program.source(at);
      if (source !== 0) program.poisoned.set(at, `a 64-bit load of kind ${source} without a relocation`);
      return null;
    }
    const { symbol } = relocation;
    if (symbol.section === SHN_UNDEF) {
      this.#resolveExtern(program, at, relocation);
      return null;
    }
    const target = symbol.value + (relocation.addend ?? program.immediate(at));
    const section = this.#image.sections[symbol.section];
    if (section === undefined) this.#bad(relocation, "it is defined in no section");
    if (section.executable) {
      const callee = this.#functions.get(`${section.index}:${target}`);
      if (callee === undefined)
        throw new ProblemError(
          elfProblems.elf_bad_call(
            { name: code.name, target: target / INSTRUCTION_SIZE, section: section.name },
            code.section.data.place(offset),
          ),
        );
      return program.refer(callee, (base) => program.setLoad(at, PSEUDO_FUNC, base - at - 1, 0));
    }
    const index = this.#maps.findIndex(
      (map) => map.section === section.index && (map.data || target === map.from || (target > map.from && target < map.to)),
    );
    const map = this.#maps[index];
    if (map === undefined) this.#bad(relocation, `section ${section.name} holds no map there`);
    if (!map.data) {
      if (target !== map.from) this.#bad(relocation, `it points ${target - map.from} bytes into map ${map.spec.name}`);
      program.setLoad(at, PSEUDO_MAP, index, 0);
    } else {
      if (target < 0 || target >= map.to) program.poisoned.set(at, `offset ${target} is outside ${map.spec.name} (${map.to} bytes)`);
      program.setLoad(at, PSEUDO_MAP_VALUE, index, target | 0);
    }
    return null;
  }

  /** A configuration value is read from its map; a kernel function that Linux has is there; a weak symbol that it has not has address 0; any other traps. */
  #resolveExtern(program: ProgramCode, at: number, { symbol }: ElfRelocation): void {
    const variable = this.#kconfig?.variables.get(symbol.name);
    if (variable !== undefined) {
      if (variable.fault !== undefined) program.poisoned.set(at, variable.fault);
      const index = this.#maps.findIndex(({ spec }) => spec.section === ".kconfig");
      program.setLoad(at, PSEUDO_MAP_VALUE, index, variable.offset);
      return;
    }
    // The address of a kernel function is only ever compared with 0: bpf_ksym_exists.
    if (this.#externFunctions.has(symbol.name) && kfuncNames.has(symbol.name.split("___", 1)[0]!)) {
      program.setLoad(at, 0, 1, 0);
      return;
    }
    if (symbol.binding !== STB_WEAK) program.poisoned.set(at, `${symbol.name} is not known`);
    program.setLoad(at, 0, 0, 0);
  }

  #resolveCall(program: ProgramCode, at: number, relocation: ElfRelocation | undefined, code: ElfFunction, offset: number): Placed | null {
    let section = code.section;
    let target = offset + (program.immediate(at) + 1) * INSTRUCTION_SIZE;
    if (relocation !== undefined) {
      const { symbol, addend } = relocation;
      if (symbol.section === SHN_UNDEF) {
        this.#callExtern(program, at, symbol.name);
        return null;
      }
      const defined = this.#image.sections[symbol.section];
      if (defined?.executable !== true) this.#bad(relocation, "it is not a function");
      section = defined;
      // The immediate counts instructions from the symbol, less one; with an explicit addend (RELA), that counts bytes.
      target = symbol.value + (addend === null || addend === 0 ? (program.immediate(at) + 1) * INSTRUCTION_SIZE : addend);
    }
    const callee = this.#functions.get(`${section.index}:${target}`);
    if (callee === undefined)
      throw new ProblemError(
        elfProblems.elf_bad_call(
          { name: code.name, target: target / INSTRUCTION_SIZE, section: section.name },
          code.section.data.place(offset),
        ),
      );
    return program.refer(callee, (base) => program.setCall(at, PSEUDO_CALL, base - at - 1));
  }

  #callExtern(program: ProgramCode, at: number, name: string): void {
    const imm = this.#kfuncs.get(name) ?? this.#kfuncs.size + 1;
    this.#kfuncs.set(name, imm);
    program.kfuncs.add(imm);
    program.setCall(at, PSEUDO_KFUNC_CALL, imm);
    if (!this.#externFunctions.has(name)) program.poisoned.set(at, `function ${name} is defined nowhere`);
  }

  #functionSpecs(program: ProgramCode): FunctionSpec[] {
    return program.functions.map(({ code, base }) => {
      const typeId = this.#functionTypes.get(`${code.section.name}:${code.from}`);
      return { instruction: base, name: code.name, ...(typeId === undefined ? {} : { typeId }) };
    });
  }

  #sourceLines(program: ProgramCode): SourceLine[] {
    return program.functions.flatMap(({ code, base }) => {
      const lines = this.#lines.get(code.section.name) ?? [];
      const found: SourceLine[] = [];
      for (let index = firstFrom(lines, code.from); index < lines.length && lines[index]!.offset < code.to; index++) {
        const { offset, file, line, column, text } = lines[index]!;
        found.push({ instruction: base + Math.floor((offset - code.from) / INSTRUCTION_SIZE), file, line, column, text });
      }
      return found;
    });
  }
}

/** Index of the first line at or behind an offset. */
function firstFrom(lines: readonly LineInfo[], offset: number): number {
  let [low, high] = [0, lines.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (lines[middle]!.offset < offset) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Turns big-endian instructions round: offset and immediate by their bytes, the register byte by its halves. */
function littleEndianCode(bytes: Uint8Array): Uint8Array {
  const code = new Uint8Array(bytes.length);
  for (let at = 0; at < bytes.length; at += INSTRUCTION_SIZE) {
    const registers = bytes[at + 1]!;
    code[at] = bytes[at]!;
    code[at + 1] = ((registers >> 4) | (registers << 4)) & 0xff;
    code[at + 2] = bytes[at + 3]!;
    code[at + 3] = bytes[at + 2]!;
    for (let byte = 0; byte < 4; byte++) code[at + 4 + byte] = bytes[at + 7 - byte]!;
  }
  return code;
}

/** A program being put together: its instructions so far, which function stands where, and what could not be resolved. */
class ProgramCode {
  readonly name: string;
  readonly functions: Placed[] = [];
  readonly poisoned = new Map<number, string>();
  readonly kfuncs = new Set<number>();
  readonly #placed = new Map<ElfFunction, Placed>();
  #buffer = new Uint8Array(1024);
  #view = new DataView(this.#buffer.buffer);
  count = 0;

  constructor(name: string) {
    this.name = name;
  }

  /** Gives a function its place behind all that is there; its instructions are to be appended next. */
  place(code: ElfFunction): Placed {
    const placed = { code, base: this.count, next: 0 };
    this.functions.push(placed);
    this.#placed.set(code, placed);
    return placed;
  }

  /** Hands the place of a function to `patch`, or, if it has none yet, gives it one and returns it. */
  refer(code: ElfFunction, patch: (base: number) => void): Placed | null {
    const placed = this.#placed.get(code);
    if (placed === undefined) return this.place(code);
    patch(placed.base);
    return null;
  }

  append(bytes: Uint8Array): void {
    const used = this.count * INSTRUCTION_SIZE;
    if (used + bytes.length > this.#buffer.length) {
      const larger = new Uint8Array(Math.max(this.#buffer.length * 2, used + bytes.length));
      larger.set(this.#buffer);
      this.#buffer = larger;
      this.#view = new DataView(larger.buffer);
    }
    this.#buffer.set(bytes, used);
    this.count += bytes.length / INSTRUCTION_SIZE;
  }

  bytes(): Uint8Array {
    return this.#buffer.slice(0, this.count * INSTRUCTION_SIZE);
  }

  opcode(at: number): number {
    return this.#buffer[at * INSTRUCTION_SIZE]!;
  }

  source(at: number): number {
    return this.#buffer[at * INSTRUCTION_SIZE + 1]! >> 4;
  }

  immediate(at: number): number {
    return this.#view.getInt32(at * INSTRUCTION_SIZE + 4, true);
  }

  setLoad(at: number, source: number, low: number, high: number): void {
    this.#setSource(at, source);
    this.#view.setInt32(at * INSTRUCTION_SIZE + 4, low, true);
    this.#view.setInt32((at + 1) * INSTRUCTION_SIZE + 4, high, true);
  }

  setCall(at: number, source: number, immediate: number): void {
    this.#setSource(at, source);
    this.#view.setInt32(at * INSTRUCTION_SIZE + 4, immediate, true);
  }

  #setSource(at: number, source: number): void {
    const byte = at * INSTRUCTION_SIZE + 1;
    this.#buffer[byte] = (this.#buffer[byte]! & 0x0f) | (source << 4);
  }
}
