import { decode, type Instruction, LOAD_IMMEDIATE_64, readSlots, type Slot, targetOf, wideImmediate } from "./instruction.ts";
import { usesReservedFields } from "./table.ts";

/**
 * `verifier`: as the kernel's verifier log and bpftool write instructions (with ld_imm64 as `r1 = 5 ll`, and maps by their number in the program, so that
 * the assembler reads the text back). `objdump`: as llvm-objdump does.
 */
export type Dialect = "verifier" | "objdump";

/** Names for what instructions refer to by number. */
export interface Names {
  /** Helpers by number: bpf_map_lookup_elem. */
  readonly helpers?: ReadonlyMap<number, string>;
  /** kfuncs by the immediate of their calls. */
  readonly kfuncs?: ReadonlyMap<number, string>;
}

const hex = (value: number | bigint): string => (value < 0 ? `-0x${(-value).toString(16)}` : `0x${value.toString(16)}`);
const signed = (value: number): string => (value < 0 ? String(value) : `+${value}`);

type Writer = (instruction: Instruction, names: Names) => string;

/** How each placeholder of a row's text is written, by dialect. */
const writers: Readonly<Record<Dialect, Readonly<Record<string, Writer>>>> = {
  verifier: {
    dst: ({ dst }) => `r${dst}`,
    src: ({ src }) => `r${src}`,
    wdst: ({ dst }) => `w${dst}`,
    wsrc: ({ src }) => `w${src}`,
    off: ({ offset }) => ` ${signed(offset)}`,
    imm: ({ row, imm }) => (row.kind === "branch64" || row.kind === "branch32" ? hex(imm >>> 0) : String(imm)),
    imm64: (instruction) => hex(wideImmediate(instruction)),
    high: ({ high }) => (high === 0 ? "" : signed(high)),
    goto: ({ offset }) => `pc${signed(offset)}`,
    gotol: ({ imm }) => `pc${signed(imm)}`,
    call: ({ imm }, names) => (names.helpers?.has(imm) ? `${names.helpers.get(imm)}#${imm}` : String(imm)),
    function: ({ imm }) => `pc${signed(imm)}`,
    kfunc: ({ imm, offset }, names) => `${names.kfuncs?.get(imm) ?? ""}#${imm}${offset === 0 ? "" : signed(offset)}`,
  },
  objdump: {
    dst: ({ dst }) => `r${dst}`,
    src: ({ src }) => `r${src}`,
    wdst: ({ dst }) => `w${dst}`,
    wsrc: ({ src }) => `w${src}`,
    off: ({ offset }) => (offset < 0 ? ` - ${hex(-offset)}` : ` + ${hex(offset)}`),
    imm: ({ imm }) => hex(imm),
    imm64: (instruction) => hex(BigInt.asIntN(64, wideImmediate(instruction))),
    high: ({ high }) => hex(high),
    goto: ({ offset }) => (offset < 0 ? hex(offset) : `+${hex(offset)}`),
    gotol: ({ imm }) => (imm < 0 ? hex(imm) : `+${hex(imm)}`),
    call: ({ imm }) => hex(imm),
    function: ({ imm }) => hex(imm),
    kfunc: ({ imm }) => hex(imm),
  },
};

/** One instruction as text, without its number. */
function instructionText(instruction: Instruction, dialect: Dialect = "verifier", names: Names = {}): string {
  const { row } = instruction;
  const template = dialect === "objdump" ? (row.objdump ?? row.text) : row.text;
  return template.replace(/\{(\w+)\}/g, (whole, field: string) => writers[dialect][field]?.(instruction, names) ?? whole);
}

/** One line of a listing. */
export interface ListedInstruction {
  readonly index: number;
  readonly code: number;
  /** "r1 = 5", or `.8byte 0x…` for a slot that no row of the table fits. */
  readonly text: string;
  /** Where a jump or call leads. */
  readonly target?: number;
}

const rawText = ({ code, dst, src, offset, imm }: Slot): string => {
  const registers = (src << 4) | dst;
  const word = (BigInt(imm >>> 0) << 32n) | BigInt(((offset & 0xffff) << 16) >>> 0) | BigInt((registers << 8) | code);
  return `.8byte 0x${word.toString(16).padStart(16, "0")}`;
};

/** Lists a program; a ld_imm64 takes one line. Never fails: what is no instruction is shown as bytes, which the assembler takes too. */
export function listInstructions(bytes: Uint8Array, dialect: Dialect = "verifier", names: Names = {}): ListedInstruction[] {
  const slots = readSlots(bytes);
  const instructions = decode(bytes);
  const lines: ListedInstruction[] = [];
  for (let index = 0; index < slots.length; index++) {
    const slot = slots[index] as Slot;
    const instruction = instructions[index];
    const wide = slot.code === LOAD_IMMEDIATE_64;
    if (instruction === undefined || usesReservedFields(instruction.row, slot) || (wide && !isSecondHalf(slots[index + 1]))) {
      lines.push({ index, code: slot.code, text: rawText(slot) });
      continue;
    }
    const target = targetOf(instruction);
    const text = instructionText(instruction, dialect, names);
    lines.push({ index, code: slot.code, text, ...(target === undefined ? {} : { target }) });
    if (wide) index++;
  }
  return lines;
}

const isSecondHalf = (slot: Slot | undefined): boolean =>
  slot !== undefined && slot.code === 0 && slot.dst === 0 && slot.src === 0 && slot.offset === 0;

/** A program as text, one instruction a line, that `assemble` turns into the same bytes. */
export const disassemble = (bytes: Uint8Array, names: Names = {}): string =>
  listInstructions(bytes, "verifier", names)
    .map(({ text }) => text)
    .join("\n");
