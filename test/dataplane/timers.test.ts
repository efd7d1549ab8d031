import { existsSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import type { Btf } from "../../src/bpf/btf/index.ts";
import { openObject } from "../../src/bpf/elf/index.ts";
import type { DataplaneOptions } from "../../src/dataplane/index.ts";
import { openWorkerPool } from "../../src/dataplane/pool.node.ts";
import { BPF_MAP_TYPE_ARRAY, XdpContext } from "../../src/layout/index.ts";
import { type BpfMap, runOnce } from "../../src/runtime/index.ts";
import { returns, type Sent, spec, TestMachine, word } from "./machine.ts";

const path = fileURLToPath(new URL("../../programs/probes/timers.o", import.meta.url));
/** Workers run the built file; `npm test` builds it first. */
const built = existsSync(new URL("../../dist/worker.js", import.meta.url));

const INIT = 0;
const SET_CALLBACK = 1;
const START = 2;
const CANCEL = 3;
const LOOKUP = 6;
const COUNTS = 0;
const RESTARTS = 1;

/** One operation of the probe on element `key` of its array. `afterUs`: microseconds after the packet before. */
function packet(operation: number, { key = 0, nsecs = 0n, callback = COUNTS, afterUs = 1 } = {}): Sent {
  const bytes = new Uint8Array(64);
  const view = new DataView(bytes.buffer);
  bytes.set([operation, 0, callback]);
  view.setUint32(4, key, true);
  view.setBigUint64(8, operation === INIT ? 1n : 0n, true);
  view.setBigUint64(16, nsecs, true);
  return { bytes, afterUs };
}

function machineWithProbe(options: Partial<DataplaneOptions> = {}): { machine: TestMachine; map: BpfMap } {
  const machine = new TestMachine(options);
  const object = openObject(readFileSync(path), { file: "timers.o" });
  if (!object.ok) throw new Error(object.problem.message);
  const loaded = machine.dataplane.open(object.value);
  machine.attach("xdp", loaded.load(object.value.programs[0]!));
  return { machine, map: loaded.map("array")! };
}

const fired = (map: BpfMap, key = 0): bigint => new DataView((map.lookup(word(key)) as Uint8Array).buffer).getBigUint64(0, true);

const arm = (nsecs: bigint, callback = COUNTS): Sent[] => [packet(INIT), packet(SET_CALLBACK, { callback }), packet(START, { nsecs })];

test.each(["jit", "interp"] as const)(
  "a timer fires before the packet at whose time it is due, in one poll with it, %s",
  async (engine) => {
    const { machine } = machineWithProbe({ engine });
    const { outcomes } = await machine.replay([
      ...arm(10_000n),
      packet(LOOKUP, { afterUs: 9 }),
      packet(LOOKUP, { afterUs: 1 }),
      packet(LOOKUP, { afterUs: 1 }),
    ]);
    expect(outcomes.slice(3).map(({ steps }) => steps[0]!.verdict)).toEqual(["XDP_ABORTED", "XDP_DROP", "XDP_DROP"]);
  },
);

test("a timer that starts itself fires as often as the pause between two packets allows, each time on its own time", async () => {
  const { machine, map } = machineWithProbe();
  await machine.replay([...arm(1000n, RESTARTS), packet(LOOKUP, { afterUs: 3 }), packet(LOOKUP, { afterUs: 1_000_000 })]);
  expect(fired(map)).toBe(5n);
});

test("what is due by the last packet of the run fires, and nothing behind it", async () => {
  const { machine, map } = machineWithProbe();
  await machine.replay([...arm(10_000n), packet(CANCEL, { key: 2, afterUs: 10 })]);
  expect(fired(map)).toBe(1n);
  const other = machineWithProbe();
  await other.machine.replay([...arm(10_001n), packet(CANCEL, { key: 2, afterUs: 10 })]);
  expect(fired(other.map)).toBe(0n);
});

test("a program whose callback a timer has is not unloaded before the timer is gone", async () => {
  const { machine, map } = machineWithProbe();
  const [link] = machine.dataplane.links;
  const program = link!.program!;
  await machine.replay(arm(10_000n));
  link!.detach();
  expect(() => machine.dataplane.unload(program)).toThrow("a timer or workqueue in map array");
  // User space's update frees the value's timer.
  expect(map.update(word(0), new Uint8Array(map.spec.valueSize))).toBe(0);
  machine.dataplane.unload(program);
  expect(machine.dataplane.programs).toEqual([]);
});

/** Arms a timer on each CPU for 5 ms after boot, or later; its callback traps when it finds 1 in the value, and counts otherwise. */
const onEveryCpu = `
    r6 = r1
    call 8
    *(u32 *)(r10 - 4) = r0
    r1 = map[0]
    r2 = r10
    r2 += -4
    call 1
    if r0 == 0 goto out
    r6 = r0
    r1 = r6
    r1 += 8
    r2 = map[0]
    r3 = 1
    call 169
    r1 = r6
    r1 += 8
    r2 = subprog[callback]
    call 170
    r1 = r6
    r1 += 8
    r2 = 5000000
    r3 = 0
    call 171
    out:
    r0 = 2
    exit
    callback:
    r1 = *(u64 *)(r3 + 0)
    r1 += 1
    *(u64 *)(r3 + 0) = r1
    if r1 != 2 goto fine
    r1 = 0xfffffff0
    r1 = *(u64 *)(r1 + 0)
    fine:
    r0 = 0
    exit`;

/** struct { __u64 fired; struct bpf_timer timer; } */
const timerValue: Btf = {
  types: [
    { kind: "void" },
    { kind: "struct", name: "bpf_timer", size: 16, members: [] },
    { kind: "struct", name: "value", size: 24, members: [{ name: "timer", type: 1, bitOffset: 64, bitSize: 0 }] },
  ],
  littleEndian: true,
};

function machineWithTimers(options: Partial<DataplaneOptions>, cpu: number): { machine: TestMachine; map: BpfMap } {
  const machine = new TestMachine(options);
  const map = machine.map({ name: "timers", type: BPF_MAP_TYPE_ARRAY, valueSize: 24, maxEntries: 2, btf: timerValue, valueTypeId: 2 });
  const { dataplane } = machine;
  const text = spec("arm", onEveryCpu, "xdp", [map.spec]);
  const callback = text.instructions.length / 8 - 9;
  const program = machine.load(
    {
      ...text,
      functions: [
        { instruction: 0, name: "arm" },
        { instruction: callback, name: "callback" },
      ],
    },
    [map],
  );
  const context = dataplane.memory.allocate("program", XdpContext.size, 64, "context");
  expect(runOnce(dataplane.host, program, context, cpu)).toEqual({ returned: 2n });
  machine.attach("xdp", returns(2));
  return { machine, map };
}

const fiveAndTen = [0, 5, 5].map((ms) => ({ bytes: new Uint8Array(64), afterUs: ms * 1000 + 1 }));

test.each([0, 1])("a timer of CPU %i fires when the machine's time gets there, whichever CPU has the packets", async (cpu) => {
  const { machine, map } = machineWithTimers({ cpus: 2 }, cpu);
  await machine.replay(fiveAndTen);
  expect([fired(map, 0), fired(map, 1)]).toEqual(cpu === 0 ? [1n, 0n] : [0n, 1n]);
});

test("a callback that traps is counted, and costs no packet", async () => {
  const { machine, map } = machineWithTimers({ cpus: 1 }, 0);
  map.section.initialise(Uint8Array.of(1));
  const { outcomes, result } = await machine.replay(fiveAndTen);
  expect(outcomes.map(({ fate }) => fate)).toEqual(["stack", "stack", "stack"]);
  expect(result.traps).toMatchObject([{ program: "arm", reason: "memory" }]);
});

test.runIf(built)(`workers fire the same timers${built ? "" : " (skipped: dist/ is not built)"}`, async () => {
  const packets = [
    ...arm(1000n, RESTARTS),
    ...Array.from({ length: 500 }, (_, index) => packet(LOOKUP, { afterUs: index % 50 === 0 ? 900 : 1 })),
  ];
  const here = machineWithProbe();
  const there = machineWithProbe({ workers: 1, openPool: openWorkerPool });
  const [inline, threaded] = [await here.machine.replay(packets), await there.machine.replay(packets)];
  expect(threaded.outcomes).toEqual(inline.outcomes);
  expect(fired(there.map)).toBe(fired(here.map));
});
