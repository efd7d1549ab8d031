import type { AluMeaning, BranchMeaning } from "./alu.ts";

export type AccessSize = 1 | 2 | 4 | 8;
export type AtomicOperation = "add" | "or" | "and" | "xor" | "xchg" | "cmpxchg";
/** A register that an instruction reads or writes: by field, or one that the instruction fixes. */
export type RegisterUse = "dst" | "src" | "r0" | "r1" | "r2" | "r3" | "r4" | "r5" | "r6";

interface Row {
  /** First byte of the instruction. */
  readonly code: number;
  /** Fields that tell rows of one code apart. A field that is neither fixed here nor named in `text` is reserved and must be 0. */
  readonly src?: number;
  readonly offset?: number;
  readonly imm?: number;
  /**
   * How the instruction is written, in the syntax of the kernel's verifier log: {dst} {src} registers, {wdst} {wsrc} their lower halves, {off} memory offset,
   * {imm} immediate, {goto} {gotol} jump targets by offset or immediate, {imm64} 64-bit immediate, {high} the second half's immediate,
   * {call} {function} {kfunc} callees.
   */
  readonly text: string;
  /** The same as llvm-objdump writes it, where it is not a matter of how numbers are written. */
  readonly objdump?: string;
  readonly reads: readonly RegisterUse[];
  readonly writes: readonly RegisterUse[];
}

/** `alu64` works on whole registers, `alu32` on lower halves and clears the upper half of the destination. Byte swaps are `alu64` whatever their code's class. */
export interface AluRow extends Row {
  readonly kind: "alu64" | "alu32";
  readonly operation: string;
  readonly operand: "imm" | "src" | "none";
  readonly meaning: AluMeaning;
}
/** Between the address spaces of an arena (1) and of the kernel (0). `imm` is destination << 16 | source. */
export interface AddressSpaceCastRow extends Row {
  readonly kind: "address_space_cast";
  readonly to: "kernel" | "user";
}
export interface LoadRow extends Row {
  readonly kind: "load";
  readonly size: AccessSize;
  readonly signed: boolean;
}
export interface StoreRow extends Row {
  readonly kind: "store";
  readonly size: AccessSize;
  readonly operand: "imm" | "src";
}
/** With `fetch` the old value goes to src (to r0 for cmpxchg), zero-extended. */
export interface AtomicRow extends Row {
  readonly kind: "atomic";
  readonly size: 4 | 8;
  readonly operation: AtomicOperation;
  readonly fetch: boolean;
}
export interface OrderedAccessRow extends Row {
  readonly kind: "load_acquire" | "store_release";
  readonly size: AccessSize;
}
/** Takes two slots. What `imm` and the second slot's immediate mean is told by src. */
export interface LoadImmediateRow extends Row {
  readonly kind: "load_imm64";
  readonly source: "value" | "map" | "map_value" | "variable" | "function" | "map_index" | "map_index_value";
}
/** LD_ABS and LD_IND: from the packet (r6 is the skb) in network byte order to r0. r1 to r5 are lost. */
export interface LegacyLoadRow extends Row {
  readonly kind: "legacy_load";
  readonly mode: "abs" | "ind";
  readonly size: 1 | 2 | 4;
}
export interface BranchRow extends Row {
  readonly kind: "branch64" | "branch32";
  readonly operation: string;
  readonly operand: "imm" | "src";
  readonly condition: BranchMeaning;
}
/** `goto` (by offset), `gotol` (by immediate), and `may_goto`, which the kernel may take when a loop has run long enough. */
export interface JumpRow extends Row {
  readonly kind: "jump" | "may_goto";
  readonly distance: "offset" | "imm";
}
export interface CallRow extends Row {
  readonly kind: "call";
  readonly callee: "helper" | "function" | "kfunc";
}
export interface ExitRow extends Row {
  readonly kind: "exit";
}

export type InstructionRow =
  | AluRow
  | AddressSpaceCastRow
  | LoadRow
  | StoreRow
  | AtomicRow
  | OrderedAccessRow
  | LoadImmediateRow
  | LegacyLoadRow
  | BranchRow
  | JumpRow
  | CallRow
  | ExitRow;
