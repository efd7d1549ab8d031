import fc from "fast-check";
import { expect, test } from "vitest";
import { openWorkerPool } from "../../src/dataplane/pool.node.ts";
import { BPF_MAP_TYPE_CPUMAP } from "../../src/layout/index.ts";
import { missShare, type TimingProfile, XDP_PAPER } from "../../src/nic/index.ts";
import { udp } from "../../src/packet/index.ts";
import { returns, type Sent, spec, TestMachine, word, words } from "./machine.ts";

const packet = udp({ from: "10.0.0.9:4000", to: "10.0.0.1:53" });

/** A machine on which only what a test names takes time. */
function profile(driver: Partial<TimingProfile["driver"]>, more: Partial<TimingProfile> = {}): TimingProfile {
  return {
    ...XDP_PAPER,
    cpu: { instruction: 0, call: 0, division: 0, atomic: 0, helpers: {} },
    cache: { ...XDP_PAPER.cache, miss: 0 },
    pci: { ...XDP_PAPER.pci, rate: 1e30 },
    ...more,
    driver: {
      ...XDP_PAPER.driver,
      ...{ receive: 0, poll: 0, transmit: 0, redirect: 0, pass: 0, cpumapEnqueue: 0, interruptDelay: 0, ring: 64, pollShare: 1 },
      ...driver,
    },
  };
}

/** Packets of a window, in which alone polls find them. */
const WINDOW = 4096;

/** The model of one queue and one program that drops, packet by packet and without windows' lists. Times in nanoseconds. */
function expected(arrivals: readonly number[], { driver }: TimingProfile): { readonly lost: boolean[]; readonly latencies: number[] } {
  const { ring, receive, poll, interruptDelay, pollShare } = driver;
  const limit = Math.min(64, ring * pollShare);
  const back: number[] = new Array(ring).fill(0);
  const lost: boolean[] = [];
  const latencies: number[] = [];
  // The CPU is idle when the first packet comes.
  let clock = -1;
  let room = 0;
  let accepted = 0;
  for (let at = 0; at < arrivals.length; ) {
    if (arrivals[at]! > clock) {
      clock = arrivals[at]! + interruptDelay;
      room = 0;
    }
    if (room === 0) {
      room = limit;
      clock += poll;
    }
    const found: number[] = [];
    const end = Math.min(arrivals.length, (Math.floor(at / WINDOW) + 1) * WINDOW);
    for (; at < end && found.length < room && arrivals[at]! <= clock; at++) {
      lost[at] = back[(accepted + found.length) % ring]! > arrivals[at]! || found.length === ring;
      if (!lost[at]) {
        back[(accepted + found.length) % ring] = Number.POSITIVE_INFINITY;
        found.push(at);
      }
    }
    room -= found.length;
    for (const one of found) {
      clock += receive;
      latencies.push(clock - arrivals[one]!);
    }
    for (const _ of found) back[accepted++ % ring] = clock;
  }
  return { lost, latencies };
}

const seed = Date.now() & 0x7fffffff;
console.log("seed", seed);

test("a ring loses, and delays, what the model packet by packet says", async () => {
  const gaps = fc.array(fc.constantFrom(0, 0, 0, 1, 1, 2), { minLength: 1, maxLength: 6000 });
  const drivers = fc.record({
    ring: fc.constantFrom(64, 128, 256),
    receive: fc.constantFrom(1, 37.5, 250, 600),
    poll: fc.constantFrom(0, 1000),
    interruptDelay: fc.constantFrom(0, 8000),
    pollShare: fc.constantFrom(1, 1 / 4),
  });
  await fc.assert(
    fc.asyncProperty(gaps, drivers, async (microseconds, driver) => {
      const timing = profile(driver);
      const machine = new TestMachine({ devices: [{ name: "eth0" }], timing });
      machine.attach("xdp", returns(1));
      const sent: Sent[] = microseconds.map((afterUs) => ({ bytes: packet, afterUs }));
      const { outcomes, result } = await machine.replay(sent);
      let time = 0;
      const arrivals = microseconds.map((us, index) => {
        time += index === 0 ? 0 : us * 1000;
        return time;
      });
      const { lost, latencies } = expected(arrivals, timing);
      expect(outcomes.map(({ reason }) => reason === "rx_out_of_buffer")).toEqual(lost);
      const sorted = [...latencies].sort((a, b) => a - b);
      const latency = result.timing!.latencies[0]!;
      expect(latency.packets).toBe(sorted.length);
      expect(latency.max).toBeCloseTo(sorted.at(-1)!, 3);
      expect(latency.mean).toBeCloseTo(sorted.reduce((sum, one) => sum + one, 0) / sorted.length, 2);
      for (const [share, told] of [
        [0.5, latency.p50],
        [0.9, latency.p90],
        [0.99, latency.p99],
        [0.999, latency.p999],
      ] as const) {
        const exact = Math.floor(sorted[Math.max(1, Math.ceil(sorted.length * share)) - 1]!);
        expect(told).toBeGreaterThanOrEqual(Math.min(exact, latency.max));
        expect(told).toBeLessThanOrEqual(exact * 1.008 + 1);
      }
      expect(result.timing).toMatchObject({ offered: sent.length, lost: lost.filter(Boolean).length });
      expect(result.devices.eth0!.rx_packets ?? 0).toBe(sorted.length);
    }),
    { numRuns: 40, seed },
  );
}, 60_000);

/** So many packets of four flows, a microsecond apart in bursts of 32. */
const bursts = (count: number): Sent[] =>
  Array.from({ length: count }, (_, index) => ({
    bytes: udp({ from: `10.0.0.${index % 7}:${4000 + (index % 4)}`, to: "10.0.0.1:53" }),
    afterUs: index % 32 === 0 ? 12 : 0,
  }));

test("threads and turns change nothing in modelled time, frames between CPUs included", async () => {
  const results = [];
  for (const options of [{}, { deterministic: true }, { workers: 2, openPool: openWorkerPool }]) {
    const machine = new TestMachine({ devices: [{ name: "eth0", queues: 4, ring: 64 }], timing: XDP_PAPER, ...options });
    const map = machine.map({ name: "cpus", type: BPF_MAP_TYPE_CPUMAP, valueSize: 8 });
    for (let cpu = 0; cpu < 4; cpu++) expect(map.update(word(cpu), words(512, 0))).toBe(0);
    // To the CPU that the last bits of the source port say.
    const program = spec(
      "spread",
      `r2 = *(u32 *)(r1 + 0)
      r3 = *(u32 *)(r1 + 4)
      r4 = r2
      r4 += 36
      if r4 > r3 goto +5
      r2 = *(u8 *)(r2 + 35)
      r2 &= 3
      r1 = map[0]
      r3 = 2
      call 51
      exit`,
      "xdp",
      [map.spec],
    );
    machine.attach("xdp", machine.load(program, [map]));
    const { result } = await machine.replay(bursts(9000));
    results.push(result.timing);
  }
  expect(results[0]).toMatchObject({ offered: 9000 });
  expect(results[1]).toEqual(results[0]);
  expect(results[2]).toEqual(results[0]);
});

/** Sums 0 to n, dividing once a round; n comes from the packet's last byte. */
const loop = `r6 = *(u32 *)(r1 + 0)
r7 = *(u32 *)(r1 + 4)
r2 = r6
r2 += 43
if r2 > r7 goto +6
r6 = *(u8 *)(r6 + 42)
r0 = 0
if r6 == 0 goto +3
r0 /= 3
r6 += -1
goto -4
r0 = 1
exit`;

test("a program costs what it executes, the same compiled and interpreted", async () => {
  const cpu = { instruction: 2, call: 0, division: 10, atomic: 0, helpers: {} };
  for (const rounds of [0, 1, 7, 200]) {
    const means = [];
    for (const engine of ["jit", "interp"] as const) {
      const machine = new TestMachine({ timing: profile({ receive: 5 }, { cpu }), engine });
      machine.attach("xdp", spec("loop", loop));
      const bytes = udp({ from: "10.0.0.9:4000", to: "10.0.0.1:53", payload: Uint8Array.of(rounds) });
      const { result } = await machine.replay([bytes]);
      means.push(result.timing!.latencies[0]!.mean);
    }
    // Ten instructions go round the loop once: seven before, its test, and two behind; each round has four and a division.
    const wanted = 5 + 2 * (7 + 1 + 2) + rounds * (2 * 4 + 10);
    expect(means).toEqual([wanted, wanted]);
  }
});

test("helpers cost by name and by the map in r1", async () => {
  const cpu = { instruction: 0, call: 3, division: 0, atomic: 0, helpers: { bpf_get_prandom_u32: 40, "bpf_map_lookup_elem/1": 70 } };
  const machine = new TestMachine({ timing: profile({}, { cpu }) });
  const map = machine.map({ name: "flows", type: 1 });
  const program = spec("calls", "call 7\n*(u32 *)(r10 - 4) = r0\nr2 = r10\nr2 += -4\nr1 = map[0]\ncall 1\ncall 5\nr0 = 1\nexit", "xdp", [
    map.spec,
  ]);
  machine.attach("xdp", machine.load(program, [map]));
  const { result } = await machine.replay([packet]);
  expect(result.timing!.latencies[0]!.mean).toBe(3 + 40 + (3 + 70) + 3);
});

test("only a program that looks at the packet waits for it where it is not in the cache", async () => {
  // So small a cache that nothing stays.
  const cache = { bytes: 4096, ways: 1, line: 64, bufferAlign: 4096, miss: 90 };
  const mean = async (text: string): Promise<number> => {
    const machine = new TestMachine({ timing: profile({ receive: 10 }, { cache }) });
    machine.attach("xdp", spec("program", text));
    const { result } = await machine.replay([packet]);
    return result.timing!.latencies[0]!.mean;
  };
  expect(await mean("r0 = 1\nexit")).toBe(10);
  expect(await mean("r2 = *(u32 *)(r1 + 0)\nr0 = 1\nexit")).toBeCloseTo(100, 6);
  expect(await mean("r6 = r1\nr2 = *(u32 *)(r6 + 0)\nr0 = 1\nexit")).toBeCloseTo(100, 6);
  expect(await mean("r0 = 2\nexit")).toBeCloseTo(100, 6);
});

test("the share of misses follows from sets and ways", () => {
  const { cache } = XDP_PAPER;
  expect(missShare(0, cache)).toBe(0);
  // 192 sets of 20: at 20 buffers a set about half of them find theirs too full, at twice that nearly all.
  expect(missShare(192 * 20, cache)).toBeCloseTo(0.53, 2);
  expect(missShare(192 * 10, cache)).toBeLessThan(0.004);
  expect(missShare(192 * 40, cache)).toBeGreaterThan(0.999);
});

test("PCI Express lets through what its bytes allow, and the rest is lost in the NIC", async () => {
  const pci = { ...XDP_PAPER.pci, rate: 2e9, nicBuffer: 20_000 };
  const machine = new TestMachine({ timing: profile({ ring: 1024 }, { pci }) });
  machine.attach("xdp", returns(1));
  const { result } = await machine.replay(
    Array.from({ length: 3000 }, () => packet),
    { rate: 50e6 },
  );
  // 42 bytes with a header of 24, a completion of 64 with its own, and the descriptor's share of a read.
  const perSecond = 2e9 / (42 + 24 + 64 + 24 + (24 * 16) / 512);
  expect(result.timing!.carriedRate).toBeGreaterThan(perSecond * 0.98);
  expect(result.timing!.carriedRate).toBeLessThan(perSecond * 1.02);
  expect(result.devices.eth0!.rx_discards_phy).toBe(result.timing!.lost);
  expect(result.fates).toContainEqual(expect.objectContaining({ fate: "drop", reason: "rx_discards_phy" }));
});

test("a rate spaces packets, with and without modelled time, over repetitions too", async () => {
  for (const timing of [{}, { timing: XDP_PAPER }]) {
    const machine = new TestMachine(timing);
    machine.attach("xdp", returns(1));
    const sent = [0, 5, 0, 7].map((afterUs) => ({ bytes: packet, afterUs }));
    const { outcomes, result } = await machine.replay(sent, { rate: 3e6, repeat: 2 });
    const nanoseconds = outcomes.map(({ ts }) => BigInt(ts!.replace(".", "")));
    expect(nanoseconds.map((ns) => Number(ns - nanoseconds[0]!))).toEqual([0, 333, 666, 1000, 1333, 1666, 2000, 2333]);
    expect(result.lastNs! - result.firstNs!).toBe(2333n);
  }
});

test("what was lost before a poll is told as such, packet by packet", async () => {
  const machine = new TestMachine({ devices: [{ name: "eth0", ring: 64 }], timing: profile({ receive: 1000 }) });
  machine.attach("xdp", returns(3));
  const { outcomes, result } = await machine.replay(Array.from({ length: 100 }, () => ({ bytes: packet, afterUs: 0 })));
  expect(outcomes.filter(({ fate }) => fate === "tx")).toHaveLength(64);
  const lost = outcomes.filter(({ fate }) => fate === "drop");
  expect(lost).toHaveLength(36);
  expect(new Set(lost.map(({ reason, steps }) => `${reason} ${steps.length}`))).toEqual(new Set(["rx_out_of_buffer 0"]));
  expect(result.timing).toMatchObject({ offered: 100, lost: 36 });
  // A poll that takes all it may is followed by another, which finds nothing here.
  expect(result.timing!.cpus[0]).toMatchObject({ busyNs: 64_000, load: 1, polls: 2 });
});
