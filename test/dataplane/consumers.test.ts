import { expect, test } from "vitest";
import type { PerfEvent } from "../../src/dataplane/index.ts";
import { BPF_MAP_TYPE_HASH, BPF_MAP_TYPE_PERF_EVENT_ARRAY, BPF_MAP_TYPE_RINGBUF } from "../../src/layout/index.ts";
import { spec, TestMachine, word } from "./machine.ts";
import { built, type Event, queries, threads, watchMachine } from "./watch.ts";

for (const [name, options] of threads) {
  const skip = options.workers !== 0 && !built;

  test.skipIf(skip)(`${name}: a ring buffer's records come once, in order, by type, window by window`, async () => {
    const { machine, loaded } = watchMachine(options);
    const events: Event[] = [];
    let windows = 0;
    machine.dataplane.ringBuffer<Event>(loaded.map("events")!, { type: "event", onRecord: (event) => events.push(event) });
    await machine.replay(queries(2000), {
      onWindow: ({ total }) => {
        windows++;
        expect(events.length).toBe((total * 9) / 10);
      },
    });
    expect(windows).toBe(100);
    expect(events.length).toBe(1800);
    expect(events.map(({ id }) => id.word).sort((a, b) => a - b)).toEqual(Array.from({ length: 1800 }, (_, index) => index + 1));
    // The packets of one flow are on one CPU, so their records are in order of time.
    const ports = new Set(events.map(({ flow }) => flow.port));
    expect(ports.size).toBe(32);
    for (const port of ports) {
      const times = events.filter(({ flow }) => flow.port === port).map(({ time }) => time);
      expect(times).toEqual([...times].sort((a, b) => (a < b ? -1 : 1)));
    }
    const { time, ...first } = events.find(({ id }) => id.word === 1)!;
    expect(typeof time).toBe("bigint");
    expect(first).toEqual({
      flow: { address: Uint8Array.of(10, 0, 0, 9), port: expect.any(Number), pad: 0 },
      length: 42,
      direction: "TOWARDS_PORT",
      label: "dns",
      id: { word: 1, bytes: Uint8Array.of(1, 0, 0, 0) },
      even: 0,
      count: 1,
    });
  });

  test.skipIf(skip)(`${name}: a perf buffer gives each CPU's samples in order, and how many were lost`, async () => {
    const { machine, loaded } = watchMachine(options);
    const samples = new Map<number, Event[]>();
    const lost = new Map<number, number>();
    // A record has 56 bytes, and a page holds 73: of one window's packets on a CPU the rest is lost.
    const perf = machine.dataplane.perfBuffer<Event>(loaded.map("samples")!, {
      type: "event",
      pages: 1,
      onSample: (event, cpu) => samples.set(cpu, [...(samples.get(cpu) ?? []), event]),
      onLost: (count, cpu) => lost.set(cpu, (lost.get(cpu) ?? 0) + count),
    });
    const packets = queries(4000).map((sent) => ({ bytes: (sent as { bytes: Uint8Array }).bytes, afterUs: 0 }));
    const { outcomes } = await machine.replay(packets);
    const watched = outcomes.filter((_, index) => index % 10 !== 9);
    for (const cpu of [0, 1, 2, 3]) {
      const own = watched.filter((outcome) => outcome.cpu === cpu).length;
      expect(own).toBeGreaterThan(100);
      expect(samples.get(cpu)!.length).toBe(73);
      expect(lost.get(cpu)).toBe(own - 73);
    }
    expect(perf.lost).toBe([...lost.values()].reduce((sum, count) => sum + count));
  });

  test.skipIf(skip)(`${name}: what finds no room in a ring depends on the packets alone`, async () => {
    const { machine, loaded } = watchMachine(options);
    let received = 0;
    const ring = machine.dataplane.ringBuffer(loaded.map("events")!, { onRecord: () => received++ });
    // 3,600 records of 48 bytes in one window, and room for 1,365.
    await machine.replay(
      queries(4000).map((sent) => ({ bytes: (sent as { bytes: Uint8Array }).bytes, afterUs: 0 })),
      { repeat: 3 },
    );
    expect([received, ring.lost]).toEqual([3 * 1365, 3 * (3600 - 1365)]);
  });

  test.skipIf(skip)(`${name}: async iterators follow a run, and end when they are closed`, async () => {
    const { machine, loaded } = watchMachine(options);
    const ring = machine.dataplane.ringBuffer<Event>(loaded.map("events")!, { type: "event" });
    const perf = machine.dataplane.perfBuffer<Event>(loaded.map("samples")!, { type: "event" });
    const words: number[] = [];
    const cpus = new Set<number>();
    const reading = Promise.all([
      (async () => {
        for await (const event of ring) words.push(event.id.word);
      })(),
      (async () => {
        for await (const event of perf as AsyncIterable<PerfEvent<Event>>) cpus.add(event.cpu);
      })(),
    ]);
    await machine.run(queries(1000), { repeat: 3 });
    ring.close();
    perf.close();
    await reading;
    expect(words.length).toBe(2700);
    expect([...cpus].sort()).toEqual([0, 1, 2, 3]);
  });

  test.skipIf(skip)(`${name}: a consumer may come and go during a run`, async () => {
    const { machine, loaded } = watchMachine(options);
    const map = loaded.map("events")!;
    const got: number[] = [];
    const listen = () => machine.dataplane.ringBuffer<Event>(map, { type: "event", onRecord: ({ id }) => got.push(id.word) });
    let ring: ReturnType<typeof listen> | undefined;
    await machine.replay(queries(2000), {
      onWindow: ({ number }) => {
        if (number === 20) ring = listen();
        if (number === 60) ring?.close();
        if (number === 80) ring = listen();
      },
    });
    // What was submitted before waited in the ring (which has room for 1,365 records); nothing came twice.
    expect(new Set(got).size).toBe(got.length);
    expect(got.length + ring!.lost).toBe(1800);
    expect(ring!.consume()).toBe(0);
  });
}

test("between runs a ring is emptied by hand; a ring has one consumer; other maps and types are refused", async () => {
  const { machine, loaded } = watchMachine();
  const { dataplane } = machine;
  const map = loaded.map("events")!;
  await machine.run(queries(20));
  const records: Uint8Array[] = [];
  const ring = dataplane.ringBuffer(map, { onRecord: (record) => records.push(record) });
  expect(ring.consume()).toBe(18);
  expect(records.every(({ length }) => length === 40)).toBe(true);
  expect(() => dataplane.ringBuffer(map)).toThrowError("has a consumer already");
  ring.close();
  expect(() => dataplane.ringBuffer(loaded.map("samples")!)).toThrowError("expected a ringbuf");
  expect(() => dataplane.perfBuffer(map)).toThrowError("expected a perf_event_array");
  expect(() => dataplane.ringBuffer(map, { type: "nothing" })).toThrowError("no type nothing");
});

test("a record that is shorter than its type ends the run with its name", async () => {
  const machine = new TestMachine({});
  const { loaded } = watchMachine();
  const { btf } = loaded.map("events")!.spec;
  const ring = machine.map({ name: "short", type: BPF_MAP_TYPE_RINGBUF, keySize: 0, valueSize: 0, maxEntries: 4096 });
  machine.attach(
    "xdp",
    machine.load(
      spec("submit", "r1 = 7\n*(u64 *)(r10 - 8) = r1\nr1 = map[0]\nr2 = r10\nr2 += -8\nr3 = 8\nr4 = 0\ncall 130\nr0 = 2\nexit", "xdp", [
        ring.spec,
      ]),
      [ring],
    ),
  );
  machine.dataplane.ringBuffer(ring, { type: "event", btf: btf! });
  await expect(machine.replay(queries(5))).rejects.toThrowError("a record has 8 bytes, and event has");
  expect(machine.map({ name: "other", type: BPF_MAP_TYPE_HASH }).lookup(word(1))).toBeUndefined();
  expect(machine.map({ name: "perf", type: BPF_MAP_TYPE_PERF_EVENT_ARRAY }).lookup(word(0))).toBeUndefined();
});
