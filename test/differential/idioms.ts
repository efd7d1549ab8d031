import fc from "fast-check";
import { type AccessSize, instructionRows } from "../../src/bpf/isa/index.ts";
import type { Instruction } from "./program.ts";

/** Where instructions may go: base register, first offset, bytes, whether accesses must be aligned. */
export interface Region {
  readonly base: number;
  readonly from: number;
  readonly size: number;
  readonly aligned: boolean;
}

/** An offset for an access of `bytes` bytes, which is a multiple of `unit` from the region's start where the region wants it. */
export const offsetIn = ({ from, size, aligned }: Region, bytes: number, place: number, unit = bytes): number => {
  const at = place % (size - bytes + 1);
  return from + (aligned ? at - (at % unit) : at);
};

const codeOf = (kind: "load" | "store", size: AccessSize): number =>
  instructionRows.find((row) => row.kind === kind && row.size === size && !("signed" in row && row.signed) && row.reads.includes("src"))!
    .code;

const load = (size: AccessSize, dst: number, { base }: Region, offset: number): Instruction => ({
  code: codeOf("load", size),
  dst,
  src: base,
  offset,
});
const store = (size: AccessSize, { base }: Region, offset: number, src: number): Instruction => ({
  code: codeOf("store", size),
  dst: base,
  src,
  offset,
});
const SHIFT_LEFT = 0x67;
const SHIFT_RIGHT = 0x77;
const OR = 0x4f;
const MOVE = 0xbf;

const register = fc.integer({ min: 0, max: 7 });
const place = fc.nat({ max: 63 });
/** Sizes of the parts and of the whole. */
const split = fc.constantFrom<readonly [AccessSize, number]>([1, 2], [1, 4], [1, 8], [2, 4], [2, 8], [4, 8]);

/**
 * What compilers write where they do not know the alignment: a value put together from neighbouring parts, or taken apart into them, or copied piece
 * by piece; with a fault in it now and then (a part from elsewhere, a store between), so that it only looks so.
 */
export function idiom(regions: readonly Region[]): fc.Arbitrary<Instruction[]> {
  const region = fc.constantFrom(...regions);
  const shape = fc.record({
    split,
    region,
    other: region,
    place,
    otherPlace: place,
    value: register,
    part: register,
    reversed: fc.boolean(),
  });
  const gathered = shape.map(({ split: [size, whole], region: from, place: at, value, part, reversed }) => {
    const first = offsetIn(from, whole, at, size);
    const count = whole / size;
    return Array.from({ length: count }, (_, index) => {
      const shift = (reversed ? count - 1 - index : index) * size * 8;
      const into = index === 0 ? value : part;
      const steps = [load(size, into, from, first + index * size)];
      if (shift > 0) steps.push({ code: SHIFT_LEFT, dst: into, imm: shift });
      if (index > 0) steps.push({ code: OR, dst: value, src: part });
      return steps;
    }).flat();
  });
  const scattered = shape.map(({ split: [size, whole], region: to, place: at, value, part, reversed }) => {
    const first = offsetIn(to, whole, at, size);
    const count = whole / size;
    return Array.from({ length: count }, (_, index) => {
      const shift = (reversed ? count - 1 - index : index) * size * 8;
      const target = first + index * size;
      if (shift === 0) return [store(size, to, target, value)];
      return [{ code: MOVE, dst: part, src: value }, { code: SHIFT_RIGHT, dst: part, imm: shift }, store(size, to, target, part)];
    }).flat();
  });
  const copied = shape.map(({ split: [size, whole], region: from, other: to, place: at, otherPlace, part }) => {
    const source = offsetIn(from, whole, at, size);
    const target = offsetIn(to, whole, otherPlace, size);
    return Array.from({ length: whole / size }, (_, index) => [
      load(size, part, from, source + index * size),
      store(size, to, target + index * size, part),
    ]).flat();
  });
  return fc
    .record({
      steps: fc.oneof(gathered, scattered, copied),
      faulty: fc.integer({ min: 0, max: 3 }),
      at: fc.nat({ max: 30 }),
      region,
      place,
      value: register,
    })
    .map(({ steps, faulty, at, region: where, place: offset, value }) => {
      if (faulty !== 0) return steps;
      const between = store(1, where, offsetIn(where, 1, offset), value);
      return [...steps.slice(0, at % steps.length), between, ...steps.slice(at % steps.length)];
    });
}
