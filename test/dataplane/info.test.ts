import { expect, test } from "vitest";
import { openWorkerPool } from "../../src/dataplane/pool.node.ts";
import { BPF_MAP_TYPE_PROG_ARRAY } from "../../src/layout/index.ts";
import { returns, spec, TestMachine } from "./machine.ts";
import { built, queries, threads, watchMachine } from "./watch.ts";

for (const [name, options] of threads) {
  const skip = options.workers !== 0 && !built;

  test.skipIf(skip)(`${name}: runs are counted always, their time when it is asked for`, async () => {
    for (const statistics of [false, true]) {
      const { machine, loaded } = watchMachine({ ...options, statistics });
      const [program] = loaded.programs;
      await machine.run(queries(1000), { repeat: 2 });
      const { runCount, runTimeNs, jitedBytes, mapIds, ...info } = machine.dataplane.programInfo(program!);
      expect(info).toEqual({
        id: program!.slot,
        name: "watch",
        type: "xdp",
        gplCompatible: true,
        engine: "jit",
        xlatedBytes: program!.verified.spec.instructions.length,
        recursionMisses: 0n,
        traps: 0n,
      });
      expect(runCount).toBe(2000n);
      expect(runTimeNs > 0n).toBe(statistics);
      expect(jitedBytes).toBe(program!.wasmBytes);
      const used = ["flows", "lengths", "events", "samples", ".rodata", ".data", ".bss"].map((map) => loaded.map(map)!.id);
      expect(mapIds).toEqual(used.sort((a, b) => a - b));
    }
  });

  test.skipIf(skip)(`${name}: traps are counted; a tail call is no run of its own, and its time is the caller's`, async () => {
    const machine = new TestMachine({ openPool: openWorkerPool, ...options, statistics: true });
    const jumps = machine.map({ name: "jumps", type: BPF_MAP_TYPE_PROG_ARRAY, maxEntries: 2 });
    const target = machine.load(returns(1));
    jumps.setProgram(0, target.slot);
    const jump = machine.attach(
      "xdp",
      machine.load(spec("jump", "r2 = map[0]\nr3 = 0\ncall 12\nr0 = 0\nexit", "xdp", [jumps.spec]), [jumps]),
    );
    const { dataplane } = machine;
    const { outcomes } = await machine.replay(queries(100));
    expect(outcomes.every(({ fate }) => fate === "drop")).toBe(true);
    expect([jump, target].map((program) => dataplane.programInfo(program).runCount)).toEqual([100n, 0n]);
    expect(dataplane.programInfo(target).runTimeNs).toBe(0n);
    expect(dataplane.programInfo(jump).runTimeNs > 0n).toBe(true);
    const wild = machine.load(spec("wild", "r1 = 0xfffffff0\nr0 = *(u64 *)(r1 + 0)\nexit"));
    dataplane.links[0]!.update(wild);
    await machine.run(queries(30));
    expect(dataplane.programInfo(wild)).toMatchObject({ runCount: 30n, traps: 30n });
  });
}
