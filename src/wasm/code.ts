import { ByteWriter } from "./bytes.ts";
import {
  BR_TABLE,
  blockCodes,
  bulkCodes,
  EMPTY_BLOCK,
  I32_CONST,
  I64_CONST,
  indexCodes,
  indirectCodes,
  type MemoryName,
  memoryCodes,
  type PlainName,
  plainCodes,
  type ValueType,
  valueTypes,
} from "./opcodes.ts";

/** A block that is open: what a branch names. */
export type Label = number & { readonly label: unique symbol };

/**
 * Writes the body of one function, instruction by instruction, straight to bytes. Types are the caller's business (the engine validates);
 * the writer keeps count of blocks, so that a branch names its block instead of a depth.
 */
export class CodeWriter {
  readonly #code = new ByteWriter(512);
  readonly #locals: ValueType[] = [];
  readonly #localNames: string[] = [];
  #depth = 0;

  readonly parameters: number;

  /** `parameters` are the names of the function's parameters: locals 0..n-1. */
  constructor(parameters: readonly string[]) {
    this.parameters = parameters.length;
    this.#localNames.push(...parameters);
  }

  /** Bytes of code so far: where the next instruction will stand, relative to the first. */
  get position(): number {
    return this.#code.length;
  }

  /** Types of the locals behind the parameters. */
  get locals(): readonly ValueType[] {
    return this.#locals;
  }

  /** Names of parameters and locals. */
  get localNames(): readonly string[] {
    return this.#localNames;
  }

  get bytes(): Uint8Array {
    return this.#code.bytes;
  }

  /** A new local, zero at entry. */
  local(type: ValueType, name: string): number {
    this.#locals.push(type);
    return this.#localNames.push(name) - 1;
  }

  /** An instruction without immediates; `end` and `else` have methods of their own. */
  op(name: Exclude<PlainName, "end" | "else">): void {
    this.#code.u8(plainCodes[name]);
  }

  i32(value: number): void {
    this.#code.u8(I32_CONST);
    this.#code.s32(value);
  }

  /** A 64-bit constant: any integer that a double holds exactly, or a bigint modulo 2^64. */
  i64(value: number | bigint): void {
    this.#code.u8(I64_CONST);
    if (typeof value === "number" && value === (value | 0)) this.#code.s32(value);
    else this.#code.s64(BigInt(value));
  }

  #index(code: number, index: number): void {
    this.#code.u8(code);
    this.#code.u32(index);
  }

  get(local: number): void {
    this.#index(indexCodes["local.get"], local);
  }

  set(local: number): void {
    this.#index(indexCodes["local.set"], local);
  }

  tee(local: number): void {
    this.#index(indexCodes["local.tee"], local);
  }

  globalGet(global: number): void {
    this.#index(indexCodes["global.get"], global);
  }

  globalSet(global: number): void {
    this.#index(indexCodes["global.set"], global);
  }

  /** A load, store or atomic at address + offset; offset is unsigned. Alignment is the natural one unless said (log2 of bytes). */
  memory(name: MemoryName, offset = 0, align?: number): void {
    const [code, natural] = memoryCodes[name];
    if (code > 0xff) {
      this.#code.u8(code >> 8);
      this.#code.u32(code & 0xff);
    } else this.#code.u8(code);
    this.#code.u32(align ?? natural);
    this.#code.u32(offset);
  }

  /** memory.copy (destination, source, bytes) or memory.fill (destination, byte, bytes). */
  bulk(name: keyof typeof bulkCodes): void {
    const [code, indices] = bulkCodes[name];
    this.#code.u8(code >> 8);
    this.#code.u32(code & 0xff);
    for (let i = 0; i < indices; i++) this.#code.u8(0);
  }

  #open(code: number, result: ValueType | undefined): Label {
    this.#code.u8(code);
    this.#code.u8(result === undefined ? EMPTY_BLOCK : valueTypes[result]);
    return this.#depth++ as Label;
  }

  /** A branch to a block goes behind its end. */
  block(result?: ValueType): Label {
    return this.#open(blockCodes.block, result);
  }

  /** A branch to a loop goes to its start. */
  loop(result?: ValueType): Label {
    return this.#open(blockCodes.loop, result);
  }

  if(result?: ValueType): Label {
    return this.#open(blockCodes.if, result);
  }

  else(): void {
    this.#code.u8(plainCodes.else);
  }

  /** Closes the innermost open block. */
  end(): void {
    this.#depth--;
    this.#code.u8(plainCodes.end);
  }

  #distance(label: Label): number {
    return this.#depth - 1 - label;
  }

  br(label: Label): void {
    this.#index(indexCodes.br, this.#distance(label));
  }

  brIf(label: Label): void {
    this.#index(indexCodes.br_if, this.#distance(label));
  }

  /** Branches to labels[top of stack], or to `otherwise` when that is past the end. */
  brTable(labels: readonly Label[], otherwise: Label): void {
    this.#code.u8(BR_TABLE);
    this.#code.u32(labels.length);
    for (const label of labels) this.#code.u32(this.#distance(label));
    this.#code.u32(this.#distance(otherwise));
  }

  call(functionIndex: number): void {
    this.#index(indexCodes.call, functionIndex);
  }

  returnCall(functionIndex: number): void {
    this.#index(indexCodes.return_call, functionIndex);
  }

  /** Calls table[top of stack] with the signature of type `type`. */
  callIndirect(type: number): void {
    this.#index(indirectCodes.call_indirect, type);
    this.#code.u8(0);
  }

  returnCallIndirect(type: number): void {
    this.#index(indirectCodes.return_call_indirect, type);
    this.#code.u8(0);
  }
}
