import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { BPF_MAP_TYPE_PERF_EVENT_ARRAY, BPF_MAP_TYPE_RINGBUF, EAGAIN, EINVAL, RingHeader, XdpContext } from "../../src/layout/index.ts";
import { createMap, drainPerfBuffer, drainRing, openPerfBuffer, ringLost } from "../../src/runtime/index.ts";
import { mapSpec, TestMachine } from "./machine.ts";

const RING_SIZE = 4096;
const ring = mapSpec(BPF_MAP_TYPE_RINGBUF, { keySize: 0, valueSize: 0, maxEntries: RING_SIZE });
const query = (machine: TestMachine, map: number, what: number): number =>
  Number(machine.call("ringbufQuery", map, BigInt(what)) as unknown);

describe("RINGBUF", () => {
  test("records that nobody took can be looked at, and those that found no room are counted", () => {
    const machine = new TestMachine();
    machine.useCpu(0);
    const map = createMap(machine.host, ring);
    const output = (size: number, fill: number) =>
      machine.call("ringbufOutput", map.address, machine.put(0, new Uint8Array(size).fill(fill)), BigInt(size), 0n);
    expect([output(4, 1), output(2000, 2), output(3000, 3)]).toEqual([0, 0, -EAGAIN]);
    const records = [new Uint8Array(4).fill(1), new Uint8Array(2000).fill(2)];
    expect(map.records).toEqual(records);
    expect(map.lost).toBe(1);
    expect(drainRing(machine.memory, map)).toEqual(records);
    expect(map.records).toEqual([]);
  });

  test("records come out in order, whole, without the discarded ones, whatever the sizes", () => {
    const machine = new TestMachine();
    machine.useCpu(0);
    const map = createMap(machine.host, ring);
    const operation = fc.record({
      how: fc.constantFrom("output", "submit", "discard", "drain"),
      size: fc.nat(700),
      fill: fc.nat(255),
    });
    fc.assert(
      fc.property(fc.array(operation, { maxLength: 60 }), (operations) => {
        drainRing(machine.memory, map);
        let held = 0;
        let expected: Uint8Array[] = [];
        for (const { how, size, fill } of operations) {
          if (how === "drain") {
            expect(drainRing(machine.memory, map)).toEqual(expected);
            expected = [];
            held = 0;
            continue;
          }
          const bytes = new Uint8Array(size).fill(fill);
          const room = Math.ceil((size + 8) / 8) * 8;
          const fits = held + room <= RING_SIZE - 1;
          if (how === "output") {
            expect(machine.call("ringbufOutput", map.address, machine.put(0, bytes), BigInt(size), 0n)).toBe(fits ? 0 : -EAGAIN);
          } else {
            const sample = machine.call("ringbufReserve", map.address, BigInt(size), 0n) >>> 0;
            expect(sample !== 0).toBe(fits);
            if (fits) {
              machine.memory.bytes.set(bytes, sample);
              machine.call(how === "submit" ? "ringbufSubmit" : "ringbufDiscard", sample, 0n);
            }
          }
          if (fits) held += room;
          if (fits && how !== "discard") expected.push(bytes);
        }
        expect(drainRing(machine.memory, map)).toEqual(expected);
      }),
      { numRuns: 100 },
    );
  });

  test("a record that is still being written holds back those behind it, and its room", () => {
    const machine = new TestMachine();
    machine.useCpu(0);
    const map = createMap(machine.host, ring);
    const first = machine.call("ringbufReserve", map.address, 100n, 0n);
    expect(machine.call("ringbufOutput", map.address, machine.put(0, Uint8Array.of(1, 2, 3)), 3n, 0n)).toBe(0);
    expect(drainRing(machine.memory, map)).toEqual([]);
    expect([0, 1, 2, 3, 9].map((what) => query(machine, map.address, what))).toEqual([128, 4096, 0, 128, 0]);
    machine.memory.bytes.fill(7, first, first + 100);
    machine.call("ringbufSubmit", first, 0n);
    expect(drainRing(machine.memory, map)).toEqual([new Uint8Array(100).fill(7), Uint8Array.of(1, 2, 3)]);
    expect([0, 2, 3].map((what) => query(machine, map.address, what))).toEqual([0, 128, 128]);
  });

  test("flags that Linux does not know are refused, records that do not fit counted", () => {
    const machine = new TestMachine();
    machine.useCpu(0);
    const map = createMap(machine.host, ring);
    expect(machine.call("ringbufReserve", map.address, 8n, 1n)).toBe(0);
    expect(machine.call("ringbufOutput", map.address, machine.put(0, new Uint8Array(8)), 8n, 4n)).toBe(-EINVAL);
    expect(machine.call("ringbufReserve", map.address, 4096n, 0n)).toBe(0);
    expect(machine.call("ringbufReserve", map.address, 4088n, 0n)).toBe(0);
    expect(machine.call("ringbufReserve", map.address, 0xffff_ffff_ffff_ffffn, 0n)).toBe(0);
    expect(ringLost(machine.memory, map)).toBe(1n);
  });

  test("positions and lengths that a wrong program wrote end the walk of consumer and producer", () => {
    const machine = new TestMachine();
    machine.useCpu(0);
    const map = createMap(machine.host, ring);
    const sample = machine.call("ringbufReserve", map.address, 16n, 0n);
    machine.memory.view.setUint32(sample - 8, 0x3fff_ffff, true);
    expect(drainRing(machine.memory, map)).toEqual([]);
    RingHeader.writeBig(machine.memory.view, map.address, "producer", 1n << 60n);
    expect(drainRing(machine.memory, map)).toEqual([]);
    machine.call("ringbufReserve", map.address, 16n, 0n);
    RingHeader.writeBig(machine.memory.view, map.address, "pending", 1n << 61n);
    expect(machine.call("ringbufReserve", map.address, 16n, 0n)).toBe(0);
  });
});

describe("PERF_EVENT_ARRAY", () => {
  const events = mapSpec(BPF_MAP_TYPE_PERF_EVENT_ARRAY, { valueSize: 4, maxEntries: 2 });
  const CURRENT = 0xffffffffn;

  /** bpf_perf_event_output from an XDP program whose frame is the bytes 0, 1, 2, …. */
  class PerfMachine extends TestMachine {
    readonly context: number;
    constructor() {
      super(2);
      this.useCpu(0);
      this.context = this.put(8, new Uint8Array(XdpContext.size));
      const frame = this.put(
        9,
        Uint8Array.from({ length: 64 }, (_, index) => index),
      );
      XdpContext.write(this.memory.view, this.context, "data", frame);
      XdpContext.write(this.memory.view, this.context, "data_end", frame + 64);
    }
    output(map: number, flags: bigint, data: Uint8Array): number {
      return this.call("xdpEventOutput", this.context, map, flags, this.put(0, data), data.length);
    }
  }

  test("nobody listens, no such entry, another CPU's ring, unknown flags: Linux's errors", () => {
    const machine = new PerfMachine();
    const map = createMap(machine.host, events);
    const data = Uint8Array.of(1, 2, 3, 4);
    expect(machine.output(map.address, CURRENT, data)).toBe(-2);
    openPerfBuffer(machine.memory, map, 2);
    expect([
      machine.output(map.address, 5n, data),
      machine.output(map.address, 1n, data),
      machine.output(map.address, 1n << 60n, data),
    ]).toEqual([-7, -95, -22]);
    expect(machine.output(map.address, CURRENT | (65n << 32n), data)).toBe(-14);
    expect(machine.output(map.address, 0n, data)).toBe(0);
  });

  test("samples hold the program's data, the frame's first bytes, and the kernel's padding", () => {
    const machine = new PerfMachine();
    const map = createMap(machine.host, events);
    openPerfBuffer(machine.memory, map, 2);
    expect(machine.output(map.address, CURRENT | (6n << 32n), Uint8Array.of(9, 9, 9, 9))).toBe(0);
    machine.useCpu(1);
    expect(machine.output(map.address, CURRENT, Uint8Array.of(5))).toBe(0);
    expect(drainPerfBuffer(machine.memory, map)).toEqual([
      { cpu: 0, samples: [Uint8Array.of(9, 9, 9, 9, 0, 1, 2, 3, 4, 5, 0, 0)], lost: 0 },
      { cpu: 1, samples: [Uint8Array.of(5, 0, 0, 0)], lost: 0 },
    ]);
    expect(drainPerfBuffer(machine.memory, map)).toEqual([
      { cpu: 0, samples: [], lost: 0 },
      { cpu: 1, samples: [], lost: 0 },
    ]);
  });

  test("a full ring drops and counts, and goes on when it was read", () => {
    const machine = new PerfMachine();
    const map = createMap(machine.host, events);
    openPerfBuffer(machine.memory, map, 2, 1);
    const answers = Array.from({ length: 5 }, () => machine.output(map.address, CURRENT, new Uint8Array(1000)));
    expect(answers).toEqual([0, 0, 0, 0, -28]);
    expect(drainPerfBuffer(machine.memory, map)[0]).toMatchObject({ samples: { length: 4 }, lost: 1 });
    expect(machine.output(map.address, CURRENT, new Uint8Array(1000).fill(3))).toBe(0);
    expect(drainPerfBuffer(machine.memory, map)[0]!.samples[0]).toEqual(new Uint8Array(1004).fill(3, 0, 1000));
  });
});
