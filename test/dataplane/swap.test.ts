import { existsSync } from "node:fs";
import { expect, test } from "vitest";
import type { DataplaneOptions, Outcome } from "../../src/dataplane/index.ts";
import { openWorkerPool } from "../../src/dataplane/pool.node.ts";
import {
  BPF_MAP_TYPE_ARRAY,
  BPF_MAP_TYPE_CPUMAP,
  BPF_MAP_TYPE_DEVMAP,
  BPF_MAP_TYPE_HASH,
  BPF_MAP_TYPE_PROG_ARRAY,
} from "../../src/layout/index.ts";
import { udp } from "../../src/packet/index.ts";
import type { BpfMap } from "../../src/runtime/index.ts";
import { returns, type Sent, spec, TestMachine, word, words } from "./machine.ts";

/** Workers run the built file; `npm test` builds it first. */
const built = existsSync(new URL("../../dist/worker.js", import.meta.url));

/** Packets of 64 flows in windows of 20: each begins a millisecond after the one before. */
const traffic = (count: number): Sent[] =>
  Array.from({ length: count }, (_, index) => ({
    bytes: udp({ from: `10.0.0.9:${1000 + (index % 64)}`, to: "10.0.0.1:53" }),
    afterUs: index % 20 === 0 ? 1000 : 1,
  }));

const threads: readonly (readonly [string, Partial<DataplaneOptions>])[] = [
  ["the main thread", { workers: 0 }],
  ["two workers", { workers: 2 }],
  ["one worker in virtual-time order", { workers: 1, deterministic: true }],
];

const machineOf = (options: Partial<DataplaneOptions>): TestMachine =>
  new TestMachine({
    devices: [{ name: "eth0", queues: 4 }, { name: "eth1" }, { name: "eth2" }],
    cpus: 4,
    openPool: openWorkerPool,
    ...options,
  });

/** Adds 1 to counter `index` of an ARRAY of u64 with a BPF atomic, then returns `verdict`. */
const counts = (name: string, map: BpfMap, index: number, verdict: number, type: "xdp" | "sched_cls" = "xdp") =>
  spec(
    name,
    `r1 = ${index}\n*(u32 *)(r10 - 4) = r1\nr1 = map[0]\nr2 = r10\nr2 += -4\ncall 1\nif r0 == 0 goto out\nr1 = 1\nlock *(u64 *)(r0 + 0) += r1\nout:\nr0 = ${verdict}\nexit`,
    type,
    [map.spec],
  );

const counter = (map: BpfMap, index: number): number =>
  Number(new DataView((map.lookup(word(index)) as Uint8Array).buffer).getBigUint64(0, true));

const programsOf = (outcome: Outcome): string => outcome.steps.map(({ program }) => program).join(" ");

function tally(outcomes: readonly Outcome[], key: (outcome: Outcome) => string): Record<string, number> {
  const sums: Record<string, number> = {};
  for (const outcome of outcomes) sums[key(outcome)] = (sums[key(outcome)] ?? 0) + 1;
  return sums;
}

for (const [name, options] of threads) {
  const skip = options.workers !== 0 && !built;

  test.skipIf(skip)(`${name}: programs loaded and swapped while packets flow; each packet meets exactly one`, async () => {
    const machine = machineOf(options);
    const map = machine.map({ name: "counters", type: BPF_MAP_TYPE_ARRAY, valueSize: 8, maxEntries: 64 });
    const verdicts = [1, 2, 3];
    const load = (index: number) => machine.load(counts(`p${index}`, map, index, verdicts[index % 3]!), [map]);
    const eth0 = machine.dataplane.device("eth0")!;
    const link = machine.dataplane.attach(eth0, "xdp", load(0));
    let loaded = 1;
    const { outcomes, result } = await machine.replay(traffic(2000), {
      repeat: 10,
      onWindow: ({ number }) => {
        if (number % 20 === 19 && loaded < 40) link.update(load(loaded++));
      },
    });
    expect(loaded).toBe(40);
    expect(outcomes.length).toBe(20_000);
    const seen = tally(outcomes, programsOf);
    // Every packet met one program, which gave the verdict of the record, and counted it once.
    for (let index = 0; index < loaded; index++) expect(counter(map, index), `p${index}`).toBe(seen[`p${index}`] ?? 0);
    expect(Object.keys(seen).length).toBeGreaterThan(35);
    expect(Object.values(seen).reduce((sum, packets) => sum + packets)).toBe(20_000);
    const fates = { 1: "drop", 2: "stack", 3: "tx" } as const;
    const wrong = outcomes.filter(({ steps, fate }) => fate !== fates[verdicts[Number(steps[0]!.program.slice(1)) % 3] as 1 | 2 | 3]);
    expect(wrong).toEqual([]);
    expect(result.programs.reduce((sum, { runs }) => sum + runs, 0)).toBe(20_000);
    expect(result.traps).toEqual([]);
  });

  test.skipIf(skip)(`${name}: a program is detached and another attached while packets flow`, async () => {
    const machine = machineOf(options);
    const eth0 = machine.dataplane.device("eth0")!;
    let link = machine.dataplane.attach(eth0, "xdp", machine.load(returns(1)));
    const { outcomes } = await machine.replay(traffic(2000), {
      onWindow: ({ number }) => {
        if (number === 20) link.detach();
        if (number === 60) link = machine.dataplane.attach(eth0, "xdp", machine.load(returns(3)), "generic");
      },
    });
    const kinds = tally(outcomes, ({ steps, fate }) => [steps[0]?.mode ?? "none", fate].join(" "));
    expect(Object.keys(kinds).sort()).toEqual(["generic tx", "native drop", "none stack"]);
    expect(outcomes.length).toBe(2000);
    expect(machine.dataplane.links).toEqual([link]);
  });

  test.skipIf(skip)(`${name}: tc programs come and go; each packet passes one whole version of the chain`, async () => {
    const machine = machineOf(options);
    const map = machine.map({ name: "counters", type: BPF_MAP_TYPE_ARRAY, valueSize: 8, maxEntries: 8 });
    const eth0 = machine.dataplane.device("eth0")!;
    const [first, middle, last, other] = ["first", "middle", "last", "other"].map((name, index) =>
      machine.load(counts(name, map, index, -1, "sched_cls"), [map]),
    );
    const attach = (program = middle!) => machine.dataplane.attach(eth0, "tcx/ingress", program);
    machine.dataplane.attach(eth0, "ingress", last!);
    attach(first);
    let link = attach();
    const { outcomes } = await machine.replay(traffic(2000), {
      repeat: 5,
      onWindow: ({ number }) => {
        if (number % 6 === 1) link.detach();
        if (number % 6 === 3) link = attach();
        if (number % 6 === 5 && link.program !== undefined) link.update(other!);
      },
    });
    const seen = tally(outcomes, programsOf);
    expect(Object.keys(seen).sort()).toEqual(["first last", "first middle last", "first other last"]);
    expect(outcomes.length).toBe(10_000);
    expect([0, 1, 2, 3].map((index) => counter(map, index))).toEqual([10_000, seen["first middle last"], 10_000, seen["first other last"]]);
  });

  test.skipIf(skip)(`${name}: tail calls, devmap and cpumap entries lead to programs that were loaded during the run`, async () => {
    const machine = machineOf(options);
    const counters = machine.map({ name: "counters", type: BPF_MAP_TYPE_ARRAY, valueSize: 8, maxEntries: 64 });
    const jumps = machine.map({ name: "jumps", type: BPF_MAP_TYPE_PROG_ARRAY, maxEntries: 4 });
    const ports = machine.map({ name: "ports", type: BPF_MAP_TYPE_DEVMAP, valueSize: 8, maxEntries: 4 });
    const cpus = machine.map({ name: "cpus", type: BPF_MAP_TYPE_CPUMAP, valueSize: 8, maxEntries: 4 });
    const load = (name: string, index: number) => machine.load(counts(name, counters, index, 2), [counters]);
    const toMap = (name: string, map: BpfMap) =>
      machine.load(spec(name, "r1 = map[0]\nr2 = 1\nr3 = 0\ncall 51\nexit", "xdp", [map.spec]), [map]);
    jumps.setProgram(0, toMap("to_ports", ports).slot);
    machine.attach("xdp", machine.load(spec("jump", "r2 = map[0]\nr3 = 0\ncall 12\nr0 = 0\nexit", "xdp", [jumps.spec]), [jumps]));
    // The program of an entry says which device the entry leads to.
    const targets = { eth1: machine.dataplane.device("eth1")!.ifindex, eth2: machine.dataplane.device("eth2")!.ifindex };
    ports.update(word(1), words(targets.eth1, load("eth1_0", 0).slot));
    cpus.update(word(1), words(192, load("cpu_0", 32).slot));
    let turn = 0;
    const { outcomes } = await machine.replay(traffic(2000), {
      repeat: 4,
      onWindow: ({ number }) => {
        if (number % 10 !== 9 || turn === 30) return;
        turn++;
        const device = turn % 2 === 0 ? "eth1" : "eth2";
        ports.update(word(1), words(targets[device], load(`${device}_${turn}`, turn).slot));
        if (turn === 15) jumps.setProgram(0, toMap("to_cpus", cpus).slot);
        if (turn === 20) cpus.update(word(1), words(192, load("cpu_1", 33).slot));
        if (turn === 25) jumps.setProgram(0, toMap("to_ports_again", ports).slot);
      },
    });
    expect(turn).toBe(30);
    expect(outcomes.length).toBe(8000);
    const toDevice = outcomes.filter(({ fate }) => fate === "redirect");
    expect(toDevice.filter(({ steps, to }) => !steps[1]!.program.startsWith(`${to}_`))).toEqual([]);
    const seen = tally(outcomes, ({ steps }) => steps[1]?.program ?? "none");
    expect(seen.none).toBeUndefined();
    expect(seen.cpu_0).toBeGreaterThan(0);
    expect(seen.cpu_1).toBeGreaterThan(0);
    for (const [program, packets] of Object.entries(seen)) {
      const [kind, number] = program.split("_") as [string, string];
      expect(counter(counters, Number(number) + (kind === "cpu" ? 32 : 0)), program).toBe(packets);
    }
    expect(outcomes.filter(({ fate }) => fate === "aborted" || fate === "drop")).toEqual([]);
  });

  test.skipIf(skip)(`${name}: maps made during the run, in memory that was added for them, are there for programs and host`, async () => {
    const machine = machineOf(options);
    const link = machine.dataplane.attach(machine.dataplane.device("eth0")!, "xdp", machine.load(returns(2)));
    const maps: BpfMap[] = [];
    const { outcomes } = await machine.replay(traffic(2000), {
      onWindow: ({ number }) => {
        if (number % 25 !== 10) return;
        const map = machine.map({ name: `flows_${number}`, type: BPF_MAP_TYPE_HASH, valueSize: 4096, maxEntries: 8192 });
        maps.push(map);
        for (let key = 0; key < 8192; key += 64) map.update(word(key), new Uint8Array(4096).fill(maps.length));
        const text = `r1 = 64\n*(u32 *)(r10 - 4) = r1\nr1 = map[0]\nr2 = r10\nr2 += -4\ncall 1\nif r0 == 0 goto out\nr0 = *(u8 *)(r0 + 4095)\nout:\nexit`;
        link.update(machine.load(spec(`reads_${maps.length}`, text, "xdp", [map.spec]), [map]));
      },
    });
    expect(maps.length).toBe(4);
    const seen = tally(outcomes, ({ steps }) => `${steps[0]!.program} ${steps[0]!.verdict}`);
    expect(Object.keys(seen).sort()).toEqual([
      "reads_1 XDP_DROP",
      "reads_2 XDP_PASS",
      "reads_3 XDP_TX",
      "reads_4 XDP_REDIRECT",
      "returns_2 XDP_PASS",
    ]);
  });

  test.skipIf(skip)(`${name}: a program in use is not unloaded; one that is not gives its id to the next after the run`, async () => {
    const machine = machineOf(options);
    const jumps = machine.map({ name: "jumps", type: BPF_MAP_TYPE_PROG_ARRAY, maxEntries: 4 });
    const [first, second, target] = [returns(1), returns(2), returns(3)].map((program) => machine.load(program));
    jumps.setProgram(1, target!.slot);
    expect(() => machine.dataplane.unload(target!)).toThrowError("map jumps");
    const link = machine.dataplane.attach(machine.dataplane.device("eth0")!, "xdp", first!);
    expect(() => machine.dataplane.unload(first!)).toThrowError("eth0 xdp");
    const during: number[] = [];
    const { outcomes } = await machine.replay(traffic(400), {
      onWindow: ({ number }) => {
        if (number !== 5) return;
        link.update(second!);
        machine.dataplane.unload(first!);
        during.push(machine.load(returns(1, "xdp", "another")).slot);
      },
    });
    expect(Object.keys(tally(outcomes, programsOf)).sort()).toEqual(["returns_1", "returns_2"]);
    expect(during).not.toContain(first!.slot);
    const next = machine.load(returns(3, "xdp", "reuses"));
    expect(next.slot).toBe(first!.slot);
    link.update(next);
    const again = await machine.replay(traffic(40));
    expect(tally(again.outcomes, programsOf)).toEqual({ reuses: 40 });
  });
}

/** As `counts`, but takes some 100 µs first, so that windows are under way whenever the main thread changes something. */
function countsSlowly(name: string, map: BpfMap, index: number, verdict: number, type: "xdp" | "sched_cls" = "xdp") {
  const { instructions: _, ...rest } = counts(name, map, index, verdict, type);
  const text = `r6 = 100000\nagain:\nr6 += -1\nif r6 != 0 goto again\nr1 = ${index}\n*(u32 *)(r10 - 4) = r1\nr1 = map[0]\nr2 = r10\nr2 += -4\ncall 1\nif r0 == 0 goto out\nr1 = 1\nlock *(u64 *)(r0 + 0) += r1\nout:\nr0 = ${verdict}\nexit`;
  return { ...rest, instructions: spec(name, text, type, [map.spec]).instructions };
}

test.skipIf(!built)(
  "a new program is not met before every worker has it, nor a chain that is half changed, in the middle of windows",
  async () => {
    const machine = machineOf({ workers: 2 });
    const map = machine.map({ name: "counters", type: BPF_MAP_TYPE_ARRAY, valueSize: 8, maxEntries: 128 });
    const { dataplane } = machine;
    const eth0 = dataplane.device("eth0")!;
    let loaded = 0;
    const load = () => machine.load(countsSlowly(`p${loaded}`, map, loaded++, 2), [map]);
    const filter = (name: string, index: number) => machine.load(countsSlowly(name, map, 120 + index, -1, "sched_cls"), [map]);
    const link = dataplane.attach(eth0, "xdp", load());
    const middle = filter("middle", 1);
    dataplane.attach(eth0, "ingress", filter("last", 0));
    dataplane.attach(eth0, "tcx/ingress", filter("first", 2));
    let between = dataplane.attach(eth0, "tcx/ingress", middle);
    const { outcomes, result } = await machine.replay(traffic(1200), {
      onWindow: ({ number }) => {
        // The windows that are under way have come some part of their way.
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ((number * 7) % 20) / 10);
        if (number % 3 === 0) link.update(load());
        else if (number % 3 === 1) between.detach();
        else between = dataplane.attach(eth0, "tcx/ingress", middle);
      },
    });
    expect(result.traps).toEqual([]);
    const chains = tally(outcomes, ({ steps }) =>
      steps
        .slice(1)
        .map(({ program }) => program)
        .join(" "),
    );
    expect(Object.keys(chains).sort()).toEqual(["first last", "first middle last"]);
    expect([0, 1, 2].map((index) => counter(map, 120 + index))).toEqual([1200, chains["first middle last"], 1200]);
    const seen = tally(outcomes, ({ steps }) => steps[0]!.program);
    for (let index = 0; index < loaded; index++) expect(counter(map, index), `p${index}`).toBe(seen[`p${index}`] ?? 0);
    expect(Object.values(seen).reduce((sum, packets) => sum + packets)).toBe(1200);
  },
);

test.skipIf(!built)("interpreted programs run in workers, and are swapped there", async () => {
  const machine = machineOf({ workers: 2, engine: "interp" });
  const map = machine.map({ name: "counters", type: BPF_MAP_TYPE_ARRAY, valueSize: 8, maxEntries: 4 });
  const link = machine.dataplane.attach(machine.dataplane.device("eth0")!, "xdp", machine.load(counts("one", map, 0, 1), [map]));
  const { outcomes, result } = await machine.replay(traffic(1000), {
    onWindow: ({ number }) => {
      if (number === 10) link.update(machine.load(counts("two", map, 1, 2), [map]));
    },
  });
  const seen = tally(outcomes, programsOf);
  expect(result.workers).toBe(2);
  expect([counter(map, 0), counter(map, 1)]).toEqual([seen.one, seen.two]);
  expect(seen.one! + seen.two!).toBe(1000);
});

test("a detached link takes no other program, and a hook none of another type", () => {
  const machine = machineOf({});
  const { dataplane } = machine;
  const link = dataplane.attach(dataplane.device("eth0")!, "xdp", machine.load(returns(1)));
  expect(() => link.update(machine.load(returns(0, "sched_cls")))).toThrowError("hook xdp takes xdp");
  link.detach();
  link.detach();
  expect(() => link.update(machine.load(returns(2)))).toThrowError("is not attached");
  expect(dataplane.links).toEqual([]);
});
