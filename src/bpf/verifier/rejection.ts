import { defineProblems, type Problem, type ProblemRow } from "../../problem/index.ts";
import type { ProgramSpec, SourceLine } from "../spec.ts";

/** A program that Linux would not load. The message is the kernel's, so that a search finds it. */
export interface Rejection {
  readonly accepted: false;
  /** Code, kernel's message, hint; `at` names program, instruction and source line where they are known. Its exit code is 4. */
  readonly problem: Problem;
  /** What bpf(BPF_PROG_LOAD) would fail with, positive. */
  readonly errno: number;
  /** Text of the source line. */
  readonly line?: string;
}

const E2BIG = 7;
const EBADF = 9;
const EACCES = 13;
const EINVAL = 22;
const EPROTO = 71;
const ENOTSUPP = 524;

interface RejectionRow extends ProblemRow {
  readonly errno: number;
}

/** Every reason to reject, in the kernel's wording. kernel/bpf/syscall.c: bpf_prog_load; kernel/bpf/verifier.c for the others. */
const rows = {
  program_size: {
    errno: E2BIG,
    message: "program of {count} instructions: from 1 to {limit} are allowed",
    hint: "split the program and join its parts by tail calls",
  },
  call_destination: {
    errno: EINVAL,
    message: "call to invalid destination",
    hint: "the call leads to instruction {target}, and the program ends at {last}",
  },
  too_many_functions: {
    errno: E2BIG,
    message: "too many subprograms",
    hint: "a program may have 256 functions: let the compiler inline some",
  },
  jump_out_of_range: {
    errno: EINVAL,
    message: "jump out of range from insn {from} to {to}",
    hint: "a jump must stay in its function, which is instructions {start} to {last}",
  },
  function_end: {
    errno: EINVAL,
    message: "last insn is not an exit or jmp",
    hint: "instruction {instruction} ends a function but goes on: end every function with exit or goto",
  },
  function_info_count: {
    errno: EINVAL,
    message: "number of funcs in func_info doesn't match number of subprogs",
    hint: "BTF names {typed} functions, the program has {count}: compile it again with -g",
  },
  legacy_load_in_function: {
    errno: EINVAL,
    message: "LD_ABS is not allowed in subprogs without BTF",
    hint: "compile with -g, or inline the function",
  },
  tail_call_in_function: {
    errno: EINVAL,
    message: "tail_call is not allowed in subprogs without BTF",
    hint: "compile with -g, or inline the function",
  },
  load_fields: { errno: EINVAL, message: "BPF_LDX uses reserved fields", hint: "imm must be 0" },
  wide_load_incomplete: { errno: EINVAL, message: "invalid bpf_ld_imm64 insn", hint: "ld_imm64 takes two slots, the second with code 0" },
  wide_load_unknown: {
    errno: EINVAL,
    message: "unrecognized bpf_ld_imm64 insn",
    hint: "src says what is loaded: 0 a number, 1 a map, 2 a map's value, 3 a variable, 4 a function",
  },
  wide_load_fields: { errno: EINVAL, message: "BPF_LD_IMM64 uses reserved fields", hint: "the offset must be 0" },
  map_index_without_array: {
    errno: EPROTO,
    message: "fd_idx without fd_array is invalid",
    hint: "src 5 and 6 need an fd_array; object files use src 1 and 2",
  },
  map_unknown: {
    errno: EBADF,
    message: "fd {map} is not pointing to valid bpf_map",
    hint: "the program has {count} maps, numbered from 0",
  },
  too_many_maps: {
    errno: E2BIG,
    message: "The total number of maps per program has reached the limit of {limit}",
    hint: "join maps, or reach some through a map of maps",
  },
  map_value_offset: { errno: EINVAL, message: "direct value offset of {offset} is not allowed", hint: "offsets are below 2^29" },
  map_value_access: {
    errno: EINVAL,
    message: "no direct value access support for this map type",
    hint: "only the value of an array map can be loaded with ld_imm64 (src 2); map {map} is none",
  },
  map_value_entries: {
    errno: ENOTSUPP,
    message: "invalid access to map value pointer, value_size={size} off={offset}",
    hint: "only an array map of one entry has a value that ld_imm64 (src 2) can name",
  },
  map_value_range: {
    errno: EINVAL,
    message: "invalid access to map value pointer, value_size={size} off={offset}",
    hint: "the offset must lie in the value",
  },
  unknown_opcode: { errno: EINVAL, message: "unknown opcode {opcode}", hint: "no instruction of Linux 6.18 begins with this byte" },
  unreachable: { errno: EINVAL, message: "unreachable insn {instruction}", hint: "no way leads here: remove the code or jump to it" },
  jump_into_wide_load: {
    errno: EINVAL,
    message: "jump into the middle of ldimm64 insn {instruction}",
    hint: "the instruction takes two slots; jump to {instruction} or behind it",
  },
  register_unknown: { errno: EINVAL, message: "R{register} is invalid", hint: "registers are r0 to r10" },
  frame_pointer_written: { errno: EACCES, message: "frame pointer is read only", hint: "copy r10 to another register and change that" },
  alu_fields: { errno: EINVAL, message: "BPF_ALU uses reserved fields", hint: "fields that the instruction does not use must be 0" },
  mov_fields: {
    errno: EINVAL,
    message: "BPF_MOV uses reserved fields",
    hint: "offset is 0, or the width 8, 16 or 32 of a sign-extending move",
  },
  neg_fields: { errno: EINVAL, message: "BPF_NEG uses reserved fields", hint: "src, offset and imm must be 0" },
  end_fields: { errno: EINVAL, message: "BPF_END uses reserved fields", hint: "imm is the width: 16, 32 or 64" },
  address_space: {
    errno: EINVAL,
    message: "addr_space_cast insn can only convert between address space 1 and 0",
    hint: "imm is 1 or 65536",
  },
  address_space_without_arena: {
    errno: EINVAL,
    message: "addr_space_cast insn can only be used in a program that has an associated arena",
    hint: "the program must use a map of type ARENA",
  },
  division_by_zero: { errno: EINVAL, message: "div by zero", hint: "the divisor is the constant 0" },
  shift_too_far: { errno: EINVAL, message: "invalid shift {count}", hint: "shift by 0 to {last}" },
  store_fields: { errno: EINVAL, message: "BPF_ST uses reserved fields", hint: "src must be 0" },
  store_register_fields: { errno: EINVAL, message: "BPF_STX uses reserved fields", hint: "imm must be 0" },
  atomic_size: { errno: EINVAL, message: "invalid atomic operand size", hint: "only load_acquire and store_release work on 1 and 2 bytes" },
  atomic_operation: {
    errno: EINVAL,
    message: "BPF_ATOMIC uses invalid atomic opcode {operation}",
    hint: "imm is one of 0x00, 0x40, 0x50, 0xa0, each with 1 added for fetch, 0xe1, 0xf1, 0x100, 0x110",
  },
  jump_fields: { errno: EINVAL, message: "BPF_JMP/JMP32 uses reserved fields", hint: "fields that the instruction does not use must be 0" },
  goto_fields: { errno: EINVAL, message: "BPF_JA uses reserved fields", hint: "goto uses the offset only, gotol imm only" },
  may_goto_fields: { errno: EINVAL, message: "invalid may_goto imm {imm}", hint: "dst, src and imm must be 0" },
  call_fields: {
    errno: EINVAL,
    message: "BPF_CALL uses reserved fields",
    hint: "src is 0 (helper), 1 (function) or 2 (kfunc); dst and offset are 0",
  },
  exit_fields: { errno: EINVAL, message: "BPF_EXIT uses reserved fields", hint: "dst, src and imm must be 0" },
  legacy_load_fields: { errno: EINVAL, message: "BPF_LD_[ABS|IND] uses reserved fields", hint: "dst and offset must be 0" },
  legacy_load_refused: {
    errno: EINVAL,
    message: "BPF_LD_[ABS|IND] instructions not allowed for this program type",
    hint: "read the packet from data up to data_end",
  },
  call_depth: {
    errno: E2BIG,
    message: "the call stack of {frames} frames is too deep",
    hint: "at most 8 functions may be active at once, and none may call itself",
  },
} as const satisfies Record<string, RejectionRow>;

export type RejectionCode = keyof typeof rows;

const problems = defineProblems(
  Object.fromEntries(Object.entries(rows).map(([code, { errno: _, ...row }]) => [`verifier_${code}`, { ...row, exit: 4 as const }])),
);

/** Thrown and caught inside the verifier: the first reason to reject ends it. */
export class Rejected extends Error {
  readonly code: RejectionCode;
  readonly details: Readonly<Record<string, string | number>>;
  /** Absent where the fault is no single instruction's. */
  readonly instruction: number | undefined;

  constructor(code: RejectionCode, instruction?: number, details: Readonly<Record<string, string | number>> = {}) {
    super(code);
    this.code = code;
    this.details = details;
    this.instruction = instruction;
  }
}

export function rejectionOf(spec: ProgramSpec, { code, details, instruction }: Rejected): Rejection {
  const source = instruction === undefined ? undefined : lineOf(spec.lines, instruction);
  const problem = problems[`verifier_${code}`]!(instruction === undefined ? details : { instruction, ...details }, {
    program: spec.name,
    ...(instruction === undefined ? {} : { instruction }),
    ...(source === undefined ? {} : { source: `${source.file}:${source.line}` }),
  });
  return { accepted: false, problem, errno: rows[code].errno, ...(source === undefined ? {} : { line: source.text }) };
}

/** The line that an instruction came from: the last one that begins at it or before. */
function lineOf(lines: readonly SourceLine[], instruction: number): SourceLine | undefined {
  let low = 0;
  let high = lines.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((lines[middle] as SourceLine).instruction <= instruction) low = middle + 1;
    else high = middle;
  }
  return lines[low - 1];
}
