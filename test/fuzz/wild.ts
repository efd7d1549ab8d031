import fc from "fast-check";
import type { ProgramTypeName } from "../../src/bpf/spec.ts";
import { programTypes } from "../../src/dataplane/programTypes.ts";
import { PROGRAM_ZONE } from "../../src/layout/index.ts";

/**
 * Programs that no verifier would let pass: they store anywhere, call helpers with anything, loop as they like. They pass the structural checks: jumps lead to
 * statements, everything can be reached, the end is an exit. r6 is the context, r7 to r9 hold wild addresses, r0 whatever came last.
 */
const zoned = fc.nat(16 << 20).map((offset) => BigInt(PROGRAM_ZONE) + BigInt(offset));
const address = fc.oneof(
  { weight: 6, arbitrary: zoned },
  { weight: 2, arbitrary: fc.nat(8 << 20).map(BigInt) },
  { weight: 1, arbitrary: fc.bigInt({ min: 0n, max: 0xffffffffn }) },
  { weight: 1, arbitrary: fc.constantFrom(0n, 0xfffffff8n, BigInt(PROGRAM_ZONE) - 8n, -8n) },
);
const number = fc.oneof(fc.integer({ min: -16, max: 128 }), fc.constantFrom(0, 1, 0x7fffffff, -1, 1 << 16, 64 << 20), fc.integer());
const offset = fc.oneof(
  fc.integer({ min: -64, max: 64 }).map((word) => word * 8),
  fc.integer({ min: -0x8000, max: 0x7fff }),
);
const size = fc.constantFrom("u8", "u16", "u32", "u64");
/** Mostly wild; r10 so that some land on the stack, r6 for the context. */
const base = fc.constantFrom("r6", "r7", "r7", "r8", "r8", "r9", "r10", "r0");
const signed = (value: number): string => (value < 0 ? `- ${-value}` : `+ ${value}`);

const argument = (maps: number): fc.Arbitrary<string> =>
  fc.oneof(
    fc.constantFrom("r = r6", "r = r7", "r = r8", "r = r0", "r = r10\nr += -64"),
    fc.nat(maps - 1).map((map) => `r = map[${map}]`),
    number.map((value) => `r = ${value}`),
  );

/** Arguments as the helper wants them by its signature, half of the time, so that calls get past the checks; anything else. */
function call(type: ProgramTypeName, maps: number): fc.Arbitrary<string> {
  const helpers = [...programTypes[type].helpers.values()];
  const fitting: Readonly<Record<string, string>> = { context: "r = r6", written: "r = r10\nr += -64", "written or NULL": "r = 0" };
  return fc.constantFrom(...helpers).chain(({ id, call: { parameters, pointers } }) =>
    fc.tuple(...Array.from({ length: 5 }, () => fc.tuple(argument(maps), fc.boolean(), fc.nat(maps - 1)))).map((given) => {
      const lines = given.slice(0, Math.max(parameters.length, 1)).map(([wild, fits, map], index) => {
        const kind = pointers?.[index];
        const tame = kind === undefined ? undefined : kind === "map" ? `r = map[${map}]` : fitting[kind];
        return ((fits ? tame : undefined) ?? wild).replaceAll(/^r /gm, `r${index + 1} `);
      });
      return `${lines.join("\n")}\ncall ${id}`;
    }),
  );
}

function statement(type: ProgramTypeName, maps: number): fc.Arbitrary<string> {
  return fc.oneof(
    {
      weight: 4,
      arbitrary: fc.tuple(size, base, offset, base).map(([width, to, at, from]) => `*(${width} *)(${to} ${signed(at)}) = ${from}`),
    },
    {
      weight: 2,
      arbitrary: fc.tuple(size, base, offset, number).map(([width, to, at, value]) => `*(${width} *)(${to} ${signed(at)}) = ${value}`),
    },
    { weight: 2, arbitrary: fc.tuple(base, offset).map(([to, at]) => `lock *(u64 *)(${to} ${signed(at & ~7)}) += r8`) },
    { weight: 2, arbitrary: fc.tuple(size, base, offset).map(([width, from, at]) => `r0 = *(${width} *)(${from} ${signed(at)})`) },
    { weight: 2, arbitrary: fc.tuple(fc.constantFrom("r7", "r8", "r9", "r0"), number).map(([to, value]) => `${to} += ${value}`) },
    { weight: 1, arbitrary: fc.tuple(fc.constantFrom("r7", "r8", "r9"), address).map(([to, at]) => `${to} = ${at} ll`) },
    { weight: 1, arbitrary: fc.constantFrom("r7 = *(u32 *)(r6 + 0)", "r8 = *(u32 *)(r6 + 4)", "r9 = *(u32 *)(r6 + 76)") },
    { weight: 5, arbitrary: call(type, maps) },
  );
}

export interface WildProgram {
  readonly type: ProgramTypeName;
  readonly text: string;
}

/** `maps`: how many the program refers to. */
export const wildProgram = (type: ProgramTypeName, maps: number): fc.Arbitrary<WildProgram> =>
  fc
    .record({
      starts: fc.tuple(address, address, address),
      statements: fc.array(statement(type, maps), { minLength: 1, maxLength: 24 }),
      jumps: fc.array(fc.tuple(fc.nat(23), fc.nat(23), fc.integer({ min: -2, max: 2 })), { maxLength: 4 }),
      result: fc.integer({ min: -1, max: 8 }),
    })
    .map(({ starts, statements, jumps, result }) => {
      const lines = [...["r6 = r1", "r0 = 0"], ...starts.map((at, index) => `r${index + 7} = ${at} ll`)];
      for (const [index, text] of statements.entries()) {
        lines.push(`at${index}:`, text);
        for (const [from, to, value] of jumps) {
          if (from % statements.length === index) lines.push(`if r0 s> ${value} goto at${to % statements.length}`);
        }
      }
      return { type, text: `${lines.join("\n")}\nr0 = ${result}\nexit` };
    });
