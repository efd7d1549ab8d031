import { describe, expect, test } from "vitest";
import { BPF_MAP_TYPE_ARRAY, BPF_MAP_TYPE_HASH, BPF_MAP_TYPE_PROG_ARRAY, CpuBlock, ProgramStats } from "../../src/layout/index.ts";
import { createMap, ProgramLoader, type RunResult, runOnce } from "../../src/runtime/index.ts";
import { mapSpec, TestMachine, u32Key, u64Value } from "./machine.ts";
import { programSpec, verified } from "./programs.ts";

const counters = mapSpec(BPF_MAP_TYPE_ARRAY, { name: "counters", maxEntries: 1 });
const flows = mapSpec(BPF_MAP_TYPE_HASH, { name: "flows", maxEntries: 4 });
const jumps = mapSpec(BPF_MAP_TYPE_PROG_ARRAY, { name: "jumps", valueSize: 4, maxEntries: 2 });

const signed = (result: RunResult): bigint | string => ("trap" in result ? result.trap.reason : BigInt.asIntN(64, result.returned));

describe.each(["jit", "interp"] as const)("with the engine %s", (engine) => {
  test("a program updates a map, calls back, and its runs are counted", () => {
    const machine = new TestMachine();
    const loader = new ProgramLoader(machine.host);
    const maps = [createMap(machine.host, counters), createMap(machine.host, flows)];
    const text = `
      r1 = 10
      r2 = subprog[callback]
      r3 = 0
      r4 = 0
      call bpf_loop
      exit
    callback:
      *(u32 *)(r10 -4) = r1
      *(u64 *)(r10 -16) = r1
      r1 = map[flows]
      r2 = r10
      r2 += -4
      r3 = r10
      r3 += -16
      r4 = 0
      call bpf_map_update_elem
      r0 = 0
      exit`;
    const program = loader.load(verified(programSpec(text, [counters, flows], [7])), maps, engine);
    expect(signed(runOnce(machine.host, program, 0))).toBe(10n);
    expect([...maps[1]!.entries()].map(([key]) => key[0]).sort()).toEqual([0, 1, 2, 3]);
    const stats = CpuBlock.read(machine.memory.view, machine.host.cpus.blocks[0]!, "program_stats");
    expect(ProgramStats.readBig(machine.memory.view, stats + program.slot * ProgramStats.size, "run_count")).toBe(1n);
  });

  test("a tail call through a PROG_ARRAY does not come back, and 33 of them are all there are", () => {
    const machine = new TestMachine();
    const loader = new ProgramLoader(machine.host);
    const maps = [createMap(machine.host, counters), createMap(machine.host, jumps)];
    const text = `
      r6 = r1
      r2 = map[counters][0]
      r3 = 1
      lock *(u64 *)(r2 +0) += r3
      r1 = r6
      r2 = map[jumps]
      r3 = 1
      call bpf_tail_call
      r0 = 7
      exit`;
    const program = loader.load(verified(programSpec(text, [counters, jumps])), maps, engine);
    expect(signed(runOnce(machine.host, program, 0))).toBe(7n);
    maps[1]!.setProgram(1, program.slot);
    expect(signed(runOnce(machine.host, program, 0))).toBe(7n);
    expect(maps[0]!.lookup(u32Key(0))).toEqual(u64Value(1n + 34n));
  });

  test("a trap names its reason and instruction, releases locks, and the next run is none the worse", () => {
    const machine = new TestMachine();
    const loader = new ProgramLoader(machine.host);
    const map = createMap(machine.host, counters);
    const text = `
      r6 = r1
      r1 = map[counters][0]
      call bpf_spin_lock
      r2 = 4294967288 ll
      r0 = *(u64 *)(r2 +0)
      exit`;
    const program = loader.load(verified(programSpec(text, [counters])), [map], engine);
    const result = runOnce(machine.host, program, 0);
    expect(result).toMatchObject({ trap: { reason: "memory", instruction: 6 } });
    expect(map.lookup(u32Key(0))).toEqual(u64Value(0n));
    const endless = loader.load(verified(programSpec("r0 = 0\nagain:\nr0 += 1\nif r0 != 0 goto again\nexit")), [], engine);
    (machine.host.runtime.exports.setFuel as (held: bigint, limit: bigint) => void)(0n, 10_000n);
    expect(signed(runOnce(machine.host, endless, 0))).toBe("budget");
    expect(CpuBlock.read(machine.memory.view, machine.host.cpus.blocks[0]!, "depth")).toBe(0);
  });
});
