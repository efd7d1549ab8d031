export type { AluMeaning, AluOperations, BranchMeaning } from "./alu.ts";
export { assemble, type Symbols } from "./assemble.ts";
export { type Dialect, disassemble, type ListedInstruction, listInstructions, type Names } from "./disassemble.ts";
export {
  decode,
  decodeSlots,
  encode,
  INSTRUCTION_SIZE,
  type Instruction,
  LOAD_IMMEDIATE_64,
  readSlots,
  type Slot,
  type SlotFields,
  targetOf,
  wideImmediate,
} from "./instruction.ts";
export { on32, on64 } from "./integers.ts";
export type {
  AccessSize,
  AddressSpaceCastRow,
  AluRow,
  AtomicOperation,
  AtomicRow,
  BranchRow,
  CallRow,
  ExitRow,
  InstructionRow,
  JumpRow,
  LegacyLoadRow,
  LoadImmediateRow,
  LoadRow,
  OrderedAccessRow,
  RegisterUse,
  StoreRow,
} from "./row.ts";
export { type FieldUse, fieldsOf, instructionRows, rowOf, rowsOfCode, usesReservedFields } from "./table.ts";
