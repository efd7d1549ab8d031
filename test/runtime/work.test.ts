import fc from "fast-check";
import { afterAll, describe, expect, test } from "vitest";
import { CpuBlock, EDEADLK, ETIMEDOUT } from "../../src/layout/index.ts";
import type { Engine } from "../../src/runtime/index.ts";
import { hex, u32Key } from "./machine.ts";
import { hasLiveProbes, LiveProbes, SimulatedProbe, whyNoLiveProbes } from "./probe.ts";

/** programs/probes/work.c */
const MAPS = ["array", "hash"] as const;
const OPERATIONS = ["init", "setCallback", "start", "update", "delete", "lookup", "lock", "lockTwice", "lockIrqsave"] as const;
const CALLBACKS = ["counts", "restarts", "deletes"] as const;

interface Request {
  readonly operation: (typeof OPERATIONS)[number];
  readonly map: (typeof MAPS)[number];
  readonly key?: number;
  readonly flags?: number;
  readonly callback?: (typeof CALLBACKS)[number];
}

function packetOf({ operation, map, key = 1, flags = 0, callback = "counts" }: Request): Uint8Array {
  const packet = new Uint8Array(64);
  const view = new DataView(packet.buffer);
  packet.set([OPERATIONS.indexOf(operation), MAPS.indexOf(map), CALLBACKS.indexOf(callback)]);
  view.setUint32(4, key, true);
  view.setUint32(8, flags, true);
  return packet;
}

class Simulated extends SimulatedProbe {
  constructor(engine: Engine = "jit") {
    super("work", engine);
  }

  run(request: Request, cpu = 0): number {
    return this.runPacket(packetOf(request), cpu);
  }

  /** Number of runs that callbacks counted in an element; undefined without the element. */
  ran(map: string, key = 1): bigint | undefined {
    const value = this.maps.get(map)!.lookup(u32Key(key)) as Uint8Array | undefined;
    return value && new DataView(value.buffer).getBigUint64(0, true);
  }

  /** Address of the lock of an element of the array. */
  lockOf(key: number): number {
    const { elements, stride } = this.maps.get("array")!;
    return elements + key * stride + 24;
  }
}

describe.each(["jit", "interp"] as const)("work, %s", (engine) => {
  test("runs once its CPU has time, once however often it was started, and again when its callback starts it", () => {
    const probe = new Simulated(engine);
    probe.run({ operation: "init", map: "array" });
    probe.run({ operation: "setCallback", map: "array" });
    for (let turn = 0; turn < 3; turn++) expect(probe.run({ operation: "start", map: "array" })).toBe(0);
    expect(probe.ran("array")).toBe(0n);
    probe.pass(0n);
    expect(probe.ran("array")).toBe(1n);
    probe.run({ operation: "setCallback", map: "array", callback: "restarts" });
    probe.run({ operation: "start", map: "array" });
    probe.pass(1_000_000n);
    expect(probe.ran("array")).toBe(5n);
  });
});

test("what is locked in an element is found out by whoever takes it again: at once, or after a quarter of a second", () => {
  const probe = new Simulated();
  const [first, second] = [probe.blockOf(0), probe.blockOf(1)];
  const [a, b] = [probe.lockOf(0), probe.lockOf(1)];
  probe.machine.useCpu(0);
  expect(probe.machine.call("resSpinLock", a)).toBe(0);
  expect(probe.machine.call("resSpinLock", a)).toBe(-EDEADLK);
  probe.machine.useCpu(1);
  expect(probe.machine.call("resSpinLock", b)).toBe(0);
  // The other CPU waits for what this one holds.
  CpuBlock.write(probe.machine.memory.view, first, "res_waiting", b);
  expect(probe.machine.call("resSpinLock", a)).toBe(-EDEADLK);
  CpuBlock.write(probe.machine.memory.view, first, "res_waiting", 0);
  expect(probe.machine.call("resSpinLock", a)).toBe(-ETIMEDOUT);
  expect(CpuBlock.read(probe.machine.memory.view, second, "res_lock_depth")).toBe(1);
  probe.machine.call("resSpinUnlock", b);
  expect([CpuBlock.read(probe.machine.memory.view, second, "res_lock_depth"), probe.machine.memory.view.getUint32(b, true)]).toEqual([
    0, 0,
  ]);
});

test("a trap releases every resilient lock of its CPU, and no other's", () => {
  const probe = new Simulated();
  const locks = [0, 1, 2].map((key) => probe.lockOf(key));
  probe.machine.useCpu(1);
  probe.machine.call("resSpinLock", locks[2]!);
  probe.machine.useCpu(0);
  for (const lock of locks.slice(0, 2)) probe.machine.call("resSpinLock", lock);
  probe.machine.call("releaseLocks");
  const { view } = probe.machine.memory;
  expect(locks.map((lock) => view.getUint32(lock, true))).toEqual([0, 0, probe.blockOf(1)]);
});

describe.runIf(hasLiveProbes)(`work and locks answer as the live kernel's${whyNoLiveProbes}`, () => {
  const live = new LiveProbes("work");
  afterAll(() => live.close());
  const steps = fc.constantFrom(...MAPS).chain((map) =>
    fc.array(
      fc.record({
        // Started work would run while the test goes on.
        operation: fc.constantFrom(...OPERATIONS.filter((name) => name !== "start")),
        map: fc.constant(map),
        key: fc.nat(1),
        flags: fc.constantFrom(0, 0, 0, 1, 2),
        callback: fc.constantFrom(...CALLBACKS),
      }),
      { minLength: 10, maxLength: 60 },
    ),
  );
  const contents = (entries: Iterable<readonly [Uint8Array, unknown]>) =>
    [...entries].map(([key, value]) => `${hex(key)} ${hex(value as Uint8Array)}`).sort();

  test("init, set_callback, the locks, and what updates and deletes do to them", () => {
    fc.assert(
      fc.property(steps, (given) => {
        const simulated = new Simulated();
        const { run, maps } = live.load();
        for (const [at, request] of given.entries())
          expect(simulated.run(request), `step ${at}: ${request.operation} ${request.map} ${request.key}`).toBe(run(packetOf(request)));
        for (const [name, theirs] of maps) expect(contents(simulated.maps.get(name)!.entries())).toEqual(contents(theirs.entries()));
      }),
      { numRuns: 40 },
    );
  }, 120_000);

  test("what callbacks do, once they have run", async () => {
    for (const map of MAPS) {
      for (const callback of CALLBACKS) {
        const simulated = new Simulated();
        const { run, maps } = live.load();
        const both = (given: Request) => expect(simulated.run(given), `${map} ${callback} ${given.operation}`).toBe(run(packetOf(given)));
        if (map === "hash") both({ operation: "update", map });
        both({ operation: "start", map });
        both({ operation: "init", map });
        both({ operation: "start", map });
        both({ operation: "setCallback", map, callback });
        both({ operation: "start", map, flags: 1 });
        both({ operation: "start", map });
        simulated.pass(1_000_000n);
        await new Promise((resolve) => setTimeout(resolve, 30));
        for (const [name, theirs] of maps)
          expect(contents(simulated.maps.get(name)!.entries()), `${map} ${callback}`).toEqual(contents(theirs.entries()));
      }
    }
  }, 60_000);
});
