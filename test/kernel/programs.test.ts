import { expect, test } from "vitest";
import { openKernel } from "../../src/kernel/index.ts";
import { readBenchFiles } from "../../src/lab/bench/benchFiles.node.ts";
import type { BenchCase } from "../../src/lab/bench/cases.ts";
import type { LoadedObject } from "../../src/lab/bench/engine.ts";
import { KernelEngine } from "../../src/lab/bench/kernelEngine.node.ts";
import { declareBenchNetwork } from "../../src/lab/bench/kernelNetwork.node.ts";
import { openSimulatedEngines } from "../../src/lab/bench/simulatedEngine.ts";
import { framesOf } from "./ownCaptures.ts";

const opened = openKernel();
const why = opened.ok ? "" : ` (skipped: ${opened.problem.message})`;

/** Program, entry, capture, and how many different verdicts its capture must bring about, lest nothing be compared. */
const rows = [
  ["pass_all", "pass_all", "shop.pcapng", 1],
  ["drop_all", "drop_all", "shop.pcapng", 1],
  ["protocol_counters", "protocol_counters", "shop.pcapng", 1],
  ["reflector", "reflector", "shop.pcapng", 2],
  ["firewall", "firewall", "firewall.pcap", 2],
  ["router", "router", "router.pcap", 2],
  ["balancer", "balancer", "shop.pcapng", 2],
  ["scrubber", "scrubber", "scrubber.pcap", 3],
  ["policy", "ingress", "policy.pcap", 3],
  ["policy", "egress", "policy.pcap", 2],
] as const;

const contentsOf: Readonly<Record<string, string>> = {
  firewall: "firewall",
  router: "router",
  balancer: "balancer",
  scrubber: "bench/scrubber",
  policy: "policy",
};

const caseOf = (program: string, entry: string): BenchCase => {
  const contents = contentsOf[program];
  return { program, type: "xdp", object: program, entry, packets: [], ...(contents === undefined ? {} : { contents }) };
};

/** What a per-CPU value comes to over all CPUs (its 64-bit words added up), or the value of another map, in hexadecimal. */
function total(values: readonly Uint8Array[]): string {
  if (values.length === 1) return Buffer.from(values[0]!).toString("hex");
  const words = values.map((value) => new BigUint64Array(value.slice().buffer));
  return words[0]!.reduce((text, _, at) => `${text} ${words.reduce((sum, one) => sum + one[at]!, 0n)}`, "");
}

const mapsOf = (object: LoadedObject) =>
  Object.fromEntries(
    [...object.dump()].map(([name, entries]) => [
      name,
      entries.map(({ key, values }) => `${Buffer.from(key).toString("hex")}: ${total(values)}`).sort(),
    ]),
  );

test.runIf(opened.ok).each(rows)(
  `%s (%s) does to every frame of %s what the live kernel does, and leaves the same maps${why}`,
  async (program, entry, capture, verdicts) => {
    if (!opened.ok) return;
    const kernel = opened.value;
    await kernel.inNetworkNamespace(() => {
      declareBenchNetwork();
      const { object, contents } = readBenchFiles(caseOf(program, entry));
      const live = new KernelEngine(kernel).load(object, contents);
      const simulated = openSimulatedEngines().map((engine) => ({ engine, loaded: engine.load(object, contents) }));
      const liveProgram = live.program(entry);
      const programs = simulated.map(({ engine, loaded }) => ({ name: engine.name, program: loaded.program(entry) }));
      const seen = new Set<number>();
      for (const [at, frame] of framesOf(capture).entries()) {
        const expected = liveProgram.on(frame).run(1);
        seen.add(expected.returned);
        for (const { name, program: own } of programs) {
          const { returned, packet } = own.on(frame).run(1);
          expect({ at, name, returned, packet: Buffer.from(packet).toString("hex") }).toEqual({
            at,
            name,
            returned: expected.returned,
            packet: Buffer.from(expected.packet).toString("hex"),
          });
        }
      }
      expect(seen.size).toBe(verdicts);
      for (const { loaded } of simulated) expect(mapsOf(loaded)).toEqual(mapsOf(live));
    });
  },
);
