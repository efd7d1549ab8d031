import fc from "fast-check";
import { expect, test } from "vitest";
import { checkClassic, compileFilter, interpretClassic } from "../../../src/bpf/classic/index.ts";
import { anyExpression } from "./anyExpression.ts";
import { readCorpus } from "./corpus.ts";
import { taken, theirs } from "./recorded.ts";
import { Tcpdump, tcpdumpHere } from "./tcpdump.ts";

const seed = Number(process.env.XDPLANE_SEED ?? Date.now() & 0x7fffffff);
const runs = Number(process.env.XDPLANE_EXPRESSIONS ?? 250);
const why = tcpdumpHere ? "" : " (skipped: tcpdump is not installed)";

test.runIf(tcpdumpHere)(
  `expressions at random have tcpdump's verdicts, and are refused where it refuses them, seed ${seed}${why}`,
  async () => {
    const ethernet = (await readCorpus()).find(({ linkType }) => linkType === 1)!.packets;
    // None that is cut within its headers, of which libpcap's optimiser may look at others first; of the benchmark's, which are much alike, a few.
    const whole = ethernet.filter(({ bytes, length }) => bytes.length >= Math.max(length, 54));
    const packets = whole.filter((_, index) => index < 3500 || index % 50 === 0);
    const tcpdump = new Tcpdump([], 1);
    let matched = 0;
    let refused = 0;
    let compared = 0;
    try {
      fc.assert(
        fc.property(anyExpression, (expression) => {
          const optimised = tcpdump.compile(expression);
          // What only its optimiser refuses, as no packet can match, runs without it.
          const compiled = "text" in optimised ? optimised : tcpdump.compile(expression, "-O -ddd");
          const own = compileFilter(expression);
          if ("error" in compiled) {
            refused++;
            expect(own.ok ? `taken; tcpdump: ${compiled.error}` : "refused").toBe("refused");
            return;
          }
          // Found out when it is run: libpcap's interpreter gives 0, while Linux, as which the code would run here, takes the low five bits.
          if ("error" in optimised && optimised.error.includes("shift by more than 31")) return;
          const other = theirs(compiled.text);
          const program = taken(checkClassic(taken(own)));
          compared += packets.length;
          const wrong = packets.filter((packet) => {
            const wanted = interpretClassic(other, packet) !== 0;
            if (wanted) matched++;
            return wanted !== (interpretClassic(program, packet) !== 0);
          });
          if (wrong.length === 0) return;
          // libpcap's optimiser leaves out loads whose result does not matter (`x * 0`), also those that would have failed: its code without decides.
          const plain = tcpdump.compile(expression, "-O -ddd");
          const unoptimised = theirs("text" in plain ? plain.text : null);
          const judged = wrong.filter(
            (packet) => (interpretClassic(unoptimised, packet) !== 0) === (interpretClassic(other, packet) !== 0),
          );
          expect(judged.map(({ bytes }) => Buffer.from(bytes.subarray(0, 100)).toString("hex"))).toEqual([]);
        }),
        { seed, numRuns: runs },
      );
    } finally {
      tcpdump.close();
      console.info(`${compared} verdicts compared, ${refused} expressions refused by both`);
    }
    expect(matched).toBeGreaterThan(packets.length);
    expect(refused).toBeLessThan(runs / 2);
  },
  170_000,
);
