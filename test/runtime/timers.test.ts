import { execFileSync } from "node:child_process";
import fc from "fast-check";
import { afterAll, describe, expect, test } from "vitest";
import { CpuBlock, EBUSY, EDEADLK, EINVAL, TimerQueue } from "../../src/layout/index.ts";
import type { Engine } from "../../src/runtime/index.ts";
import { hex, u32Key } from "./machine.ts";
import { hasLiveProbes, LiveProbes, PROBE_START, SimulatedProbe, whyNoLiveProbes } from "./probe.ts";

/** programs/probes/timers.c: one run does one operation, which the packet names. */
const MAPS = ["array", "hash", "sparse", "lru"] as const;
const OPERATIONS = ["init", "setCallback", "start", "cancel", "update", "delete", "lookup"] as const;
const CALLBACKS = ["counts", "restarts", "cancels", "deletes", "initialises"] as const;
const NO_ELEMENT = -1000;

interface Request {
  readonly operation: (typeof OPERATIONS)[number];
  readonly map: (typeof MAPS)[number];
  readonly key?: number;
  readonly flags?: bigint;
  readonly nsecs?: bigint;
  readonly callback?: (typeof CALLBACKS)[number];
}

function packetOf({ operation, map, key = 1, flags = 0n, nsecs = 0n, callback = "counts" }: Request): Uint8Array {
  const packet = new Uint8Array(64);
  const view = new DataView(packet.buffer);
  packet.set([OPERATIONS.indexOf(operation), MAPS.indexOf(map), CALLBACKS.indexOf(callback)]);
  view.setUint32(4, key, true);
  view.setBigUint64(8, flags, true);
  view.setBigUint64(16, nsecs, true);
  return packet;
}

/** The probe on two simulated CPUs. */
class Simulated extends SimulatedProbe {
  constructor(engine: Engine = "jit") {
    super("timers", engine);
  }

  run(request: Request, cpu = 0): number {
    return this.runPacket(packetOf(request), cpu);
  }

  arm(map: Request["map"], nsecs: bigint, rest: Partial<Request> = {}, cpu = 0): void {
    this.run({ operation: "init", map, flags: 1n, ...rest }, cpu);
    expect(this.run({ operation: "setCallback", map, ...rest }, cpu)).toBe(0);
    expect(this.run({ operation: "start", map, ...rest, nsecs, flags: 0n }, cpu)).toBe(0);
  }

  /** How often callbacks counted in an element, and what they noted. */
  element(map: string, key = 1): { fired: bigint; note: bigint } | undefined {
    const value = this.maps.get(map)!.lookup(u32Key(key)) as Uint8Array | undefined;
    if (value === undefined) return undefined;
    const view = new DataView(value.buffer);
    return { fired: view.getBigUint64(0, true), note: view.getBigInt64(32, true) };
  }

  waiting(cpu: number): bigint {
    const { view } = this.machine.memory;
    const queue = CpuBlock.read(view, this.blockOf(cpu), "timers");
    return TimerQueue.readBig(view, queue, "next");
  }
}

describe.each(["jit", "interp"] as const)("timers on the virtual clock, %s", (engine) => {
  test.each(MAPS)("a timer in %s fires once, when its CPU's clock gets there", (map) => {
    const probe = new Simulated(engine);
    if (map !== "array") expect(probe.run({ operation: "update", map })).toBe(0);
    const before = probe.element(map)!.fired;
    probe.arm(map, 5000n);
    probe.pass(4999n);
    expect(probe.element(map)!.fired).toBe(before);
    probe.pass(10_000_000n, 1);
    expect(probe.element(map)!.fired, "another CPU's clock moves nothing").toBe(before);
    probe.pass(1n);
    expect(probe.element(map)!.fired).toBe(before + 1n);
    probe.pass(1_000_000n);
    expect(probe.element(map)!.fired).toBe(before + 1n);
  });

  test("a callback is shown the element's key, and starts its timer anew from the time it was due", () => {
    const probe = new Simulated(engine);
    probe.arm("array", 100n, { key: 2 });
    probe.pass(100n);
    expect(hex(probe.maps.get("array")!.lookup(u32Key(2)) as Uint8Array)).toContain("02000000");
    probe.arm("array", 0n, { callback: "restarts", key: 1 });
    probe.pass(3999n);
    expect(probe.element("array", 1)).toEqual({ fired: 4n, note: 0n });
    probe.pass(1_000_000n);
    expect(probe.element("array", 1)!.fired).toBe(5n);
  });

  test("in its own callback a timer cannot be cancelled or initialised; a deleted element's is gone", () => {
    const probe = new Simulated(engine);
    const noted: Record<string, unknown> = {};
    for (const callback of ["cancels", "initialises", "deletes"] as const) {
      probe.run({ operation: "update", map: "hash" });
      probe.arm("hash", 10n, { callback });
      probe.pass(10n);
      noted[callback] = probe.element("hash")?.note;
      probe.run({ operation: "delete", map: "hash" });
    }
    expect(noted).toEqual({ cancels: BigInt(-EDEADLK), initialises: BigInt(-EBUSY), deletes: undefined });
  });
});

test("timers that are due together fire in the order they were started; earlier ones first", () => {
  const probe = new Simulated();
  for (const key of [2, 0, 1]) probe.run({ operation: "update", map: "hash", key });
  const order: number[] = [];
  for (const [key, nsecs] of [
    [2, 50n],
    [0, 20n],
    [1, 50n],
  ] as const)
    probe.arm("hash", nsecs, { key });
  for (let passed = 0; passed < 60; passed += 10) {
    probe.pass(10n);
    for (const key of [0, 1, 2]) if (probe.element("hash", key)!.fired === 1001n + BigInt(key) && !order.includes(key)) order.push(key);
  }
  expect(order).toEqual([0, 1, 2]);
});

test("a timer that starts itself without delay leaves the clock going", () => {
  const probe = new Simulated();
  const cpu = probe.machine.host.cpus.blocks[0]!;
  probe.arm("array", 0n, { callback: "restarts" });
  probe.pass(0n);
  // Served once: what the callback started is a microsecond away.
  expect(probe.element("array")!.fired).toBe(1n);
  expect(probe.waiting(0) - CpuBlock.readBig(probe.machine.memory.view, cpu, "ktime_ns")).toBe(1000n);
});

test("CLOCK_REALTIME counts in the capture's time; what is past is due at once; what does not fit is never", () => {
  const probe = new Simulated();
  const real = PROBE_START * 2n;
  probe.run({ operation: "init", map: "array", key: 0, flags: 0n });
  probe.run({ operation: "setCallback", map: "array", key: 0 });
  const start = (nsecs: bigint, flags: bigint) => probe.run({ operation: "start", map: "array", key: 0, nsecs, flags });
  expect(start(real + 500n, 1n)).toBe(0);
  probe.pass(499n);
  expect(probe.element("array", 0)!.fired).toBe(0n);
  probe.pass(1n);
  expect(probe.element("array", 0)!.fired).toBe(1n);
  start(5n, 1n);
  probe.pass(0n);
  expect(probe.element("array", 0)!.fired).toBe(2n);
  for (const nsecs of [2n ** 64n - 1n, 2n ** 63n, 2n ** 63n - 1n]) {
    start(nsecs, 0n);
    expect(probe.waiting(0)).toBe(2n ** 63n - 1n);
  }
});

test("started on another CPU a timer moves there", () => {
  const probe = new Simulated();
  probe.arm("array", 100n);
  probe.arm("array", 300n, {}, 1);
  probe.pass(1000n);
  expect(probe.element("array")!.fired).toBe(0n);
  probe.pass(300n, 1);
  expect(probe.element("array")!.fired).toBe(1n);
});

test("user space sees zeros where the timer and the lock are, and cannot write there", () => {
  const probe = new Simulated();
  probe.arm("array", 1000n);
  const map = probe.maps.get("array")!;
  expect(hex((map.lookup(u32Key(1)) as Uint8Array).slice(8, 28))).toBe("00".repeat(20));
  expect(map.update(u32Key(1), new Uint8Array(40).fill(0xff))).toBe(0);
  expect(hex(map.lookup(u32Key(1)) as Uint8Array)).toBe(`${"ff".repeat(8)}${"00".repeat(20)}${"ff".repeat(12)}`);
  // The update freed the timer.
  expect(probe.run({ operation: "cancel", map: "array" })).toBe(-EINVAL);
});

test("evicted elements of an LRU map take their timers with them", () => {
  const probe = new Simulated();
  for (let key = 10; key < 16; key++) {
    probe.run({ operation: "update", map: "lru", key });
    probe.arm("lru", 1000n, { key });
  }
  probe.pass(1000n);
  const fired = [...probe.maps.get("lru")!.entries()].map(([key]) => probe.element("lru", key[0])!.fired - 1000n - BigInt(key[0]!));
  expect(fired).toEqual([1n, 1n, 1n]);
  expect(probe.waiting(0)).toBe(2n ** 63n - 1n);
});

/** The heap against a sorted list: any order of starting, moving and freeing. */
test("whatever is started, moved and cancelled, timers fire in order of their times", () => {
  const probe = new Simulated();
  const keys = [0, 1, 2];
  const step = fc.record({ key: fc.constantFrom(...keys), map: fc.constantFrom(...MAPS.slice(0, 3)), nsecs: fc.nat(400), what: fc.nat(5) });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const due = new Map<string, bigint>();
      const fired = new Map<string, bigint>();
      for (const map of MAPS.slice(1, 3)) for (const key of keys) probe.run({ operation: "update", map, key });
      for (const key of keys) probe.maps.get("array")!.update(u32Key(key), new Uint8Array(40));
      const count = (map: string, key: number) => probe.element(map, key)!.fired;
      const base = new Map<string, bigint>();
      for (const map of MAPS.slice(0, 3)) for (const key of keys) base.set(`${map} ${key}`, count(map, key));
      for (const { key, map, nsecs, what } of steps) {
        const name = `${map} ${key}`;
        if (what < 3) {
          probe.arm(map, BigInt(nsecs), { key });
          due.set(name, probe.clock() + BigInt(nsecs));
        } else if (what === 3) {
          const waited = probe.run({ operation: "cancel", map, key });
          expect(waited === 1).toBe(due.delete(name));
        } else {
          probe.pass(BigInt(nsecs));
          for (const [waiting, time] of due) {
            if (time > probe.clock()) continue;
            due.delete(waiting);
            fired.set(waiting, (fired.get(waiting) ?? 0n) + 1n);
          }
        }
        for (const [element, before] of base) {
          const [map, key] = element.split(" ");
          expect(count(map!, Number(key)) - before, element).toBe(fired.get(element) ?? 0n);
        }
      }
    }),
    { numRuns: 60 },
  );
});

describe.runIf(hasLiveProbes)(`timers answer as the live kernel's${whyNoLiveProbes}`, () => {
  const live = new LiveProbes("timers");
  afterAll(() => live.close());

  const stepOn = (map: Request["map"]) => {
    const key = fc.nat(1);
    const request = fc.record({
      by: fc.constant("program" as const),
      operation: fc.constantFrom(...OPERATIONS),
      map: fc.constant(map),
      key,
      flags: fc.constantFrom(0n, 0n, 1n, 1n, 2n, 4n, 7n, 8n, 16n, 1n << 32n),
      callback: fc.constantFrom(...CALLBACKS),
    });
    const user = fc.record({
      by: fc.constant("user" as const),
      operation: fc.constantFrom("update" as const, "delete" as const),
      map: fc.constant(map),
      key,
      flags: fc.constantFrom(0n, 1n, 2n, 4n),
    });
    return fc.oneof({ weight: 6, arbitrary: request }, { weight: 1, arbitrary: user });
  };
  const steps = fc.constantFrom(...MAPS).chain((map) => fc.array(stepOn(map), { minLength: 20, maxLength: 80 }));

  test("init, set_callback, start, cancel, and what updates and deletes do to them", () => {
    execFileSync("taskset", ["-cp", "0", String(process.pid)], { stdio: "ignore" });
    fc.assert(
      fc.property(steps, (given) => {
        const simulated = new Simulated();
        const { run, maps } = live.load();
        for (const [at, step] of given.entries()) {
          if (step.by === "user") {
            const value = new Uint8Array(40).fill(0xee);
            const key = u32Key(step.key);
            const ours = simulated.maps.get(step.map)!;
            const theirs = maps.get(step.map)!;
            const flags = Number(step.flags);
            if (step.operation === "update") expect(ours.update(key, value, flags), `step ${at}`).toBe(theirs.update(key, value, flags));
            else expect(ours.delete(key), `step ${at}`).toBe(theirs.delete(key));
            continue;
          }
          // Nothing fires meanwhile, whether the time is absolute or not.
          const request = { ...step, nsecs: 2n ** 62n };
          const theirs = run(packetOf(request));
          expect(simulated.run(request), `step ${at}: ${step.operation} ${step.map} ${step.key}`).toBe(theirs);
        }
        for (const [name, theirs] of maps) {
          const bytes = (entries: Iterable<readonly [Uint8Array, unknown]>) =>
            [...entries].map(([key, value]) => `${hex(key)} ${hex(value as Uint8Array)}`).sort();
          expect(bytes(simulated.maps.get(name)!.entries())).toEqual(bytes(theirs.entries()));
        }
      }),
      { numRuns: 40 },
    );
  }, 120_000);

  test("what callbacks do, once they have run", async () => {
    const wait = () => new Promise((resolve) => setTimeout(resolve, 30));
    for (const map of MAPS) {
      for (const callback of CALLBACKS) {
        const simulated = new Simulated();
        const { run, maps } = live.load();
        const both = (given: Request): number => {
          const ours = simulated.run(given);
          expect(ours, `${map} ${callback} ${given.operation}`).toBe(run(packetOf(given)));
          return ours;
        };
        if (map !== "array") both({ operation: "update", map });
        both({ operation: "init", map, flags: 1n });
        both({ operation: "setCallback", map, callback });
        both({ operation: "start", map, nsecs: 1000n });
        simulated.pass(1_000_000n);
        await wait();
        const theirs = maps.get(map)!.lookup(u32Key(1));
        const ours = simulated.maps.get(map)!.lookup(u32Key(1)) as Uint8Array | undefined;
        expect(ours && hex(ours), `${map} ${callback}`).toBe(theirs && hex(theirs));
        const left = both({ operation: "lookup", map });
        expect(left === NO_ELEMENT).toBe(callback === "deletes" && map !== "array");
        for (const operation of ["start", "cancel", "init", "delete"] as const) both({ operation, map, flags: 1n, nsecs: 2n ** 62n });
      }
    }
  }, 60_000);
});
