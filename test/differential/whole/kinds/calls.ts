import fc from "fast-check";
import type { ProgramTypeName } from "../../../../src/bpf/spec.ts";
import { type AnyKind, defineKind, type Operand, type Subject } from "../statement.ts";

/** A helper whose arguments are the context, where it takes one, and numbers. */
export interface PlainCall {
  readonly name: string;
  readonly subject: Subject;
  readonly type?: ProgramTypeName;
  /** The program's context is its first argument. */
  readonly context?: boolean;
  readonly args?: readonly fc.Arbitrary<Operand | bigint>[];
  readonly weight?: number;
  /** What it gives is no number that both sides have: only that it ran is compared. */
  readonly forgets?: boolean;
  /** Called as a kernel function. */
  readonly kfunc?: boolean;
}

/** A constant of 32 bits. */
export const constants = (...values: number[]): fc.Arbitrary<Operand> => fc.constantFrom(...values.map((constant) => ({ constant })));
/** A number between two, both possible. */
export const between = (min: number, max: number): fc.Arbitrary<Operand> => fc.integer({ min, max }).map((constant) => ({ constant }));

/** Statements of one call each, whose result is kept and goes into r7. */
export const plainCalls = (calls: readonly PlainCall[]): AnyKind[] =>
  calls.map(({ name, subject, type, context = false, args = [], weight, forgets = false, kfunc = false }) =>
    defineKind({
      name,
      subject,
      ...(type === undefined ? {} : { type }),
      ...(weight === undefined ? {} : { weight }),
      params: fc.tuple(...args),
      covers: () => [name],
      write(out, given) {
        if (context) out.code.copy(1, 6);
        for (const [index, value] of given.entries()) {
          const register = index + (context ? 2 : 1);
          if (typeof value === "bigint") out.code.setWide(register, value);
          else out.operand(register, value);
        }
        if (kfunc) out.kfunc(name);
        else out.call(name);
        if (forgets) return;
        out.keep(0);
        out.fold();
      },
    }),
  );
