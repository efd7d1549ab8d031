import type { InstructionRow } from "./row.ts";
import { rowOf } from "./table.ts";

/** Bytes of one slot; ld_imm64 takes two. */
export const INSTRUCTION_SIZE = 8;
/** Code of ld_imm64, the one instruction of two slots. */
export const LOAD_IMMEDIATE_64 = 0x18;

/** What stands in a slot, whether it is an instruction or not. `offset` and `imm` are signed. */
export interface Slot {
  readonly index: number;
  readonly code: number;
  readonly dst: number;
  readonly src: number;
  readonly offset: number;
  readonly imm: number;
  /** ld_imm64: the immediate of the second slot, signed; 0 for the others. */
  readonly high: number;
  /** The row that fits the fields, if one does: where no second half of a ld_imm64 stands, the slot is an instruction. */
  readonly row: InstructionRow | undefined;
}

/** An instruction of the table. `index` is its slot: jumps, lines and relocations count slots. */
export interface Instruction extends Slot {
  readonly row: InstructionRow;
}

/** The slots of a program, 8 bytes each, little endian. Bytes beyond the last whole slot are left out. */
export function readSlots(bytes: Uint8Array): Slot[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const count = Math.floor(bytes.length / INSTRUCTION_SIZE);
  const slots: Slot[] = [];
  for (let index = 0; index < count; index++) {
    const at = index * INSTRUCTION_SIZE;
    const code = view.getUint8(at);
    const registers = view.getUint8(at + 1);
    const src = registers >> 4;
    const offset = view.getInt16(at + 2, true);
    const imm = view.getInt32(at + 4, true);
    const high = code === LOAD_IMMEDIATE_64 && index + 1 < count ? view.getInt32(at + 12, true) : 0;
    slots.push({ index, code, dst: registers & 15, src, offset, imm, high, row: rowOf(code, src, offset, imm) });
  }
  return slots;
}

/**
 * The instructions of a program by slot. Undefined stands in the second slot of every ld_imm64, and where no row of the table fits;
 * a program that went through the verifier has only the former.
 */
export const decode = (bytes: Uint8Array): (Instruction | undefined)[] => decodeSlots(readSlots(bytes));

/** The same of slots that were read before: an instruction is its slot, for programs may have a million of them. */
export function decodeSlots(slots: readonly Slot[]): (Instruction | undefined)[] {
  const instructions: (Instruction | undefined)[] = new Array(slots.length).fill(undefined);
  for (let index = 0; index < slots.length; index++) {
    const slot = slots[index]!;
    if (slot.row !== undefined) instructions[index] = slot as Instruction;
    if (slot.code === LOAD_IMMEDIATE_64) index++;
  }
  return instructions;
}

/** The slot that a jump, call or function reference leads to, or undefined for other instructions. Helper and kfunc calls lead nowhere. */
export function targetOf({ index, row, offset, imm }: Instruction): number | undefined {
  switch (row.kind) {
    case "branch64":
    case "branch32":
      return index + 1 + offset;
    case "jump":
    case "may_goto":
      return index + 1 + (row.distance === "imm" ? imm : offset);
    case "call":
      return row.callee === "function" ? index + 1 + imm : undefined;
    case "load_imm64":
      return row.source === "function" ? index + 1 + imm : undefined;
    default:
      return undefined;
  }
}

/** The 64-bit immediate of ld_imm64, unsigned: the second slot holds the upper half. */
export const wideImmediate = ({ imm, high }: Pick<Slot, "imm" | "high">): bigint => (BigInt(high >>> 0) << 32n) | BigInt(imm >>> 0);

/** What is written into a slot. */
export type SlotFields = Omit<Slot, "index" | "row">;

/** The slots that an instruction takes: for ld_imm64 a second one, with the upper half of the immediate. */
export const slotsOf = (fields: SlotFields): SlotFields[] =>
  fields.code === LOAD_IMMEDIATE_64 ? [fields, { code: 0, dst: 0, src: 0, offset: 0, imm: fields.high, high: 0 }] : [fields];

/** The bytes of slots in order. */
export function encodeSlots(slots: readonly SlotFields[]): Uint8Array {
  const bytes = new Uint8Array(slots.length * INSTRUCTION_SIZE);
  const view = new DataView(bytes.buffer);
  for (const [index, { code, dst, src, offset, imm }] of slots.entries()) {
    const at = index * INSTRUCTION_SIZE;
    view.setUint8(at, code);
    view.setUint8(at + 1, (src << 4) | dst);
    view.setInt16(at + 2, offset, true);
    view.setInt32(at + 4, imm, true);
  }
  return bytes;
}

/** The bytes of a program from its instructions in order, second slots made. */
export const encode = (instructions: readonly SlotFields[]): Uint8Array => encodeSlots(instructions.flatMap(slotsOf));
