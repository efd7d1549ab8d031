import fc from "fast-check";
import type { ProgramTypeName } from "../../../src/bpf/spec.ts";
import type { Writer } from "./writer.ts";

/** Something that a program does, as fast-check chose it: which kind, with which parameters, around which other statements. */
export interface Statement {
  readonly kind: string;
  readonly params: unknown;
  readonly bodies: readonly (readonly Statement[])[];
}

/** Kinds that are often wanted together, since one changes what the other finds. */
export type Subject =
  | "control"
  | "arithmetic"
  | "maps"
  | "queues"
  | "rings"
  | "dynptr"
  | "strings"
  | "packet"
  | "skb"
  | "verdict"
  | "surroundings";

/**
 * A kind of statement. In all of a program r6 is the context and r7 a number that nobody knows beforehand; a statement may use every other register, and
 * leaves no pointer behind. Whatever it reads it has written, or checked against the packet's end: the kernel lets privileged programs read stack that nobody wrote.
 */
export interface Kind<P> {
  /** Unique among all kinds. */
  readonly name: string;
  readonly subject: Subject;
  /** The program type that has it; both unless said. */
  readonly type?: ProgramTypeName;
  /** What it exercises: rows of the coverage table ("bpf_xdp_adjust_head", "HASH update", "atomic fetch_add"). */
  readonly covers: (params: P) => readonly string[];
  readonly params: fc.Arbitrary<P>;
  /** Bytes of stack that it takes while it runs, its bodies' not counted. */
  readonly stack?: number;
  /** Statements inside: how many bodies. */
  readonly bodies?: number;
  /** Not in callbacks (they have no stack for another function), in functions either, or while an iterator or a reservation is held either (what ends the run). */
  readonly notIn?: "callbacks" | "functions" | "held";
  /** How often it is chosen, 4 unless said. */
  readonly weight?: number;
  readonly write: (out: Writer, params: P, bodies: readonly (() => void)[]) => void;
}

/** A kind whose parameters nobody else needs to know. */
export type AnyKind = Kind<never>;

export const defineKind = <P>(kind: Kind<P>): AnyKind => kind as unknown as AnyKind;

/** A number in a program: a constant, or the number in r7, of which the lowest bits in `mask` are taken. */
export type Operand = { readonly constant: number } | { readonly mask: number };

/** Constants up to `most`, and r7 below the next power of two. */
export const upTo = (most: number): fc.Arbitrary<Operand> =>
  fc.oneof(
    { weight: 3, arbitrary: fc.nat({ max: most }).map((constant) => ({ constant })) },
    { weight: 1, arbitrary: fc.constant({ mask: 2 ** Math.ceil(Math.log2(most + 1)) - 1 }) },
  );

const edges = [0, 1, -1, 2, 7, 8, 31, 32, 63, 127, 128, -128, 255, 256, 0x7fff, 0x8000, 0xffff, 0x7fffffff, -0x80000000];
/** 32-bit numbers, those at the edges more often. */
export const anyNumber: fc.Arbitrary<number> = fc.oneof({ weight: 3, arbitrary: fc.constantFrom(...edges) }, fc.integer());
/** Any number, or all of r7. */
export const anyOperand: fc.Arbitrary<Operand> = fc.oneof(
  { weight: 2, arbitrary: anyNumber.map((constant) => ({ constant })) },
  { weight: 1, arbitrary: fc.constant({ mask: -1 }) },
);
/** Flags of a helper: mostly 0, some that it knows, now and then one that it does not. */
export const flagsOf = (known: readonly number[], unknown: readonly number[]): fc.Arbitrary<number> =>
  fc.oneof(
    { weight: 3, arbitrary: fc.constant(0) },
    { weight: 3, arbitrary: fc.constantFrom(0, ...known) },
    { weight: 1, arbitrary: fc.constantFrom(...unknown) },
  );
