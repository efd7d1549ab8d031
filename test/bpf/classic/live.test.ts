import fc from "fast-check";
import { afterAll, expect, test } from "vitest";
import { type CheckedClassic, type ClassicProgram, checkClassic, interpretClassic } from "../../../src/bpf/classic/index.ts";
import { anyPacket, anyProgram, anyRows } from "./arbitrary.ts";
import { readCorpus } from "./corpus.ts";
import { LiveSocket } from "./liveSocket.ts";
import { ours, recorded, taken, theirs } from "./recorded.ts";

const live = LiveSocket.open();
const why = live === undefined ? " (skipped: no Linux, or no koffi)" : "";
const seed = Number(process.env.XDPLANE_SEED ?? Date.now() & 0x7fffffff);
const programs = Number(process.env.XDPLANE_KERNEL_PROGRAMS ?? 300);
let compared = 0;
let passing = 0;
afterAll(() => {
  live?.close();
  console.info(`${compared} verdicts compared with the live kernel, ${passing} of them a match`);
});

/** What the filter leaves of the packet: as much as it returns. The socket knows the captured bytes only, so they are the length. */
const left = (program: CheckedClassic, bytes: Uint8Array): number =>
  Math.min(interpretClassic(program, { bytes, length: bytes.length }), bytes.length);

/** Loads that count from headers, and what the kernel knows of a packet: a datagram of a socket pair has none of it. */
const needsDevice = (program: ClassicProgram): boolean =>
  program.some(({ code, k }) => (code & 7) < 2 && k >= 0x80000000 && (code & 0x60) !== 0);

function compare(program: CheckedClassic, packets: readonly Uint8Array[], what: string): void {
  expect(live!.attach(program.instructions), what).toBe(true);
  for (const bytes of packets) {
    const passed = live!.passes(bytes);
    compared++;
    if (passed > 0) passing++;
    if (passed !== left(program, bytes)) expect(passed, `${what} on ${Buffer.from(bytes).toString("hex")}`).toBe(left(program, bytes));
  }
}

test.runIf(live !== undefined)(
  `the live kernel takes every filter here, and has its verdicts${why}`,
  async () => {
    const ethernet = (await readCorpus()).find(({ linkType }) => linkType === 1)!.packets;
    const packets = ethernet
      .slice(0, 3000)
      .map(({ bytes }) => bytes)
      .filter(({ length }) => length > 0 && length < 60_000);
    const some = packets.filter((_, index) => index < 900 || index % 20 === 0);
    for (const [index, [expression, code]] of Object.entries(recorded()).entries()) {
      const other = theirs(code);
      compare(ours(expression), index % 4 === 0 ? some : some.slice(0, 300), `ours: ${expression}`);
      expect(live!.attach(other.instructions), expression).toBe(!other.loops);
      if (!other.loops) compare(other, some.slice(300, 500), `theirs: ${expression}`);
    }
    expect(passing).toBeGreaterThan(1000);
  },
  120_000,
);

test.runIf(live !== undefined)(
  `programs at random have the live kernel's verdicts, seed ${seed}${why}`,
  () => {
    fc.assert(
      fc.property(anyProgram, fc.array(anyPacket, { minLength: 8, maxLength: 8 }), (instructions, packets) => {
        fc.pre(!needsDevice(instructions));
        const filled = packets.map(({ bytes }) => (bytes.length === 0 ? Uint8Array.of(1) : bytes));
        compare(taken(checkClassic(instructions)), filled, JSON.stringify(instructions));
      }),
      { seed, numRuns: programs },
    );
  },
  120_000,
);

test.runIf(live !== undefined)(
  `any rows are refused exactly where the live kernel refuses them, seed ${seed}${why}`,
  () => {
    let refused = 0;
    fc.assert(
      fc.property(anyRows, (rows) => {
        const { ok } = checkClassic(rows);
        if (!ok) refused++;
        expect(live!.attach(rows)).toBe(ok);
      }),
      { seed, numRuns: programs * 10 },
    );
    expect(refused).toBeGreaterThan(programs);
  },
  120_000,
);
