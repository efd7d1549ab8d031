import type { ProgramTypeName } from "../bpf/spec.ts";
import { CpuBlock, ProgramStats } from "../layout/index.ts";
import type { Engine, LoadedProgram, MapHost } from "../runtime/index.ts";

/** What `bpftool prog show` says of a program. Counts grow from load to unload, over all CPUs and runs. */
export interface ProgramInfo {
  /** Index in the function table. */
  readonly id: number;
  readonly name: string;
  readonly type: ProgramTypeName;
  readonly gplCompatible: boolean;
  readonly engine: Engine;
  /** Bytes of BPF instructions (xlated), and of WebAssembly (jited; 0 when it is interpreted). */
  readonly xlatedBytes: number;
  readonly jitedBytes: number;
  readonly mapIds: readonly number[];
  /** Runs that began at a hook, in a devmap or cpumap entry or in a helper; a tail call is none of its own, as in Linux. Counted always. */
  readonly runCount: bigint;
  /** Time of the host's clock in those runs, tail calls included; 0 unless the machine was made with `statistics`. Virtual time does not pass in a program. */
  readonly runTimeNs: bigint;
  /** 0: Linux counts them for tracing programs only; XDP and TC programs may nest. */
  readonly recursionMisses: bigint;
  /** Runs that ended in a trap. */
  readonly traps: bigint;
}

/** Licenses that GPL-only helpers accept. include/linux/license.h: license_is_gpl_compatible. */
const GPL_COMPATIBLE = new Set(["GPL", "GPL v2", "GPL and additional rights", "Dual BSD/GPL", "Dual MIT/GPL", "Dual MPL/GPL"]);

/** May be asked while CPUs run: each count is read whole. */
export function programInfo({ memory, cpus }: MapHost, program: LoadedProgram): ProgramInfo {
  const { spec, maps } = program.verified;
  const sum = (field: "run_count" | "run_time_ns" | "traps"): bigint =>
    [...cpus.blocks, cpus.host].reduce((total, block) => {
      const stats = CpuBlock.read(memory.view, block, "program_stats") + program.slot * ProgramStats.size;
      return total + Atomics.load(new BigUint64Array(memory.view.buffer, stats + ProgramStats.at[field], 1), 0);
    }, 0n);
  return {
    id: program.slot,
    name: program.name,
    type: spec.type,
    gplCompatible: GPL_COMPATIBLE.has(spec.license),
    engine: program.engine,
    xlatedBytes: spec.instructions.length,
    jitedBytes: program.wasmBytes,
    mapIds: [...maps].map((index) => program.maps[index]!.id).sort((a, b) => a - b),
    runCount: sum("run_count"),
    runTimeNs: sum("run_time_ns"),
    recursionMisses: 0n,
    traps: sum("traps"),
  };
}
