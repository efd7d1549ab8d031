import { arithmeticRows } from "./arithmetic.ts";
import { controlRows } from "./control.ts";
import { memoryRows } from "./memory.ts";
import type { InstructionRow } from "./row.ts";

/** Every instruction of RFC 9669 and Linux 6.18, one row each. */
export const instructionRows: readonly InstructionRow[] = [...arithmeticRows, ...memoryRows, ...controlRows];

const byCode: readonly InstructionRow[][] = Array.from({ length: 256 }, (_, code) => instructionRows.filter((row) => row.code === code));

/** The rows that share a code; empty when no instruction begins with this byte. */
export const rowsOfCode = (code: number): readonly InstructionRow[] => byCode[code] ?? [];

/** The row of a code that has one only, whatever the other fields say: most of them. */
const onlyRow: readonly (InstructionRow | undefined)[] = byCode.map(([row, second]) =>
  second === undefined && row?.src === undefined && row?.offset === undefined && row?.imm === undefined ? row : undefined,
);

/** The row of an instruction, by its code and by the fields that tell rows of one code apart; undefined when there is none. */
export function rowOf(code: number, src: number, offset: number, imm: number): InstructionRow | undefined {
  const only = onlyRow[code];
  if (only !== undefined) return only;
  for (const row of rowsOfCode(code)) {
    if (
      (row.src === undefined || row.src === src) &&
      (row.offset === undefined || row.offset === offset) &&
      (row.imm === undefined || row.imm === imm)
    )
      return row;
  }
  return undefined;
}

/** Which fields of an instruction mean something; the others must be 0. `high` is the immediate of the second slot of ld_imm64. */
export interface FieldUse {
  readonly dst: boolean;
  readonly src: boolean;
  readonly offset: boolean;
  readonly imm: boolean;
  readonly high: boolean;
}

const uses = new Map<InstructionRow, FieldUse>();

export function fieldsOf(row: InstructionRow): FieldUse {
  let use = uses.get(row);
  if (use === undefined) {
    const named = (pattern: RegExp) => pattern.test(row.text);
    use = {
      dst: named(/\{w?dst\}/),
      src: row.src !== undefined || named(/\{w?src\}/),
      offset: row.offset !== undefined || named(/\{(off|goto|kfunc)\}/),
      imm: row.imm !== undefined || named(/\{(imm|imm64|gotol|call|function|kfunc)\}/),
      high: named(/\{(high|imm64)\}/),
    };
    uses.set(row, use);
  }
  return use;
}

/** Whether a field that means nothing in this instruction is other than 0, which the kernel refuses. */
export function usesReservedFields(
  row: InstructionRow,
  fields: { readonly dst: number; readonly src: number; readonly offset: number; readonly imm: number; readonly high: number },
): boolean {
  const used = fieldsOf(row);
  return (
    (!used.dst && fields.dst !== 0) ||
    (!used.src && fields.src !== 0) ||
    (!used.offset && fields.offset !== 0) ||
    (!used.imm && fields.imm !== 0) ||
    (!used.high && fields.high !== 0)
  );
}
