import { expect, test } from "vitest";
import { BPF_EXIST, BPF_MAP_TYPE_HASH, BPF_NOEXIST } from "../../src/layout/index.ts";
import { type PerCpu, TypedMap } from "../../src/runtime/index.ts";
import { TestMachine, word } from "./machine.ts";
import { built, type Flow, type FlowKey, queries, threads, watchMachine } from "./watch.ts";

for (const [name, options] of threads) {
  test.skipIf(options.workers !== 0 && !built)(`${name}: typed maps are read and written while packets flow`, async () => {
    const { machine, loaded } = watchMachine(options);
    const flows = loaded.typedMap<FlowKey, Flow>("flows");
    const lengths = loaded.typedMap<number, PerCpu<bigint>>("lengths");
    const key = { address: [10, 0, 0, 9], port: 0xe803 };
    let packets = 0n;
    await machine.run(queries(2000), {
      onWindow: ({ number }) => {
        const flow = flows.lookup(key);
        if (flow !== undefined) {
          expect(flow.packets >= packets).toBe(true);
          ({ packets } = flow);
        }
        // User space adds its own packets to the count: the program goes on from there.
        if (number === 50) flows.update(key, { packets: 1_000_000n, bytes: 5, direction: "FROM_PORT" });
      },
    });
    expect(packets > 1_000_000n).toBe(true);
    const { packets: counted, ...rest } = flows.lookup(key)!;
    expect(counted).toBe(packets);
    expect(rest).toEqual({ bytes: 5n + (counted - 1_000_000n) * 42n, direction: "FROM_PORT", sampled: false });
    expect(flows.size).toBe(32);
    expect(new Set([...flows.keys()].map(({ port }) => port)).size).toBe(32);
    expect(lengths.lookup(0)!.length).toBe(4);
    expect(lengths.lookup(0)!.reduce((sum, count) => sum + count)).toBe(1800n);
    expect([...lengths].map(([index, counts]) => [index, counts.some((count) => count > 0n)])).toEqual([
      [0, true],
      [1, false],
      [2, false],
      [3, false],
    ]);
  });
}

test("flags answer with false, other refusals with a Problem; batches; lookupAndDelete", () => {
  const { loaded } = watchMachine();
  const flows = loaded.typedMap<FlowKey, Flow>("flows");
  const key = (port: number) => ({ address: Uint8Array.of(1, 2, 3, 4), port, pad: 0 });
  const flow = { packets: 1n, bytes: 2n ** 63n, direction: 77, sampled: true };
  expect(flows.update(key(1), flow, BPF_EXIST)).toBe(false);
  expect(flows.update(key(1), flow)).toBe(true);
  expect(flows.update(key(1), flow, BPF_NOEXIST)).toBe(false);
  expect(flows.lookup(key(1))).toEqual(flow);
  flows.updateBatch(Array.from({ length: 1023 }, (_, index) => [key(index + 2), flow] as const));
  expect(flows.size).toBe(1024);
  expect(() => flows.update(key(5000), flow)).toThrowError("-7");
  const entries: (readonly [FlowKey, Flow])[] = [];
  for (let cursor: number | undefined = 0; cursor !== undefined; ) {
    const batch: ReturnType<typeof flows.lookupBatch> = flows.lookupBatch(cursor);
    entries.push(...batch.entries);
    cursor = batch.next;
  }
  expect(entries.length).toBe(1024);
  expect(flows.deleteBatch(entries.slice(0, 1000).map(([one]) => one))).toBe(1000);
  expect(flows.deleteBatch([entries[0]![0]])).toBe(0);
  expect(flows.lookupAndDelete(entries[1001]![0])).toEqual(flow);
  expect(flows.delete(entries[1001]![0])).toBe(false);
  expect(flows.size).toBe(23);
  expect(() => flows.update({ port: 70_000 }, flow)).toThrowError("flows.key.port");
  expect(() => loaded.typedMap("nothing")).toThrowError("no map nothing; it has flows, lengths");
});

test("one value for all CPUs; a value without types is its bytes", () => {
  const { loaded } = watchMachine();
  const lengths = loaded.typedMap<number, PerCpu<bigint>>("lengths");
  lengths.update(2, 7n);
  expect(lengths.lookup(2)).toEqual([7n, 7n, 7n, 7n]);
  lengths.update(2, [1n, 2n, 3n, 4n]);
  expect(lengths.lookup(2)).toEqual([1n, 2n, 3n, 4n]);
  const bytes = new TypedMap<Uint8Array, Uint8Array>(new TestMachine({}).map({ name: "bytes", type: BPF_MAP_TYPE_HASH }));
  bytes.update(word(1), word(2));
  expect([...bytes]).toEqual([[word(1), word(2)]]);
  expect(() => bytes.update([1, 2, 3, 4], word(1))).toThrowError("written as a Uint8Array");
});
