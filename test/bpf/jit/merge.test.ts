import fc from "fast-check";
import { expect, test } from "vitest";
import { installInterpreted, interpretProgram } from "../../../src/bpf/interp/index.ts";
import { compileProgram, installProgram } from "../../../src/bpf/jit/index.ts";
import { printModule } from "../../../src/wasm/index.ts";
import { Machine, programSpec, unchecked } from "./machine.ts";

/** Loads and stores of the code that a text compiles to. */
function accesses(text: string): string[] {
  const { bytes } = compileProgram(unchecked(programSpec(text)), { slot: 1, maps: [] });
  return printModule(bytes).match(/i(32|64)\.(load|store)\w*( offset=\d+)?/g) ?? [];
}

test("bytes that are loaded side by side and or-ed become one load, in any order of them", () => {
  const word = `
    r2 = *(u8 *)(r1 +3)
    r3 = *(u8 *)(r1 +2)
    r2 <<= 8
    r2 |= r3
    r4 = *(u8 *)(r1 +4)
    r5 = *(u8 *)(r1 +5)
    w5 <<= 24
    w4 <<= 16
    w4 |= w5
    r0 = r2
    r0 |= r4
    exit`;
  expect(accesses(word)).toEqual(["i64.load32_u offset=2"]);
  expect(accesses("r0 = *(u16 *)(r1 +8)\nr2 = *(u16 *)(r1 +10)\nr2 <<= 16\nr0 |= r2\nexit")).toEqual(["i64.load32_u offset=8"]);
  // Big-endian order, a gap, or a byte that is used otherwise stay as they are.
  expect(accesses("r0 = *(u8 *)(r1 +1)\nr2 = *(u8 *)(r1 +0)\nr2 <<= 8\nr0 |= r2\nexit")).toHaveLength(2);
  expect(accesses("r0 = *(u8 *)(r1 +0)\nr2 = *(u8 *)(r1 +2)\nr2 <<= 8\nr0 |= r2\nexit")).toHaveLength(2);
});

test("loads are not moved over stores or calls, nor when nothing leads to their address any more", () => {
  expect(accesses("r0 = *(u8 *)(r1 +0)\nr2 = *(u8 *)(r1 +1)\n*(u8 *)(r1 +1) = r0\nr2 <<= 8\nr0 |= r2\nexit")).toHaveLength(3);
  expect(accesses("r0 = *(u8 *)(r1 +0)\nr1 = *(u8 *)(r1 +1)\nr1 <<= 8\nr0 |= r1\nexit")).toHaveLength(2);
});

test("the bytes of one value, stored side by side, become one store, in any order of them", () => {
  const swapped = `
    r2 = *(u32 *)(r1 +16)
    r3 = r2
    r3 >>= 16
    *(u8 *)(r1 +2) = r3
    r3 = r2
    r3 >>= 24
    *(u8 *)(r1 +3) = r3
    *(u8 *)(r1 +0) = r2
    w2 >>= 8
    *(u8 *)(r1 +1) = r2
    r0 = 0
    exit`;
  expect(accesses(swapped)).toEqual(["i64.load32_u offset=16", "i64.store32"]);
  expect(accesses("*(u8 *)(r1 +0) = r1\n*(u8 *)(r1 +1) = r1\nr0 = 0\nexit")).toHaveLength(2);
});

/** Text of a value put together from bytes or halves at neighbouring addresses, or taken apart into them, and of whatever may stand between. */
const offset = fc.integer({ min: 0, max: 24 });
const register = fc.integer({ min: 2, max: 6 });
const pieces = fc.oneof(
  fc
    .record({ register, offset, bytes: fc.constantFrom(1, 2, 4, 8) })
    .map((it) => `r${it.register} = *(u${it.bytes * 8} *)(r1 +${it.offset})`),
  fc
    .record({ register, offset, bytes: fc.constantFrom(1, 1, 2, 4) })
    .map((it) => `*(u${it.bytes * 8} *)(r1 +${it.offset}) = r${it.register}`),
  fc
    .record({ register, sign: fc.constantFrom("<<=", ">>="), wide: fc.constantFrom("r", "w"), by: fc.constantFrom(0, 4, 8, 16, 24) })
    .map((it) => `${it.wide}${it.register} ${it.sign} ${it.by}`),
  fc
    .record({ register, from: register, wide: fc.constantFrom("r", "w"), sign: fc.constantFrom("|=", "=", "+=") })
    .map((it) => `${it.wide}${it.register} ${it.sign} ${it.wide}${it.from}`),
  fc.record({ register, mask: fc.constantFrom(0xff, 0xffff, 0xff00) }).map((it) => `r${it.register} &= ${it.mask}`),
  fc.constantFrom("r1 += 1", "r1 += -1", "r7 = r1", "r3 = *(u8 *)(r7 +2)"),
  fc
    .record({ at: offset, order: fc.shuffledSubarray([0, 1, 2, 3], { minLength: 4 }), wide: fc.constantFrom("r", "w") })
    .map(({ at, order, wide }) =>
      [
        ...order.map((index) => `r${2 + index} = *(u8 *)(r1 +${at + index})`),
        ...order.map((index) => `${wide}${2 + index} <<= ${8 * index}`),
        `${wide}${2 + order[0]!} |= ${wide}${2 + order[1]!}`,
        `${wide}${2 + order[2]!} |= ${wide}${2 + order[3]!}`,
        `${wide}${2 + order[0]!} |= ${wide}${2 + order[2]!}`,
      ].join("\n"),
    ),
  fc
    .record({ at: offset, from: register, order: fc.shuffledSubarray([0, 1, 2, 3], { minLength: 2 }) })
    .map(({ at, from, order }) => order.map((index) => `r8 = r${from}\nr8 >>= ${8 * index}\n*(u8 *)(r1 +${at + index}) = r8`).join("\n")),
);

const INTERPRETED = 50;

test("programs of loads, shifts and stores by bytes leave the same in memory and registers as interpreted", () => {
  const machine = new Machine();
  const { memory, table, exports } = machine.runtime;
  const at = machine.memory.allocate("program", 128, 8, "bytes") + 32;
  const fill = () =>
    machine.memory.bytes.set(
      Uint8Array.from({ length: 96 }, (_, index) => (index * 37 + 11) & 0xff),
      at - 32,
    );
  const left = (slot: number) => {
    fill();
    const returned = machine.run({ slot }, at);
    return `${returned} ${Buffer.from(machine.memory.bytes.slice(at - 32, at + 64)).toString("hex")}`;
  };
  let merged = 0;
  fc.assert(
    fc.property(fc.array(pieces, { minLength: 1, maxLength: 12 }), fc.integer({ min: 0, max: 4 }), (parts, joined) => {
      const start = "r7 = r1\nr2 = 1\nr3 = *(u64 *)(r1 +8)\nr4 = 4\nr5 = *(u64 *)(r1 +0)\nr6 = 6\n";
      // A block's end in between: what is merged must not reach over it.
      const body = parts.map((part, index) => (index === joined ? `if r6 == 77 goto out\n${part}` : part)).join("\n");
      const spec = programSpec(`${start}${body}\nout:\nr0 = r2\nr0 ^= r3\nr0 += r4\nr0 ^= r5\nr0 += r6\nexit`);
      const verified = unchecked(spec);
      installInterpreted(interpretProgram(verified, { slot: INTERPRETED, maps: [] }, machine.runtime), table);
      const compiled = compileProgram(verified, { slot: 1, maps: [] });
      const instance = new WebAssembly.Instance(new WebAssembly.Module(compiled.bytes), { env: { memory, table }, runtime: exports });
      installProgram(compiled, instance, table);
      expect(left(1)).toBe(left(INTERPRETED));
      const written = printModule(compiled.bytes).match(/\.(load|store)/g)?.length ?? 0;
      if (written < (start + body).match(/\*\(/g)!.length) merged++;
    }),
    { numRuns: 700 },
  );
  expect(merged).toBeGreaterThan(150);
});
