import { BPF_COMPLEXITY_LIMIT_INSNS } from "../../layout/index.ts";
import { ProblemError } from "../../problem/index.ts";
import type { BtfExt, LineInfo, TargetTypes } from "../btf/index.ts";
import type { FunctionSpec, SourceLine } from "../spec.ts";
import type { CoreRelocations } from "./coreRelocations.ts";
import type { ExternSymbol } from "./externs.ts";
import { type ElfFunction, INSTRUCTION_SIZE } from "./functions.ts";
import { type ElfImage, type ElfRelocation, SHN_UNDEF, STB_WEAK } from "./image.ts";
import type { Kconfig } from "./kconfig.ts";
import type { PlacedMap } from "./placedMap.ts";
import { elfProblems } from "./problems.ts";
import { type Placed, ProgramCode } from "./programCode.ts";

/** The two instructions that relocations patch (RFC 9669), and the meanings of their source register (include/uapi/linux/bpf.h). */
const LD_IMM64 = 0x18;
const CALL = 0x85;
const PSEUDO_MAP = 1;
const PSEUDO_MAP_VALUE = 2;
const PSEUDO_FUNC = 4;
const PSEUDO_CALL = 1;
const PSEUDO_KFUNC_CALL = 2;

/**
 * Where functions of the kernel seem to lie: programs ask only whether they are there. Documentation/arch/x86/x86_64/mm.rst: the kernel's text begins at
 * 0xffffffff80000000.
 */
const KERNEL_TEXT = 0xffffffff81000000n;
const KERNEL_ALIGNMENT = 16;

/** Instructions of all programs of an object together, each with its own copy of its subprograms. */
const TOTAL_LIMIT = 8 * BPF_COMPLEXITY_LIMIT_INSNS;

/** What a program's code is made of, besides its type. */
export interface LinkedCode {
  readonly instructions: Uint8Array;
  readonly functions: readonly FunctionSpec[];
  readonly lines: readonly SourceLine[];
  readonly kfuncs: ReadonlyMap<number, string>;
  readonly poisoned: ReadonlyMap<number, string>;
  /** First instruction of the exception callback. */
  readonly exceptionCallback?: number;
}

/** What the linker needs to know of the object and of the kernel it is for. */
interface LinkerInputs {
  readonly functions: readonly ElfFunction[];
  readonly maps: readonly PlacedMap[];
  readonly kconfig: Kconfig | null;
  readonly externs: readonly ExternSymbol[];
  readonly core: CoreRelocations;
  readonly target: TargetTypes;
  readonly ext: BtfExt | null;
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
  readonly #externs: ReadonlyMap<string, ExternSymbol>;
  readonly #core: CoreRelocations;
  readonly #target: TargetTypes;
  readonly #lines = new Map<string, LineInfo[]>();
  readonly #functionTypes = new Map<string, number>();
  /** kfuncs by the immediate that their calls hold; the same in all programs of the object. */
  readonly #kfuncs = new Map<string, number>();
  #total = 0;

  constructor(image: ElfImage, { functions, maps, kconfig, externs, core, target, ext }: LinkerInputs) {
    this.#image = image;
    this.#maps = maps;
    this.#kconfig = kconfig;
    this.#externs = new Map(externs.map((one) => [one.name, one]));
    this.#core = core;
    this.#target = target;
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

  /** The whole code of the program that begins with `main`; its exception callback comes last. Throws a ProblemError. */
  link(main: ElfFunction, exceptionCallback?: ElfFunction): LinkedCode {
    const program = new ProgramCode(main.name);
    this.#place(program, program.place(main));
    let callback: number | undefined;
    if (exceptionCallback !== undefined) {
      const placed = program.refer(exceptionCallback, (base) => {
        callback = base;
      });
      if (placed !== null) {
        callback = placed.base;
        this.#place(program, placed);
      }
    }
    const instructions = program.bytes();
    this.#total += instructions.length / INSTRUCTION_SIZE;
    const kfuncs = new Map([...this.#kfuncs].filter(([, imm]) => program.kfuncs.has(imm)).map(([name, imm]) => [imm, name]));
    return {
      instructions,
      functions: this.#functionSpecs(program),
      lines: this.#sourceLines(program),
      kfuncs,
      poisoned: program.poisoned,
      ...(callback === undefined ? {} : { exceptionCallback: callback }),
    };
  }

  /** Copies a function that has its place, and all that it refers to and that has none yet. */
  #place(program: ProgramCode, first: Placed): void {
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
  }

  /** Appends a function's instructions, in little-endian form. */
  #copy(program: ProgramCode, { code, base }: Placed): void {
    const count = (code.to - code.from) / INSTRUCTION_SIZE;
    if (program.count + count > BPF_COMPLEXITY_LIMIT_INSNS || this.#total + program.count + count > TOTAL_LIMIT)
      throw new ProblemError(
        elfProblems.elf_function_too_long({ name: program.name, limit: BPF_COMPLEXITY_LIMIT_INSNS }, code.section.data.place(code.from)),
      );
    const bytes = code.section.data.bytes.subarray(code.from, code.to);
    program.append(this.#image.littleEndian ? bytes : littleEndianCode(bytes));
    this.#core.apply(program, code, base);
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
    const arena = this.#maps.findIndex(({ variables }) => variables?.section === section.index);
    if (arena >= 0) {
      const { size } = this.#maps[arena]!.variables!;
      if (target < 0 || target > size) program.poisoned.set(at, `offset ${target} is outside ${section.name} (${size} bytes)`);
      program.setLoad(at, PSEUDO_MAP_VALUE, arena, target | 0);
      return null;
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

  /**
   * A configuration value is read from its map. A function of the kernel has an address if the kernel has it, else 0; a variable of the kernel
   * traps, as there is no kernel memory to read, or is 0 where it is weak and the kernel has none.
   */
  #resolveExtern(program: ProgramCode, at: number, { symbol: { name, binding } }: ElfRelocation): void {
    const variable = this.#kconfig?.variables.get(name);
    if (variable !== undefined) {
      if (variable.fault !== undefined) program.poisoned.set(at, variable.fault);
      const index = this.#maps.findIndex(({ spec }) => spec.section === ".kconfig");
      program.setLoad(at, PSEUDO_MAP_VALUE, index, variable.offset);
      return;
    }
    if (this.#externs.get(name)?.kind === "kfunc" && this.#target.hasFunction(name)) {
      const address = KERNEL_TEXT + BigInt(this.#kfunc(name) * KERNEL_ALIGNMENT);
      program.setLoad(at, 0, Number(BigInt.asIntN(32, address)), Number(BigInt.asIntN(32, address >> 32n)));
      return;
    }
    if (this.#target.hasVariable(name)) program.poisoned.set(at, `${name} is a variable of the kernel, which has no memory here`);
    else if (binding !== STB_WEAK) program.poisoned.set(at, `${name} is not known`);
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
    const imm = this.#kfunc(name);
    program.kfuncs.add(imm);
    program.setCall(at, PSEUDO_KFUNC_CALL, imm);
    if (this.#externs.get(name)?.kind !== "kfunc") program.poisoned.set(at, `function ${name} is defined nowhere`);
    else if (!this.#target.hasFunction(name)) program.poisoned.set(at, `function ${name} is not one of the kernel's`);
  }

  /** The number that stands for a function of the kernel. */
  #kfunc(name: string): number {
    const number = this.#kfuncs.get(name) ?? this.#kfuncs.size + 1;
    this.#kfuncs.set(name, number);
    return number;
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
