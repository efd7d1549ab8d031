import { BPF_MAP_TYPE_ARENA } from "../../layout/index.ts";
import { fieldsOf, type Instruction, LOAD_IMMEDIATE_64, rowOf, rowsOfCode, type Slot, usesReservedFields } from "../isa/index.ts";
import type { ProgramSpec, ProgramType } from "../spec.ts";
import { Rejected, type RejectionCode } from "./rejection.ts";

const FRAME_POINTER = 10;

/** What the kernel says of reserved fields, by the kind of instruction that the code begins. */
function reservedFieldsCode({ code }: Slot): RejectionCode {
  const row = rowsOfCode(code)[0];
  switch (row?.kind) {
    case "alu64":
    case "alu32":
    case "address_space_cast":
      if (row.kind === "address_space_cast" || row.operation === "mov") return "mov_fields";
      if (row.operation === "neg") return "neg_fields";
      return row.operand === "none" ? "end_fields" : "alu_fields";
    case "store":
      return row.operand === "imm" ? "store_fields" : "store_register_fields";
    case "branch64":
    case "branch32":
      return "jump_fields";
    case "jump":
      return "goto_fields";
    case "may_goto":
      return "may_goto_fields";
    case "call":
      return "call_fields";
    case "exit":
      return "exit_fields";
    case "legacy_load":
      return "legacy_load_fields";
    case "load_imm64":
      return "wide_load_fields";
    default:
      return "alu_fields";
  }
}

/** An instruction whose code exists, but in no form with these fields. */
function unknownForm(slot: Slot): Rejected {
  const kinds = new Set(rowsOfCode(slot.code).map(({ kind }) => kind));
  const { index, code, src, offset, imm } = slot;
  if (kinds.has("load_acquire")) {
    const wide = rowOf(code | 0x18, src, offset, imm);
    if (wide?.kind === "atomic") return new Rejected("atomic_size", index);
    return new Rejected("atomic_operation", index, { operation: (imm >>> 0).toString(16).padStart(2, "0") });
  }
  if (kinds.has("address_space_cast") && offset === 1) {
    return new Rejected("address_space", index, { to: imm >>> 16, from: imm & 0xffff });
  }
  return new Rejected(reservedFieldsCode(slot), index, { imm });
}

/**
 * What every instruction must keep to by itself: fields it does not use are 0, registers exist, r10 is not written, constants make sense. The kernel looks
 * at these when its main pass comes to the instruction, so a fault in code that it proves dead is none. kernel/bpf/verifier.c: do_check, check_alu_op,
 * check_cond_jmp_op, check_atomic, check_reg_arg.
 */
export function findFaults(
  slots: readonly Slot[],
  instructions: readonly (Instruction | undefined)[],
  spec: ProgramSpec,
  type: ProgramType,
): Map<number, Rejected> {
  const faults = new Map<number, Rejected>();
  for (let index = 0; index < slots.length; index++) {
    const slot = slots[index] as Slot;
    const instruction = instructions[index];
    const fault = instruction === undefined ? unknownForm(slot) : faultOf(instruction, spec, type);
    if (fault !== undefined) faults.set(index, fault);
    if (slot.code === LOAD_IMMEDIATE_64) index++;
  }
  return faults;
}

function faultOf(instruction: Instruction, spec: ProgramSpec, type: ProgramType): Rejected | undefined {
  const { index, row, imm } = instruction;
  if (row.kind === "legacy_load" && type.legacyLoads === undefined) return new Rejected("legacy_load_refused", index);
  if (usesReservedFields(row, reservedToKernel(instruction))) {
    return new Rejected(reservedFieldsCode(instruction), index, { imm });
  }
  const register = registerFault(instruction);
  if (register !== undefined) return register;
  if (row.kind === "address_space_cast" && !spec.maps.some((map) => map.type === BPF_MAP_TYPE_ARENA)) {
    return new Rejected("address_space_without_arena", index);
  }
  if ((row.kind === "alu64" || row.kind === "alu32") && row.operand === "imm") {
    const division = row.operation === "div" || row.operation === "sdiv" || row.operation === "mod" || row.operation === "smod";
    if (division && imm === 0) return new Rejected("division_by_zero", index);
    const shift = row.operation === "lsh" || row.operation === "rsh" || row.operation === "arsh";
    const width = row.kind === "alu64" ? 64 : 32;
    if (shift && (imm < 0 || imm >= width)) return new Rejected("shift_too_far", index, { count: imm, last: width - 1 });
  }
  return undefined;
}

/** The kernel looks at fewer fields than it reserves: exit and goto may have an offset or a register that nobody reads. */
function reservedToKernel(instruction: Instruction): Slot {
  return instruction.row.kind === "exit" ? { ...instruction, offset: 0 } : instruction;
}

function registerFault({ index, row, dst, src }: Instruction): Rejected | undefined {
  const used = fieldsOf(row);
  const named = row.kind !== "load_imm64" && row.src === undefined && used.src;
  if (named && src > FRAME_POINTER) return new Rejected("register_unknown", index, { register: src });
  if (used.dst && dst > FRAME_POINTER) return new Rejected("register_unknown", index, { register: dst });
  const written = (row.writes.includes("dst") && dst === FRAME_POINTER) || (row.writes.includes("src") && src === FRAME_POINTER);
  return written ? new Rejected("frame_pointer_written", index) : undefined;
}
