import { existsSync } from "node:fs";
import { expect, test } from "vitest";
import type { DataplaneOptions, Outcome } from "../../src/dataplane/index.ts";
import { openWorkerPool } from "../../src/dataplane/pool.node.ts";
import { BPF_MAP_TYPE_CPUMAP, BPF_MAP_TYPE_HASH, ControlBlock } from "../../src/layout/index.ts";
import { tcp } from "../../src/packet/index.ts";
import { type Replayed, type Sent, spec, TestMachine, word, words } from "./machine.ts";

/** Workers run the built file; `npm test` builds it first. */
const built = existsSync(new URL("../../dist/worker.js", import.meta.url));

const flows = (count: number, packets: number): Sent[] =>
  Array.from({ length: packets }, (_, index) => ({
    bytes: tcp({ from: `10.0.${((index * 7919) % count) >> 8}.9:${1000 + ((index * 7919) % count)}`, to: "10.0.0.1:80" }),
    afterUs: index % 50 === 0 ? 700 : 1,
  }));

/** What may not depend on threads: everything but time and their number. */
const comparable = ({ outcomes, result: { elapsedNs: _, workers: __, ...result } }: Replayed) => ({ outcomes, result });

/**
 * Counts the packets of each flow in a hash map and drops every fourth. A flow's packets come to one queue and so to one CPU, in order: the outcome
 * may not depend on threads.
 */
const perFlow = `
    r6 = r1
    r7 = *(u32 *)(r1 + 0)
    r2 = *(u32 *)(r7 + 34)
    *(u32 *)(r10 - 4) = r2
    r1 = map[0]
    r2 = r10
    r2 += -4
    call 1
    if r0 != 0 goto known
    r1 = 1
    *(u64 *)(r10 - 16) = r1
    r1 = map[0]
    r2 = r10
    r2 += -4
    r3 = r10
    r3 += -16
    r4 = 0
    call 2
    r0 = 2
    exit
    known:
    r1 = *(u64 *)(r0 + 0)
    r1 += 1
    *(u64 *)(r0 + 0) = r1
    r1 &= 3
    r0 = 1
    if r1 == 0 goto done
    r0 = 3
    done:
    exit`;

async function countFlows(options: Partial<DataplaneOptions>, packets: readonly Sent[]): Promise<Replayed> {
  const machine = new TestMachine({ devices: [{ name: "eth0", queues: 8 }], cpus: 5, openPool: openWorkerPool, ...options });
  const map = machine.map({ name: "flows", type: BPF_MAP_TYPE_HASH, valueSize: 8, maxEntries: 4096 });
  machine.attach("xdp", machine.load(spec("per_flow", perFlow, "xdp", [map.spec]), [map]));
  return machine.replay(packets, { repeat: 2 });
}

/** Sends each packet through the cpumap entry of the CPU after its own, where a second program drops what has an odd source port. */
async function passOn(options: Partial<DataplaneOptions>, packets: readonly Sent[]): Promise<Replayed> {
  const machine = new TestMachine({ devices: [{ name: "eth0", queues: 4 }], cpus: 4, openPool: openWorkerPool, ...options });
  const map = machine.map({ name: "cpus", type: BPF_MAP_TYPE_CPUMAP, valueSize: 8, maxEntries: 4 });
  const odd = machine.load(spec("odd", "r2 = *(u32 *)(r1 + 0)\nr2 = *(u8 *)(r2 + 35)\nr2 &= 1\nr0 = 2\nr0 -= r2\nexit"));
  for (const cpu of [0, 1, 2, 3]) map.update(word(cpu), words(cpu === 2 ? 6 : 192, odd.slot));
  const next = "call 8\nr2 = r0\nr2 += 1\nr2 &= 3\nr1 = map[0]\nr3 = 0\ncall 51\nexit";
  machine.attach("xdp", machine.load(spec("next", next, "xdp", [map.spec]), [map]));
  return machine.replay(packets);
}

test.skipIf(!built)("per-flow state gives the same outcomes for every number of workers, and in virtual-time order", async () => {
  const packets = flows(300, 2500);
  const inline = await countFlows({ workers: 0 }, packets);
  expect(inline.outcomes.length).toBe(5_000);
  expect(new Set(inline.outcomes.map(({ fate }) => fate))).toEqual(new Set(["stack", "drop", "tx"]));
  for (const options of [{ workers: 1 }, { workers: 2 }, { workers: 3 }, { workers: 1, deterministic: true }]) {
    const other = await countFlows(options, packets);
    expect(comparable(other), JSON.stringify(options)).toEqual(comparable(inline));
    expect(other.result.workers).toBe(options.workers);
  }
});

test.skipIf(!built)(
  "frames between CPUs arrive in the same order and are lost in the same places for every number of workers",
  async () => {
    const packets = flows(200, 2500);
    const inline = await passOn({ workers: 0 }, packets);
    const fates = (outcomes: readonly Outcome[], cpu: number) =>
      new Set(outcomes.filter((outcome) => outcome.cpu === cpu).map(({ to, reason }) => to ?? reason));
    expect(fates(inline.outcomes, 0)).toEqual(new Set(["cpu1", "xdp_drop"]));
    // The queue of CPU 2 holds 6: of a bulk of 8, two are lost.
    expect(fates(inline.outcomes, 1)).toEqual(new Set(["cpu2", "xdp_drop", "xdp_cpumap_enqueue"]));
    for (const workers of [1, 2, 4])
      expect(comparable(await passOn({ workers }, packets)), `${workers} workers`).toEqual(comparable(inline));
  },
);

test.skipIf(!built)("a run that is aborted ends with what was done so far", async () => {
  const stop = new AbortController();
  const machine = new TestMachine({ workers: 1, openPool: openWorkerPool, devices: [{ name: "eth0", queues: 2 }] });
  machine.attach("xdp", spec("drop", "r0 = 1\nexit"));
  const { result, outcomes } = await machine.replay(flows(50, 2000), {
    repeat: 1_000_000_000,
    signal: stop.signal,
    onProgress: (packets) => {
      if (packets > 10_000) stop.abort();
    },
  });
  expect(result.interrupted).toBe(true);
  expect(outcomes.length).toBe(result.packets);
  expect(result.fates).toEqual([{ fate: "drop", to: null, reason: "xdp_drop", packets: result.packets, bytes: result.bytes }]);
});

test.skipIf(!built)("traps in a worker are reported with their instruction", async () => {
  const machine = new TestMachine({ workers: 1, openPool: openWorkerPool });
  machine.attach("xdp", spec("wild", "r1 = 0xfffffff0\nr0 = *(u64 *)(r1 + 0)\nexit"));
  const { result } = await machine.replay(flows(3, 10));
  expect(result.traps).toEqual([{ program: "wild", instruction: 1, reason: "memory", source: null, packets: 10 }]);
});

test("a worker that is lost ends the run with its failure, and the other threads", async () => {
  let closed = false;
  const machine = new TestMachine({
    devices: [{ name: "eth0", queues: 2 }],
    workers: 2,
    openPool: () => ({
      start: ({ memory, layout }) => {
        Atomics.add(new Int32Array(memory.buffer), (layout.control + ControlBlock.at.ready) / 4, 1);
        const lose = async () => {
          await new Promise((resolve) => setTimeout(resolve, 20));
          throw new Error("lost");
        };
        return { report: lose(), send: () => {}, receive: () => undefined };
      },
      close: async () => {
        closed = true;
      },
    }),
  });
  await expect(machine.replay(flows(10, 100))).rejects.toThrow("lost");
  expect(closed).toBe(true);
});
