import fc from "fast-check";

/** One change to a file: what damage on disk, a cut download or a hostile author does. Positions are fractions of the length. */
export type Mutation =
  | { readonly kind: "flip"; readonly at: number; readonly bit: number }
  | { readonly kind: "word"; readonly at: number; readonly value: number }
  | { readonly kind: "cut"; readonly at: number }
  | { readonly kind: "splice"; readonly from: number; readonly to: number; readonly length: number }
  | { readonly kind: "remove"; readonly at: number; readonly length: number };

/** Unbiased: fast-check would else draw the very beginning, where every file is the same, again and again. */
const position = fc.noBias(fc.nat(0xffffffff)).map((whole) => whole / 0x1_0000_0000);
const interesting = fc.constantFrom(0, 1, 7, 8, 0xff, 0xffff, 0x10000, 0x7fffffff, 0x80000000, 0xffffffff, 0xfffffff8, 4096, 1 << 24);

export const mutations: fc.Arbitrary<readonly Mutation[]> = fc.array(
  fc.oneof(
    { weight: 4, arbitrary: fc.record({ kind: fc.constant("flip" as const), at: position, bit: fc.nat(7) }) },
    {
      weight: 4,
      arbitrary: fc.record({ kind: fc.constant("word" as const), at: position, value: fc.oneof(interesting, fc.nat(0xffffffff)) }),
    },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant("cut" as const), at: position }) },
    { weight: 2, arbitrary: fc.record({ kind: fc.constant("splice" as const), from: position, to: position, length: fc.nat(512) }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant("remove" as const), at: position, length: fc.integer({ min: 1, max: 64 }) }) },
  ),
  { minLength: 1, maxLength: 6 },
);

/** The file with the changes made, one after the other. */
export function mutated(original: Uint8Array, changes: readonly Mutation[]): Uint8Array {
  let bytes = original.slice();
  for (const change of changes) {
    const at = (fraction: number) => Math.floor(fraction * bytes.length);
    if (bytes.length < 8) return bytes;
    switch (change.kind) {
      case "flip":
        bytes[at(change.at)]! ^= 1 << change.bit;
        break;
      case "word":
        new DataView(bytes.buffer).setUint32(Math.min(at(change.at) & ~3, bytes.length - 4), change.value, true);
        break;
      case "cut":
        bytes = bytes.slice(0, at(change.at));
        break;
      case "splice":
        bytes.copyWithin(at(change.to), at(change.from), at(change.from) + change.length);
        break;
      case "remove":
        bytes = Uint8Array.from([...bytes.subarray(0, at(change.at)), ...bytes.subarray(at(change.at) + change.length)]);
        break;
    }
  }
  return bytes;
}
