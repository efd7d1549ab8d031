import { ProblemError } from "../../problem/index.ts";
import { encodeSlots, LOAD_IMMEDIATE_64, type SlotFields, slotsOf } from "./instruction.ts";
import { problems } from "./problems.ts";
import type { InstructionRow } from "./row.ts";
import { instructionRows } from "./table.ts";

/** Numbers for the names that a program text may use. */
export interface Symbols {
  /** Helpers: `call bpf_map_lookup_elem`. */
  readonly helpers?: ReadonlyMap<string, number>;
  /** Maps: `r1 = map[flows]`. */
  readonly maps?: ReadonlyMap<string, number>;
  /** kfuncs: `call bpf_dynptr_size#`, by the immediate that stands for them. */
  readonly kfuncs?: ReadonlyMap<string, number>;
}

const number = "[+-]?\\s*(?:0x[0-9a-f]+|\\d+)";
const target = `(?:pc)?${number}|[a-z_.$][\\w.$]*`;

/** What may stand in the place of each placeholder of a row's text. */
const placeholders: Readonly<Record<string, string>> = {
  dst: "r(\\d+)",
  src: "r(\\d+)",
  wdst: "w(\\d+)",
  wsrc: "w(\\d+)",
  off: "([+-]\\s*(?:0x[0-9a-f]+|\\d+))?",
  imm: `(${number})`,
  imm64: `(${number})`,
  high: `(${number})?`,
  goto: `(${target})`,
  gotol: `(${target})`,
  call: `([a-z_]\\w*(?:#\\d+)?|${number})`,
  function: `(pc${number}|[a-z_.$][\\w.$]*)`,
  kfunc: "((?:[a-z_]\\w*)?#-?\\d+(?:[+-]\\d+)?|[a-z_]\\w*)",
};

interface Pattern {
  readonly row: InstructionRow;
  readonly expression: RegExp;
  readonly fields: readonly string[];
}

function patternOf(row: InstructionRow, template: string): Pattern {
  const fields: string[] = [];
  const source = template
    .split(/(\{\w+\}|\s+)/)
    .map((part) => {
      if (/^\s+$/.test(part)) return "\\s*";
      const field = /^\{(\w+)\}$/.exec(part)?.[1];
      if (field === undefined)
        return Array.from(part, (letter) => letter.replace(/[.*+?^${}()|[\]\\]/, "\\$&")).join(/^\w+$/.test(part) ? "" : "\\s*");
      fields.push(field);
      return `\\s*${field === "imm" && row.kind === "load_imm64" ? `(${number}|[a-z_]\\w*)` : placeholders[field]}\\s*`;
    })
    .join("");
  return { row, fields, expression: new RegExp(`^\\s*${source}\\s*$`, "i") };
}

/** The verifier's spelling of every row, then llvm-objdump's where it differs; the first that fits is taken. */
const patterns: readonly Pattern[] = [
  ...instructionRows.map((row) => patternOf(row, row.text)),
  ...instructionRows
    .filter((row) => row.objdump !== undefined && row.kind !== "call" && row.kind !== "load_imm64")
    .map((row) => patternOf(row, row.objdump ?? "")),
];

interface Line {
  readonly text: string;
  /** From 1. */
  readonly number: number;
  readonly index: number;
}

type Fields = { -readonly [Field in keyof SlotFields]-?: SlotFields[Field] };

/** Reads a line into an instruction, once all labels have their places. */
class LineReader {
  readonly #line: Line;
  readonly #labels: ReadonlyMap<string, number>;
  readonly #symbols: Symbols;

  constructor(line: Line, labels: ReadonlyMap<string, number>, symbols: Symbols) {
    this.#line = line;
    this.#labels = labels;
    this.#symbols = symbols;
  }

  /** The line's slots: two for ld_imm64. A `.8byte` is always one, whatever its code. */
  read(): SlotFields[] {
    const raw = /^\.8byte\s+(0x[0-9a-f]+)$/i.exec(this.#line.text)?.[1];
    if (raw !== undefined) return [this.#rawSlot(BigInt(raw))];
    for (const { row, expression, fields } of patterns) {
      const match = expression.exec(this.#line.text);
      if (match === null) continue;
      const values: Fields = { code: row.code, dst: 0, src: row.src ?? 0, offset: row.offset ?? 0, imm: row.imm ?? 0, high: 0 };
      const seen = new Map<string, string>();
      const consistent = fields.every((field, at) => {
        const text = match[at + 1] ?? "";
        const before = seen.get(field);
        seen.set(field, text);
        return before === undefined || before === text;
      });
      if (!consistent) continue;
      for (const [field, text] of seen) this.#set(values, field, text);
      return slotsOf(values);
    }
    throw new ProblemError(problems.assembly_unknown_instruction({ text: this.#line.text }, { line: this.#line.number }));
  }

  #rawSlot(word: bigint): Fields {
    const low = Number(BigInt.asUintN(32, word));
    const registers = (low >>> 8) & 0xff;
    return {
      code: low & 0xff,
      dst: registers & 15,
      src: registers >> 4,
      offset: low >> 16,
      imm: Number(BigInt.asIntN(32, word >> 32n)),
      high: 0,
    };
  }

  #set(values: Fields, field: string, text: string): void {
    const here = this.#line.index;
    switch (field) {
      case "dst":
      case "wdst":
        values.dst = this.#number(text, 4, "register");
        return;
      case "src":
      case "wsrc":
        values.src = this.#number(text, 4, "register");
        return;
      case "off":
        values.offset = this.#number(text, 16, "offset");
        return;
      case "imm":
        values.imm = this.#symbols.maps?.get(text) ?? this.#number(text, 32, "immediate");
        return;
      case "imm64": {
        const value = BigInt.asUintN(64, this.#wide(text));
        values.imm = Number(BigInt.asIntN(32, value));
        values.high = Number(BigInt.asIntN(32, value >> 32n));
        return;
      }
      case "high":
        values.high = this.#number(text, 32, "offset into the value");
        return;
      case "goto":
        values.offset = this.#target(text, here, 16);
        return;
      case "gotol":
      case "function":
        values.imm = this.#target(text, here, 32);
        if (values.code !== LOAD_IMMEDIATE_64 && field === "function") values.src = 1;
        return;
      case "call":
        values.imm = this.#named(text, this.#symbols.helpers);
        // A name that is no helper's is a label: `call subprogram`.
        if (this.#labels.has(text)) {
          values.src = 1;
          values.imm = this.#target(text, here, 32);
        }
        return;
      case "kfunc": {
        const [name = "", rest = ""] = text.split("#");
        const [, imm = "", offset = "0"] = /^(-?\d+)([+-]\d+)?$/.exec(rest) ?? [];
        values.imm = imm === "" ? this.#named(name, this.#symbols.kfuncs) : this.#number(imm, 32, "immediate");
        values.offset = this.#number(offset, 16, "offset");
        return;
      }
    }
  }

  #named(text: string, names: ReadonlyMap<string, number> | undefined): number {
    const numbered = /#(\d+)$/.exec(text)?.[1] ?? (/^[+-]?\s*(0x[0-9a-f]+|\d+)$/i.test(text) ? text : undefined);
    if (numbered !== undefined) return this.#number(numbered, 32, "number of the helper");
    const known = names?.get(text);
    if (known === undefined && !this.#labels.has(text)) this.#unknown(text);
    return known ?? 0;
  }

  #target(text: string, here: number, bits: 16 | 32): number {
    const label = this.#labels.get(text);
    if (label !== undefined) return this.#fit(BigInt(label - here - 1), bits, "distance", text);
    const distance = /^(?:pc)?([+-]?\s*(?:0x[0-9a-f]+|\d+))$/i.exec(text)?.[1];
    if (distance === undefined) return this.#unknown(text);
    return this.#number(distance, bits, "distance");
  }

  #wide(text: string): bigint {
    const bare = text.replace(/\s/g, "");
    if (bare === "") return 0n;
    const negative = bare.startsWith("-");
    const digits = bare.replace(/^[+-]/, "");
    if (!/^(0x[0-9a-f]+|\d+)$/i.test(digits)) return this.#unknown(text);
    return negative ? -BigInt(digits) : BigInt(digits);
  }

  #number(text: string, bits: 4 | 16 | 32, field: string): number {
    return this.#fit(this.#wide(text), bits, field, text);
  }

  /** Registers have no sign. 32-bit numbers in hexadecimal may be written without theirs (0xffffffff is -1), as the verifier log writes them. */
  #fit(value: bigint, bits: 4 | 16 | 32, field: string, text: string): number {
    const lowest = bits === 4 ? 0n : -(1n << BigInt(bits - 1));
    const unsigned = bits === 4 || (bits === 32 && /^\s*0x/i.test(text));
    const highest = (1n << BigInt(unsigned ? bits : bits - 1)) - 1n;
    if (value < lowest || value > highest) {
      throw new ProblemError(
        problems.assembly_out_of_range({ value: String(value), bits, field, text: this.#line.text }, { line: this.#line.number }),
      );
    }
    return bits === 4 ? Number(value) : Number(BigInt.asIntN(bits, value));
  }

  #unknown(label: string): never {
    throw new ProblemError(problems.assembly_unknown_label({ label }, { line: this.#line.number }));
  }
}

/**
 * Assembles a program written one instruction a line in the syntax of the kernel's verifier log, with labels (`name:`) as targets of jumps, calls and
 * `subprog[name]`; `//` and `;` begin comments; a leading `12:` or `12: (b7)` as in a log is passed over. llvm-objdump's spelling is read too.
 * Gives 8 bytes a slot, little endian. Throws ProblemError with the line (from 1).
 */
export function assemble(text: string, symbols: Symbols = {}): Uint8Array {
  const labels = new Map<string, number>();
  const lines: Line[] = [];
  let index = 0;
  for (const [at, whole] of text.split("\n").entries()) {
    let rest = whole.replace(/(\/\/|;).*$/, "").trim();
    rest = rest.replace(/^\d+:\s*(\([0-9a-f]{2}\)\s*)?/i, "");
    for (let label = /^([a-z_.$][\w.$]*):\s*/i.exec(rest); label !== null; label = /^([a-z_.$][\w.$]*):\s*/i.exec(rest)) {
      const name = label[1] as string;
      if (labels.has(name)) throw new ProblemError(problems.assembly_label_twice({ label: name }, { line: at + 1 }));
      labels.set(name, index);
      rest = rest.slice(label[0].length);
    }
    if (rest === "") continue;
    lines.push({ text: rest, number: at + 1, index });
    index += isWide(rest) ? 2 : 1;
  }
  return encodeSlots(lines.flatMap((line) => new LineReader(line, labels, symbols).read()));
}

/** ld_imm64 by its looks alone: labels need every line's length before any line is read. */
const isWide = (text: string): boolean => /=\s*(map\s*\[|variable\s*\[|subprog\s*\[)|\bll\s*$/i.test(text);
