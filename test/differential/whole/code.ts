import { type AccessSize, encode, type SlotFields } from "../../../src/bpf/isa/index.ts";

/** A place in the program that jumps, calls and callbacks lead to; known when it is placed. */
export type Label = { at: number };

/** Bits 3 and 4 of a code say how many bytes are moved. RFC 9669, section 5. */
const sizeBits: Readonly<Record<AccessSize, number>> = { 4: 0x00, 2: 0x08, 1: 0x10, 8: 0x18 };

/** Upper four bits of 64-bit arithmetic with an immediate (| 7) or a register (| 15). RFC 9669, section 4.1. */
const operations = { "+=": 0x00, "-=": 0x10, "*=": 0x20, "|=": 0x40, "&=": 0x50, "<<=": 0x60, ">>=": 0x70, "^=": 0xa0 } as const;
type Operation = keyof typeof operations;

/** Upper four bits of a 64-bit condition with an immediate (| 5) or a register (| 13). RFC 9669, section 4.3. */
const conditions = {
  "==": 0x10,
  ">": 0x20,
  ">=": 0x30,
  "!=": 0x50,
  "s>": 0x60,
  "s>=": 0x70,
  "<": 0xa0,
  "<=": 0xb0,
  "s<": 0xc0,
  "s<=": 0xd0,
} as const;
type Condition = keyof typeof conditions;

const LD_IMM64 = 0x18;
const CALL = 0x85;
const EXIT = 0x95;
const GOTO = 0x05;
const MAY_GOTO = 0xe5;

export type Fields = Partial<SlotFields> & Pick<SlotFields, "code">;

/** Writes a program instruction by instruction, with labels; distances are filled in by `finish`. */
export class Code {
  readonly #written: {
    readonly fields: SlotFields;
    readonly label: Label | undefined;
    readonly field: "offset" | "imm";
    readonly at: number;
  }[] = [];
  #slots = 0;

  /** Slots written so far. */
  get length(): number {
    return this.#slots;
  }

  emit(fields: Fields, label?: Label, field: "offset" | "imm" = "offset"): void {
    this.#written.push({ fields: { dst: 0, src: 0, offset: 0, imm: 0, high: 0, ...fields }, label, field, at: this.#slots });
    this.#slots += fields.code === LD_IMM64 ? 2 : 1;
  }

  label(): Label {
    return { at: -1 };
  }

  place(label: Label): void {
    label.at = this.#slots;
  }

  /** dst = imm */
  set(dst: number, imm: number): void {
    this.emit({ code: 0xb7, dst, imm });
  }

  /** dst = a 64-bit number */
  setWide(dst: number, value: bigint): void {
    this.emit({ code: LD_IMM64, dst, imm: Number(BigInt.asIntN(32, value)), high: Number(BigInt.asIntN(32, value >> 32n)) });
  }

  /** dst = src */
  copy(dst: number, src: number): void {
    this.emit({ code: 0xbf, dst, src });
  }

  /** dst += imm, and the like */
  change(dst: number, operation: Operation, imm: number): void {
    this.emit({ code: operations[operation] | 0x07, dst, imm });
  }

  /** dst += src, and the like */
  combine(dst: number, operation: Operation, src: number): void {
    this.emit({ code: operations[operation] | 0x0f, dst, src });
  }

  /** dst = r10 + at */
  frame(dst: number, at: number): void {
    this.copy(dst, 10);
    this.change(dst, "+=", at);
  }

  /** dst = *(src + offset) */
  load(size: AccessSize, dst: number, src: number, offset: number): void {
    this.emit({ code: 0x61 | sizeBits[size], dst, src, offset });
  }

  /** *(dst + offset) = src */
  store(size: AccessSize, dst: number, offset: number, src: number): void {
    this.emit({ code: 0x63 | sizeBits[size], dst, src, offset });
  }

  /** *(dst + offset) = imm */
  put(size: AccessSize, dst: number, offset: number, imm: number): void {
    this.emit({ code: 0x62 | sizeBits[size], dst, offset, imm });
  }

  /** if dst … imm goto label */
  when(dst: number, condition: Condition, imm: number, label: Label): void {
    this.emit({ code: conditions[condition] | 0x05, dst, imm }, label);
  }

  /** if dst … src goto label */
  whenRegister(dst: number, condition: Condition, src: number, label: Label): void {
    this.emit({ code: conditions[condition] | 0x0d, dst, src }, label);
  }

  goto(label: Label): void {
    this.emit({ code: GOTO }, label);
  }

  mayGoto(label: Label): void {
    this.emit({ code: MAY_GOTO }, label);
  }

  /** A helper, by its number. */
  callHelper(id: number): void {
    this.emit({ code: CALL, imm: id });
  }

  /** A kfunc, by the number that the program's spec gives it. */
  callKfunc(id: number): void {
    this.emit({ code: CALL, src: 2, imm: id });
  }

  callFunction(label: Label): void {
    this.emit({ code: CALL, src: 1 }, label, "imm");
  }

  /** dst = the address of a callback */
  functionAddress(dst: number, label: Label): void {
    this.emit({ code: LD_IMM64, dst, src: 4 }, label, "imm");
  }

  /** dst = the map with this index */
  mapAddress(dst: number, index: number): void {
    this.emit({ code: LD_IMM64, dst, src: 1, imm: index });
  }

  /** dst = the address of byte `offset` in the one value of an ARRAY map */
  valueAddress(dst: number, index: number, offset: number): void {
    this.emit({ code: LD_IMM64, dst, src: 2, imm: index, high: offset });
  }

  exit(): void {
    this.emit({ code: EXIT });
  }

  /** 8 bytes a slot, little endian. */
  finish(): Uint8Array {
    return encode(
      this.#written.map(({ fields, label, field, at }) => (label === undefined ? fields : { ...fields, [field]: label.at - at - 1 })),
    );
  }
}
