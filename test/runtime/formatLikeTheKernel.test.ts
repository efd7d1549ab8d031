import fc from "fast-check";
import { expect, test } from "vitest";
import type { MapSpec } from "../../src/bpf/spec.ts";
import { BPF_F_RDONLY_PROG, BPF_MAP_TYPE_ARRAY } from "../../src/layout/index.ts";
import { difference, inEveryEngine, keep, liveKernelHere, withKernel } from "../kernel/everyEngine.ts";

const seed = Number(process.env.XDPLANE_SEED ?? Date.now() & 0x7fffffff);
const runs = Number(process.env.XDPLANE_FORMATS ?? 150);

/** What a directive takes: a number, or the address of `pointed` bytes from an offset on. */
type Taken = { readonly value: bigint } | { readonly pointed: number };

const number = fc
  .oneof(
    fc.bigInt(0n, 255n),
    fc.bigInt(0n, (1n << 64n) - 1n),
    fc.constantFrom(0n, 1n, 0x7fffffffn, 0x80000000n, 0xffffffffn, 1n << 63n, (1n << 64n) - 1n),
  )
  .map((value): Taken => ({ value }));
const pointer = fc.oneof({ weight: 6, arbitrary: fc.nat(200) }, fc.integer({ min: 256, max: 780 })).map((pointed): Taken => ({ pointed }));

const directive = fc
  .tuple(
    fc.constantFrom("", "", "", "0", "-", "+", " ", "0-", "+0", "- +"),
    fc.constantFrom("", "", "", "1", "5", "12", "30", "100", "0", "007"),
    fc.oneof(
      fc.tuple(fc.constantFrom(..."d i u x X ld li lu lx lX lld llu llx llX c px ps pS pB".split(" ")), number),
      fc.tuple(fc.constantFrom(..."s s pks pI4 pi4 pI6 pi6".split(" ")), pointer),
      { weight: 1, arbitrary: fc.tuple(fc.constantFrom(..."hd f n o pz pI5 llls sx lc .3d *d # L".split(" ")), number) },
    ),
  )
  .map(([flags, width, [conversion, taken]]) => ({ text: `%${flags}${width}${conversion}`, taken: [taken] }));
const literal = fc
  .constantFrom("", " ", "a", "1", "%%", ", ", "]", "-", "\t", "\n", "x7", "\x7f", "\x01", "é", "\xb0", "\xa0", "\x80")
  .map((text) => ({ text, taken: [] as Taken[] }));
const format = fc.array(fc.oneof({ weight: 2, arbitrary: directive }, literal), { maxLength: 7 }).map((parts) => ({
  text: parts.map(({ text }) => text).join(""),
  taken: parts.flatMap(({ taken }) => taken),
}));

/** Text of many kinds, NULs among it. */
const strings = Uint8Array.from({ length: 800 }, (_, at) =>
  at < 256 ? (at % 23 === 22 ? 0 : (at * 37) % 256) : at < 780 ? 97 + (at % 26) : 0,
);
const readOnly = (name: string, contents: Uint8Array): MapSpec => ({
  name,
  type: BPF_MAP_TYPE_ARRAY,
  keySize: 4,
  valueSize: contents.length,
  maxEntries: 1,
  flags: BPF_F_RDONLY_PROG,
  contents,
  frozen: true,
});

/** Formats into 256 bytes of the results behind word 8, after what was there; the answer is word 0. */
const program = (text: string, taken: readonly Taken[], size: number) => ({
  results: 40,
  maps: [readOnly("format", Uint8Array.from([...Buffer.from(text, "latin1"), 0])), readOnly("strings", strings)],
  text: `
    ${taken
      .map(
        (one, index) =>
          `${"value" in one ? `r1 = ${one.value} ll` : `r1 = map[strings][0]\nr1 += ${one.pointed}`}\n*(u64 *)(r10 - ${96 - index * 8}) = r1`,
      )
      .join("\n")}
    r1 = r6
    r1 += 64
    r2 = ${size}
    r3 = map[format][0]
    r4 = r10
    r4 += -96
    r5 = ${taken.length * 8}
    call bpf_snprintf
    ${keep(0)}
    r0 = 0
    exit`,
});

test.runIf(liveKernelHere)(
  `formats at random become the same text, or are refused, seed ${seed}${withKernel}`,
  () => {
    let formatted = 0;
    let refused = 0;
    fc.assert(
      fc.property(format, fc.constantFrom(0, 1, 7, 40, 256), fc.integer({ min: -1, max: 1 }), ({ text, taken }, size, more) => {
        // As many arguments as directives, one more, or one fewer.
        const given = more < 0 ? taken.slice(0, -1) : more > 0 ? [...taken, { value: 7n }] : taken;
        const tested = program(text, given, size);
        const own = inEveryEngine({ ...tested, kernel: false });
        expect(difference(own.jit, own.interp)).toBeUndefined();
        // Linux reads the format when it loads the program.
        if (own.jit.results[0] === -22n) {
          refused++;
          expect(() => inEveryEngine(tested)).toThrow(/Invalid format string/);
          return;
        }
        // Behind a text that a full buffer has no room for, Linux prints from the wrong places, and from bytes that it never set.
        const followed = /%[-0 +]*\d*p(?:ks|[iI]|B)/.test(text);
        fc.pre(!followed || own.jit.results[0]! <= BigInt(size));
        formatted++;
        const { jit, kernel } = inEveryEngine(tested);
        expect(difference(jit, kernel!)).toBeUndefined();
      }),
      { seed, numRuns: runs },
    );
    expect(Math.min(formatted, refused)).toBeGreaterThan(runs / 10);
  },
  120_000,
);
