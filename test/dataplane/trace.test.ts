import { existsSync } from "node:fs";
import { expect, test } from "vitest";
import { openWorkerPool } from "../../src/dataplane/pool.node.ts";
import { udp } from "../../src/packet/index.ts";
import { spec, TestMachine } from "./machine.ts";

const built = existsSync(new URL("../../dist/worker.js", import.meta.url));

/** bpf_trace_printk("n=%d\n", sizeof, 7); return XDP_PASS; */
const printing = spec(
  "printing",
  `
    r1 = 0xa64253d6e ll
    *(u64 *)(r10 - 8) = r1
    r1 = r10
    r1 += -8
    r2 = 6
    r3 = 7
    call 6
    r0 = 2
    exit`,
);
const packets = (count: number) => Array.from({ length: count }, () => udp({ from: "10.0.0.9:4000", to: "10.0.0.1:53" }));

test("what a program prints comes back with CPU and virtual time", async () => {
  const machine = new TestMachine();
  machine.attach("xdp", printing);
  const { result } = await machine.replay(packets(2));
  expect(result.trace.lines.map(({ cpu, text }) => ({ cpu, text }))).toEqual([
    { cpu: 0, text: "n=7\n" },
    { cpu: 0, text: "n=7\n" },
  ]);
  expect(result.trace.lines[1]!.nanoseconds - result.trace.lines[0]!.nanoseconds).toBe(1000n);
  expect(result.trace.lost).toBe(0);
});

test("a flood of lines is cut and counted", async () => {
  const machine = new TestMachine();
  machine.attach("xdp", printing);
  const { result } = await machine.replay(packets(1200));
  expect(result.trace.lines).toHaveLength(1000);
  expect(result.trace.lost).toBe(200);
});

test.skipIf(!built)("lines come back from worker threads too", async () => {
  const machine = new TestMachine({ workers: 1, openPool: openWorkerPool });
  machine.attach("xdp", printing);
  const { result } = await machine.replay(packets(3));
  expect(result.trace.lines.map(({ text }) => text)).toEqual(["n=7\n", "n=7\n", "n=7\n"]);
});
