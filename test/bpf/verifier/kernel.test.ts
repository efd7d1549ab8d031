import fc from "fast-check";
import { expect, test } from "vitest";
import { assemble, disassemble } from "../../../src/bpf/isa/index.ts";
import type { ProgramSpec } from "../../../src/bpf/spec.ts";
import { verify } from "../../../src/bpf/verifier/index.ts";
import { openKernel } from "../../../src/kernel/index.ts";
import { ProblemError } from "../../../src/problem/index.ts";
import { xdpProgramType } from "../../../src/xdp/index.ts";

const opened = openKernel();
const why = opened.ok ? "" : ` (skipped: ${opened.problem.message})`;
const runs = Number(process.env.XDPLANE_KERNEL_PROGRAMS ?? 300);
const seed = Number(process.env.XDPLANE_SEED ?? Date.now() & 0x7fffffff);

/** Programs that Linux takes, with every kind of instruction among them. */
const taken = [
  `r0 = 1\nr1 = 5\nr2 = 0x1234 ll\nr0 += r1\nr0 <<= 3\nw0 /= 7\nr2 = be16 r2\nr1 = -r1\nr3 = (s8)r1\nif r0 > 3 goto out\nr0 = 2\nout: exit`,
  `*(u64 *)(r10 -8) = 0
   r0 = 0
   r2 = 1
   lock *(u64 *)(r10 -8) += r2
   r2 = atomic64_fetch_add((u64 *)(r10 -8), r2)
   r0 = atomic_cmpxchg((u32 *)(r10 -8), r0, r2)
   r2 = load_acquire((u32 *)(r10 -8))
   store_release((u16 *)(r10 -8), r2)
   call sub
   r0 = 0
   exit
   sub: r0 = 1
   gotol end
   end: exit`,
  `r1 = 0\n*(u32 *)(r10 -4) = 0\nr1 = *(s8 *)(r10 -3)\n*(u8 *)(r10 -1) = r1\ncall 8\nif r0 == 0 goto out\nr0 = 0\nmay_goto out\nr0 = 1\ngoto out\nout: exit`,
  `call a\nexit\na: call b\nexit\nb: r0 = 0\nw0 s>>= 4\nif w0 & 5 goto +1\nr0 = 5\nexit`,
].map((text) => assemble(text));

/** One field of one slot set to something else. */
const mutated = fc
  .record({
    base: fc.constantFrom(...taken),
    slot: fc.nat({ max: 13 }),
    change: fc.oneof(
      fc.record({ field: fc.constant("code" as const), value: fc.nat({ max: 255 }) }),
      fc.record({ field: fc.constant("registers" as const), value: fc.nat({ max: 255 }) }),
      fc.record({
        field: fc.constant("offset" as const),
        value: fc.oneof(fc.integer({ min: -8, max: 12 }), fc.constantFrom(16, 32, 64, 100)),
      }),
      fc.record({
        field: fc.constant("imm" as const),
        value: fc.constantFrom(0, 1, -1, 8, 16, 32, 64, 0x40, 0xe1, 0x100, 0x110, 65536, 1000000),
      }),
    ),
  })
  .map(({ base, slot, change: { field, value } }) => {
    const bytes = base.slice();
    const at = (slot % (bytes.length / 8)) * 8;
    const view = new DataView(bytes.buffer);
    if (field === "code") view.setUint8(at, value);
    else if (field === "registers") view.setUint8(at + 1, value);
    else if (field === "offset") view.setInt16(at + 2, value, true);
    else view.setInt32(at + 4, value, true);
    return bytes;
  });

const spec = (instructions: Uint8Array): ProgramSpec => ({
  name: "mutated",
  section: "xdp",
  type: "xdp",
  expectedAttachType: 0,
  flags: 0,
  license: "GPL",
  instructions,
  maps: [],
  functions: [],
  lines: [],
});

test.runIf(opened.ok)(
  `what the structural checks reject, the live kernel rejects too (${runs} mutated programs, seed ${seed})${why}`,
  () => {
    if (!opened.ok) throw new Error(opened.problem.message);
    const kernel = opened.value;
    let rejected = 0;
    let accepted = 0;
    fc.assert(
      fc.property(mutated, (instructions) => {
        const result = verify(spec(instructions), xdpProgramType);
        // Maps cannot be named to the kernel by numbers that stand for none.
        if (!result.accepted && result.problem.code === "verifier_map_unknown") return;
        let words: string | undefined;
        try {
          kernel.loadProgram(spec(instructions)).close();
        } catch (error) {
          if (!(error instanceof ProblemError) || error.problem.code !== "kernel_rejected") throw error;
          words = `${error.problem.message}\n${error.problem.hint}`;
        }
        if (words === undefined) accepted++;
        if (!result.accepted) {
          rejected++;
          expect(words, `${result.problem.message}\n${disassemble(instructions)}`).toBeDefined();
        }
      }),
      { numRuns: runs, seed },
    );
    expect(Math.min(rejected, accepted)).toBeGreaterThan(runs / 20);
  },
  60_000 + runs * 20,
);
