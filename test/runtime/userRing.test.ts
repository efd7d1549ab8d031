import { describe, expect, test } from "vitest";
import { BPF_RINGBUF_BUSY_BIT, BPF_RINGBUF_DISCARD_BIT, CpuBlock, EBUSY, EINVAL, RingHeader } from "../../src/layout/index.ts";
import { type BpfMap, type Engine, writeUserRing } from "../../src/runtime/index.ts";
import { u32Key, u64Value } from "./machine.ts";
import { SimulatedProbe } from "./probe.ts";

/** programs/probes/drain.c: drains the ring; its callback counts records and sums their first words. */
class Drain extends SimulatedProbe {
  readonly ring: BpfMap;

  constructor(engine: Engine) {
    super("drain", engine);
    this.ring = this.maps.get("ring")!;
  }

  get position(): { readonly consumer: bigint; readonly producer: bigint } {
    const { view } = this.machine.memory;
    const at = this.ring.address;
    return { consumer: RingHeader.readBig(view, at, "consumer"), producer: RingHeader.readBig(view, at, "producer") };
  }

  set producer(position: bigint) {
    RingHeader.writeBig(this.machine.memory.view, this.ring.address, "producer", position);
  }

  write(word: bigint): boolean {
    return writeUserRing(this.machine.memory, this.ring, u64Value(word));
  }

  /** Writes a record whose header has these bits, or this length; the producer goes on by `advance`. */
  writeRaw(word: bigint, header: number, advance = 16n): number {
    const { view } = this.machine.memory;
    const { producer } = this.position;
    const at = this.ring.elements + Number(producer % 4096n);
    view.setUint32(at, header >>> 0, true);
    view.setBigUint64(at + 8, word, true);
    this.producer = producer + advance;
    return at;
  }

  drain(flags = 0n, stop = 1000n): { answer: number; records: bigint; sum: bigint; read: bigint } {
    const results = this.maps.get("results")!;
    results.update(u32Key(0), new Uint8Array(24));
    const packet = new Uint8Array(64);
    packet.set(u64Value(flags));
    packet.set(u64Value(stop), 8);
    const answer = this.runPacket(packet);
    const view = new DataView((results.lookup(u32Key(0)) as Uint8Array).slice().buffer);
    return { answer, records: view.getBigUint64(0, true), sum: view.getBigUint64(8, true), read: view.getBigInt64(16, true) };
  }
}

/** What Linux 6.18 answered to the same operations, through a mapping of the ring. */
describe.each(["jit", "interp"] as const)("bpf_user_ringbuf_drain, %s", (engine) => {
  test("takes every record in order, or as many as the callback wants", () => {
    const probe = new Drain(engine);
    expect([0n, 1n, 2n, 3n].map((flags) => probe.drain(flags).answer)).toEqual([0, 0, 0, 0]);
    expect([4n, 1n << 32n].map((flags) => probe.drain(flags).answer)).toEqual([-EINVAL, -EINVAL]);
    for (const word of [1n, 2n, 3n]) probe.write(word);
    expect(probe.drain()).toEqual({ answer: 3, records: 3n, sum: 6n, read: 0n });
    expect(probe.position).toEqual({ consumer: 48n, producer: 48n });
    for (const word of [1n, 2n, 3n, 4n]) probe.write(word);
    expect(probe.drain(0n, 2n)).toMatchObject({ answer: 2, sum: 3n });
    expect(probe.position.consumer).toBe(80n);
    expect(probe.drain()).toMatchObject({ answer: 2, sum: 7n });
  });

  test("passes over discarded records and stops in front of a busy one", () => {
    const probe = new Drain(engine);
    probe.write(1n);
    probe.writeRaw(2n, 8 | BPF_RINGBUF_DISCARD_BIT);
    probe.write(3n);
    expect(probe.drain()).toMatchObject({ answer: 2, sum: 4n });
    probe.write(1n);
    const busy = probe.writeRaw(2n, 8 | BPF_RINGBUF_BUSY_BIT);
    probe.write(3n);
    expect(probe.drain()).toMatchObject({ answer: 1, sum: 1n });
    expect(probe.drain()).toMatchObject({ answer: 0, records: 0n });
    probe.machine.memory.view.setUint32(busy, 8, true);
    expect(probe.drain()).toMatchObject({ answer: 2, sum: 5n });
    probe.writeRaw(1n, 8 | BPF_RINGBUF_DISCARD_BIT | BPF_RINGBUF_BUSY_BIT);
    expect(probe.drain().answer).toBe(0);
    expect(probe.position).toEqual({ consumer: 112n, producer: 112n });
  });

  test("a record shorter than what is read of it is the callback's matter; one that cannot be is -EINVAL and stays", () => {
    const probe = new Drain(engine);
    writeUserRing(probe.machine.memory, probe.ring, Uint8Array.of(1, 2, 3));
    expect(probe.drain()).toEqual({ answer: 1, records: 1n, sum: 0n, read: -7n });
    writeUserRing(probe.machine.memory, probe.ring, new Uint8Array(0));
    expect(probe.drain()).toMatchObject({ answer: 1, read: -7n });
    const { consumer } = probe.position;
    expect(consumer).toBe(24n);
    for (const [length, advance] of [
      [8, 17n],
      [100, 16n],
      [5000, 16n],
    ] as const) {
      probe.writeRaw(5n, length, advance);
      expect(probe.drain(), `${length} bytes, ${advance} further`).toMatchObject({ answer: -EINVAL, records: 0n });
      expect(probe.position.consumer).toBe(consumer);
      probe.producer = consumer;
    }
    probe.producer = consumer - 8n;
    expect(probe.drain().answer).toBe(0);
  });

  test("records go on across the ring's end, and a full ring takes no more", () => {
    const probe = new Drain(engine);
    const record = new Uint8Array(160);
    for (let round = 0; round < 30; round++) {
      record.set(u64Value(BigInt(round)));
      expect(writeUserRing(probe.machine.memory, probe.ring, record)).toBe(true);
      if (round % 10 === 9) expect(probe.drain()).toMatchObject({ answer: 10, sum: BigInt(round * 10 - 45) });
    }
    for (let record = 0; record < 256; record++) expect(probe.write(1n)).toBe(true);
    expect(probe.write(1n)).toBe(false);
    expect(probe.drain()).toMatchObject({ answer: 256, sum: 256n });
    expect(() => writeUserRing(probe.machine.memory, probe.ring, new Uint8Array(4096))).toThrow(RangeError);
  });
});

test("while one CPU drains, another is told -EBUSY; a trap lets the ring go", () => {
  const probe = new Drain("jit");
  const { view } = probe.machine.memory;
  const lock = probe.ring.address + RingHeader.at.lock;
  view.setInt32(lock, CpuBlock.read(view, probe.blockOf(1), "slot") + 1, true);
  expect(probe.drain().answer).toBe(-EBUSY);
  CpuBlock.write(view, probe.blockOf(1), "map_lock_depth", 1);
  view.setUint32(probe.blockOf(1) + CpuBlock.at.map_locks, lock, true);
  probe.machine.useCpu(1);
  probe.machine.call("releaseLocks");
  probe.machine.useCpu(0);
  expect(probe.drain().answer).toBe(0);
});
