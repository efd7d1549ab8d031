import fc from "fast-check";
import { expect, test } from "vitest";
import { gunzip } from "../../src/packet/gzip.node.ts";
import { bytesFromMemory } from "../../src/packet/index.ts";
import { captureReader, dumpCapture } from "../../src/report/dumpCapture.node.ts";
import { examples } from "../packet/examples.ts";

/** FUZZ_RUNS=10000 for a long run; the seed of a failure is printed by fast-check. */
const runs = Number(process.env.FUZZ_RUNS ?? 300);

const reader = captureReader();

/** What `dump` prints of a file, and the code of the fault that ended it. */
async function dumped(bytes: Uint8Array, options: object) {
  reader.memory.reset();
  let text = "";
  const sink = (piece: string) => {
    text += piece;
  };
  const problem = await dumpCapture(bytesFromMemory(bytes), { name: "damaged.pcap", gunzip, ...options }, sink, reader);
  return { text, problem };
}

/** Where numbers stand in a file, single bytes are set to values that lengths and types go wrong with; a stretch is taken out, doubled, or cut off. */
const change = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({
      kind: fc.constant("set" as const),
      at: fc.nat(),
      value: fc.oneof(fc.nat(255), fc.constantFrom(0, 1, 0x7f, 0x80, 0xff)),
    }),
  },
  fc.record({ kind: fc.constantFrom("remove" as const, "double" as const), at: fc.nat(), value: fc.integer({ min: 1, max: 64 }) }),
  fc.record({ kind: fc.constant("cut" as const), at: fc.nat(), value: fc.constant(0) }),
);

function damaged(bytes: Uint8Array, changes: readonly { kind: string; at: number; value: number }[]): Uint8Array {
  let result = Buffer.from(bytes);
  for (const { kind, at, value } of changes) {
    const place = at % (result.length + 1);
    if (kind === "set" && place < result.length) result[place] = value;
    if (kind === "cut") result = result.subarray(0, place);
    if (kind === "remove") result = Buffer.concat([result.subarray(0, place), result.subarray(place + value)]);
    if (kind === "double") result = Buffer.concat([result.subarray(0, place + value), result.subarray(place)]);
  }
  return Uint8Array.from(result);
}

test(`damaged captures are shown up to the fault, which names file and offset; the same twice (${runs} of them)`, async () => {
  const outcomes = new Map<string, number>();
  await fc.assert(
    fc.asyncProperty(fc.constantFrom(...Object.keys(examples)), fc.array(change, { minLength: 1, maxLength: 6 }), async (name, changes) => {
      const bytes = damaged(examples[name]!, changes);
      const { text, problem } = await dumped(bytes, { json: true });
      outcomes.set(problem?.code ?? "0", (outcomes.get(problem?.code ?? "0") ?? 0) + 1);
      if (problem !== null) {
        expect(problem).toMatchObject({ exit: 3, at: { file: "damaged.pcap" } });
        expect(problem.at.offset).toBeGreaterThanOrEqual(0);
        expect(problem.message).not.toMatch(/[{}]|undefined|NaN/);
      }
      const shown = JSON.parse(text) as { packets: unknown[]; summary: { packets: number }; error: string | null };
      expect(shown.packets.length).toBe(shown.summary.packets);
      expect(shown.error === null).toBe(problem === null);
      expect(await dumped(bytes, { json: true })).toEqual({ text, problem });
      const asText = await dumped(bytes, { hex: true });
      expect(asText.problem).toEqual(problem);
      // Nothing that a capture holds may reach the terminal as a control character.
      expect(asText.text.replaceAll("\n", "")).not.toMatch(/\p{Cc}/u);
    }),
    // A run that does not end in five seconds counts as failed, with its seed.
    { numRuns: runs, timeout: 5000 },
  );
  if (process.env.FUZZ_RUNS !== undefined) console.log(Object.fromEntries([...outcomes].sort((a, b) => b[1] - a[1])));
});
