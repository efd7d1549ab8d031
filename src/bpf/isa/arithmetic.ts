import * as alu from "./alu.ts";
import type { AddressSpaceCastRow, AluRow } from "./row.ts";

/** An operation with two operands in its four codes: 64 and 32 bits, immediate and register. `code` is the operation's upper four bits. RFC 9669, section 4.1. */
function binary(operation: keyof typeof alu, code: number, sign: string, meaning: AluRow["meaning"], offset = 0): AluRow[] {
  const reads = operation === "mov" ? [] : (["dst"] as const);
  const common = { offset, operation, meaning, writes: ["dst"] } as const;
  return [
    { ...common, code: code | 0x07, kind: "alu64", operand: "imm", text: `{dst} ${sign} {imm}`, reads },
    { ...common, code: code | 0x0f, kind: "alu64", operand: "src", text: `{dst} ${sign} {src}`, reads: [...reads, "src"] },
    { ...common, code: code | 0x04, kind: "alu32", operand: "imm", text: `{wdst} ${sign} {imm}`, reads },
    { ...common, code: code | 0x0c, kind: "alu32", operand: "src", text: `{wdst} ${sign} {wsrc}`, reads: [...reads, "src"] },
  ];
}

/** Register to register with the sign of the lowest 8, 16 or 32 bits; the offset holds the width. */
function signExtending(code: number, offset: 8 | 16 | 32, meaning: AluRow["meaning"]): AluRow {
  const wide = code === 0xbf;
  return {
    code,
    offset,
    operation: `movsx${offset}`,
    kind: wide ? "alu64" : "alu32",
    operand: "src",
    meaning,
    text: wide ? `{dst} = (s${offset}){src}` : `{wdst} = (s${offset}){wsrc}`,
    reads: ["src"],
    writes: ["dst"],
  };
}

/** Byte order: works on 64-bit registers, the immediate holds the width. RFC 9669, section 4.2. */
function byteOrder(code: number, name: "le" | "be" | "bswap", imm: 16 | 32 | 64, meaning: AluRow["meaning"]): AluRow {
  return {
    code,
    imm,
    operation: `${name}${imm}`,
    kind: "alu64",
    operand: "none",
    meaning,
    text: `{dst} = ${name}${imm} {dst}`,
    reads: ["dst"],
    writes: ["dst"],
  };
}

function negate(code: 0x84 | 0x87): AluRow {
  const wide = code === 0x87;
  return {
    code,
    operation: "neg",
    kind: wide ? "alu64" : "alu32",
    operand: "none",
    meaning: alu.neg,
    text: wide ? "{dst} = -{dst}" : "{wdst} = -{wdst}",
    reads: ["dst"],
    writes: ["dst"],
  };
}

function addressSpaceCast(to: "kernel" | "user", imm: number): AddressSpaceCastRow {
  return {
    code: 0xbf,
    offset: 1,
    imm,
    kind: "address_space_cast",
    to,
    text: `{dst} = addr_space_cast({src}, ${imm >>> 16}, ${imm & 0xffff})`,
    objdump: `{dst} = addr_space_cast({src}, 0x${imm >>> 16}, 0x${imm & 0xffff})`,
    reads: ["src"],
    writes: ["dst"],
  };
}

export const arithmeticRows: readonly (AluRow | AddressSpaceCastRow)[] = [
  ...binary("add", 0x00, "+=", alu.add),
  ...binary("sub", 0x10, "-=", alu.sub),
  ...binary("mul", 0x20, "*=", alu.mul),
  ...binary("div", 0x30, "/=", alu.div),
  ...binary("sdiv", 0x30, "s/=", alu.sdiv, 1),
  ...binary("or", 0x40, "|=", alu.or),
  ...binary("and", 0x50, "&=", alu.and),
  ...binary("lsh", 0x60, "<<=", alu.lsh),
  ...binary("rsh", 0x70, ">>=", alu.rsh),
  negate(0x87),
  negate(0x84),
  ...binary("mod", 0x90, "%=", alu.mod),
  ...binary("smod", 0x90, "s%=", alu.smod, 1),
  ...binary("xor", 0xa0, "^=", alu.xor),
  ...binary("mov", 0xb0, "=", alu.mov),
  signExtending(0xbf, 8, alu.movsx8),
  signExtending(0xbf, 16, alu.movsx16),
  signExtending(0xbf, 32, alu.movsx32),
  signExtending(0xbc, 8, alu.movsx8),
  signExtending(0xbc, 16, alu.movsx16),
  addressSpaceCast("kernel", 1),
  addressSpaceCast("user", 1 << 16),
  ...binary("arsh", 0xc0, "s>>=", alu.arsh),
  byteOrder(0xd4, "le", 16, alu.le16),
  byteOrder(0xd4, "le", 32, alu.le32),
  byteOrder(0xd4, "le", 64, alu.le64),
  byteOrder(0xdc, "be", 16, alu.swap16),
  byteOrder(0xdc, "be", 32, alu.swap32),
  byteOrder(0xdc, "be", 64, alu.swap64),
  byteOrder(0xd7, "bswap", 16, alu.swap16),
  byteOrder(0xd7, "bswap", 32, alu.swap32),
  byteOrder(0xd7, "bswap", 64, alu.swap64),
];
