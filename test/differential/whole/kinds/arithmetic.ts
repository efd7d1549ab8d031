import fc from "fast-check";
import { type InstructionRow, instructionRows } from "../../../../src/bpf/isa/index.ts";
import { type AnyKind, anyNumber, anyOperand, defineKind } from "../statement.ts";

type RowOf<Name extends InstructionRow["kind"]> = Extract<InstructionRow, { kind: Name }>;
const rowsOf = <Name extends InstructionRow["kind"]>(...kinds: readonly Name[]) =>
  instructionRows.filter((row): row is RowOf<Name> => (kinds as readonly string[]).includes(row.kind));

const alu = rowsOf("alu64", "alu32");
const branches = rowsOf("branch64", "branch32");
const loads = rowsOf("load");
const stores = rowsOf("store");
const atomics = rowsOf("atomic");
const ordered = rowsOf("load_acquire", "store_release");

const isShift = (operation: string): boolean => /^(lsh|rsh|arsh)$/.test(operation);
const isDivision = (operation: string): boolean => /^s?(div|mod)$/.test(operation);

/** Shifts by constants stay within the register, and nothing is divided by a constant 0: the verifier refuses such code. */
function constantOf(row: RowOf<"alu64" | "alu32">, imm: number): number {
  if (row.operand !== "imm") return row.imm ?? 0;
  if (isShift(row.operation)) return imm & (row.kind === "alu64" ? 63 : 31);
  return isDivision(row.operation) && imm === 0 ? 3 : imm;
}

/** Shifts by registers are bounded as compilers bound them; what the hardware does beyond is tried too. */
const indexOf = (rows: readonly unknown[]): fc.Arbitrary<number> => fc.nat({ max: rows.length - 1 });

export const arithmeticKinds: readonly AnyKind[] = [
  defineKind({
    name: "arithmetic",
    subject: "arithmetic",
    weight: 16,
    params: fc.record({
      steps: fc.array(fc.record({ row: indexOf(alu), imm: anyNumber }), { minLength: 1, maxLength: 6 }),
      high: anyNumber,
      low: anyNumber,
    }),
    covers: ({ steps }) => steps.map(({ row }) => alu[row]!.text),
    write(out, { steps, high, low }) {
      const { code } = out;
      // r8 takes the results; r9 is the other operand, now a constant, now what came out before.
      code.copy(8, 7);
      code.setWide(9, (BigInt(high) << 32n) | BigInt(low >>> 0));
      for (const { row: index, imm } of steps) {
        const row = alu[index]!;
        code.emit({ code: row.code, dst: 8, src: row.operand === "src" ? 9 : 0, offset: row.offset ?? 0, imm: constantOf(row, imm) });
        if ((imm & 1) === 1) code.combine(9, "^=", 8);
      }
      out.keep(8);
      code.combine(7, "+=", 8);
    },
  }),
  defineKind({
    name: "branch",
    subject: "control",
    params: fc.record({ row: indexOf(branches), imm: anyNumber }),
    covers: ({ row }) => [branches[row]!.text.replace(/ goto.*/, "")],
    bodies: 2,
    write(out, { row: index, imm }, [straight, taken]) {
      const { code } = out;
      const row = branches[index]!;
      const [there, end] = [code.label(), code.label()];
      code.set(8, imm);
      code.emit({ code: row.code, dst: 7, src: row.operand === "src" ? 8 : 0, imm: row.operand === "imm" ? imm : 0 }, there);
      straight!();
      code.goto(end);
      code.place(there);
      taken!();
      code.place(end);
    },
  }),
  defineKind({
    name: "stack access",
    subject: "arithmetic",
    weight: 10,
    params: fc.record({
      steps: fc.array(fc.record({ row: indexOf([...loads, ...stores]), place: fc.nat({ max: 15 }), imm: anyNumber }), {
        minLength: 1,
        maxLength: 5,
      }),
      seed: fc.nat({ max: 0xffff }),
    }),
    covers: ({ steps }) => steps.map(({ row }) => [...loads, ...stores][row]!.text.replace("{off}", "")),
    stack: 16,
    write(out, { steps, seed }) {
      const { code } = out;
      const at = out.buffer(16, seed);
      code.copy(8, 7);
      for (const { row: index, place, imm } of steps) {
        const row = [...loads, ...stores][index]!;
        const offset = at + (place & ~(row.size - 1) & (16 - row.size));
        if (row.kind === "load") {
          code.emit({ code: row.code, dst: 9, src: 10, offset });
          code.combine(8, "^=", 9);
        } else code.emit({ code: row.code, dst: 10, src: row.operand === "src" ? 8 : 0, offset, imm: row.operand === "imm" ? imm : 0 });
      }
      code.load(8, 0, 10, at);
      out.keep(0);
      out.keep(8);
      code.copy(7, 8);
    },
  }),
  defineKind({
    name: "atomic",
    subject: "arithmetic",
    weight: 10,
    params: fc.record({
      row: indexOf(atomics),
      place: fc.nat({ max: 1 }),
      seed: fc.nat({ max: 0xffff }),
      equal: fc.boolean(),
      value: anyOperand,
    }),
    covers: ({ row }) => [atomics[row]!.text.replace("{off}", "")],
    stack: 8,
    write(out, { row: index, place, seed, equal, value }) {
      const { code } = out;
      const row = atomics[index]!;
      const at = out.buffer(8, seed);
      const offset = at + (row.size === 4 ? place * 4 : 0);
      out.operand(8, value);
      // cmpxchg compares with r0: what stands there, or something else.
      if (equal) code.load(row.size, 0, 10, offset);
      else code.copy(0, 7);
      code.emit({ code: row.code, dst: 10, src: 8, offset, imm: row.imm ?? 0 });
      out.keep(0);
      out.keep(8);
      code.load(8, 0, 10, at);
      out.keep(0);
      out.fold();
    },
  }),
  defineKind({
    name: "ordered access",
    subject: "arithmetic",
    params: fc.record({ row: indexOf(ordered), seed: fc.nat({ max: 0xffff }), value: anyOperand }),
    covers: ({ row }) => [ordered[row]!.text.replace("{off}", "")],
    stack: 8,
    write(out, { row: index, seed, value }) {
      const { code } = out;
      const row = ordered[index]!;
      const at = out.buffer(8, seed);
      out.operand(8, value);
      const common = { code: row.code, offset: at, imm: row.imm ?? 0 };
      code.emit(row.kind === "load_acquire" ? { ...common, dst: 8, src: 10 } : { ...common, dst: 10, src: 8 });
      out.keep(8);
      code.load(8, 0, 10, at);
      out.keep(0);
      out.fold();
    },
  }),
];
