import fc from "fast-check";
import type { ClassicInstruction, FilteredPacket } from "../../../src/bpf/classic/index.ts";
import { classicRows } from "../../../src/bpf/classic/instruction.ts";

const u32 = fc.oneof(
  fc.nat(64),
  fc.constantFrom(0, 1, 31, 32, 0xff, 0xffff, 0x7fffffff, 0x80000000, 0xffffffff),
  fc.integer({ min: 0, max: 0xffffffff }),
);
/** Near the beginning, far, and in the ranges that count from headers. */
const offset = fc.oneof(
  { weight: 8, arbitrary: fc.nat(50) },
  fc.nat(2000),
  fc.nat(40).map((k) => 0xfff00000 + k),
  fc.nat(40).map((k) => 0xffe00000 + k),
  fc.constantFrom(0x7fffffff, 0x80000000, 0xffdfffff),
);
const plain =
  (code: number) =>
  (k: number): Step => ({ code, k });

interface Step {
  readonly code: number;
  readonly k: number;
  /** Where a branch leads, as parts of what is left of the program. */
  readonly onward?: readonly [number, number];
}

const alu = [0x00, 0x10, 0x20, 0x40, 0x50, 0xa0];
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 4, arbitrary: fc.tuple(fc.constantFrom(0x20, 0x28, 0x30), offset).map(([code, k]) => ({ code, k })) },
  { weight: 2, arbitrary: fc.tuple(fc.constantFrom(0x40, 0x48, 0x50), offset).map(([code, k]) => ({ code, k })) },
  offset.map(plain(0xb1)),
  fc.constantFrom(0x80, 0x81, 0x84, 0x07, 0x07, 0x87).map((code) => ({ code, k: 0 })),
  fc.tuple(fc.constantFrom(0x00, 0x01), u32).map(([code, k]) => ({ code, k })),
  fc.tuple(fc.constantFrom(0x02, 0x03, 0x60, 0x61), fc.nat(15)).map(([code, k]) => ({ code, k })),
  { weight: 3, arbitrary: fc.tuple(fc.constantFrom(...alu), u32).map(([bits, k]) => ({ code: 0x04 | bits, k })) },
  fc.tuple(fc.constantFrom(0x34, 0x94), u32).map(([code, k]) => ({ code, k: Math.max(k, 1) })),
  fc.tuple(fc.constantFrom(0x64, 0x74), fc.nat(31)).map(([code, k]) => ({ code, k })),
  fc.constantFrom(...alu, 0x30, 0x60, 0x70, 0x90).map((bits) => ({ code: 0x0c | bits, k: 0 })),
  {
    weight: 4,
    arbitrary: fc
      .tuple(
        fc.constantFrom(0x15, 0x25, 0x35, 0x45, 0x1d, 0x2d, 0x3d, 0x4d),
        u32,
        fc.double({ min: 0, max: 1, noNaN: true }),
        fc.double({ min: 0, max: 1, noNaN: true }),
      )
      .map(([code, k, a, b]): Step => ({ code, k, onward: [a, b] })),
  },
  fc.double({ min: 0, max: 1, noNaN: true }).map((a): Step => ({ code: 0x05, k: 0, onward: [a, a] })),
  fc.constant({ code: 0x20, k: 0xfffff028 }),
);

/** Programs that pass Linux's checks: all scratch words are stored first, jumps lead forward, and the end returns A or a constant. */
export const anyProgram: fc.Arbitrary<ClassicInstruction[]> = fc
  .tuple(fc.array(step, { minLength: 1, maxLength: 40 }), fc.constantFrom(0x06, 0x16), u32)
  .map(([steps, finish, k]) => {
    const stores = Array.from({ length: 16 }, (_, word) => ({ code: 0x02, jt: 0, jf: 0, k: word }));
    const body = steps.map(({ code, k: constant, onward }, index): ClassicInstruction => {
      if (onward === undefined) return { code, jt: 0, jf: 0, k: constant };
      const [a, b] = onward.map((part) => Math.floor(part * Math.min(steps.length - index, 8))) as [number, number];
      return code === 0x05 ? { code, jt: 0, jf: 0, k: a } : { code, jt: a, jf: b, k: constant };
    });
    return [...stores, ...body, { code: finish, jt: 0, jf: 0, k }, { code: 0x06, jt: 0, jf: 0, k: 1 }];
  });

/** Rows that are mostly instructions, in programs that mostly lack something: a store, an end, a target. */
export const anyRows: fc.Arbitrary<ClassicInstruction[]> = fc
  .tuple(
    fc.array(
      fc.record({
        code: fc.oneof(
          { weight: 30, arbitrary: fc.constantFrom(...classicRows.map(({ code }) => code)) },
          fc.integer({ min: 0, max: 0xff }),
          fc.constantFrom(0x100, 0x8000, 0xffff),
        ),
        jt: fc.nat(3),
        jf: fc.nat(3),
        k: fc.oneof(
          { weight: 6, arbitrary: fc.nat(4) },
          fc.nat(40),
          u32,
          fc.nat(70).map((distance) => 0xfffff000 + distance),
        ),
      }),
      { maxLength: 8 },
    ),
    fc.boolean(),
  )
  .map(([rows, ends]) => (ends ? [...rows, ...new Array<ClassicInstruction>(4).fill({ code: 0x06, jt: 0, jf: 0, k: 1 })] : rows));

/** Frames with something like headers, and any bytes; some shorter than an Ethernet header, some cut. */
export const anyPacket: fc.Arbitrary<FilteredPacket> = fc
  .tuple(
    fc.uint8Array({ minLength: 0, maxLength: 120 }),
    fc.constantFrom(
      "",
      "0800450000",
      "86dd60000000",
      "08060001",
      "81000005080045",
      "8847000641404500",
      "8864110000010050002145",
      "0010aaaa0300",
    ),
    fc.nat(100),
  )
  .map(([bytes, header, more]) => {
    const head = Buffer.from(header, "hex");
    if (bytes.length >= 12 + head.length) bytes.set(head, 12);
    return { bytes, length: bytes.length + more };
  });
