import type { ObjectFile } from "../../bpf/elf/index.ts";
import type { Kernel, KernelMap, KernelProgram } from "../../kernel/index.ts";
import { ProblemError } from "../../problem/index.ts";
import type { MapContents } from "./contents.ts";
import { type BenchEngine, type DumpedEntry, isDumped, type LoadedObject, type PreparedRun, type RepeatedRun } from "./engine.ts";
import { benchProblems } from "./problems.ts";

/** The live kernel's JIT, by BPF_PROG_TEST_RUN. */
export class KernelEngine implements BenchEngine {
  readonly name = "kernel";
  readonly #kernel: Kernel;

  constructor(kernel: Kernel) {
    this.#kernel = kernel;
  }

  load(object: ObjectFile, contents: readonly MapContents[]): LoadedObject {
    const maps = this.#kernel.createMaps(object.maps);
    for (const { map, entries } of contents) fill(maps.get(map.name)!, entries);
    return {
      program: (entry) => {
        const spec = object.programs.find(({ name }) => name === entry);
        if (!spec) throw new ProblemError(benchProblems.bench_program_missing({ object: object.file, entry }));
        const program = this.#kernel.loadProgram(spec, maps);
        return { on: (packet) => new KernelRun(program, packet) };
      },
      dump: () => new Map([...maps].filter(([, { spec }]) => isDumped(spec)).map(([name, map]) => [name, [...dumped(map)]])),
    };
  }
}

function* dumped(map: KernelMap): Generator<DumpedEntry> {
  const { valueSize } = map.spec;
  const slice = map.perCpu ? (valueSize + 7) & ~7 : valueSize;
  for (const [key, value] of map.entries()) {
    const values = Array.from({ length: value.length / slice }, (_, cpu) => value.subarray(cpu * slice, cpu * slice + valueSize));
    yield { key, values };
  }
}

function fill(map: KernelMap, entries: MapContents["entries"]): void {
  for (const { key, value } of entries) {
    if (value === undefined) continue;
    const result = map.update(key, value);
    if (result < 0) throw new ProblemError(benchProblems.bench_map_fill({ engine: "the live kernel", map: map.spec.name, errno: -result }));
  }
}

class KernelRun implements PreparedRun {
  readonly #program: KernelProgram;
  readonly #packet: Uint8Array;

  constructor(program: KernelProgram, packet: Uint8Array) {
    this.#program = program;
    this.#packet = packet;
  }

  /**
   * The kernel leaves out the time in which it was scheduled away, but rounds down to whole nanoseconds; the clock around the call knows the fraction. So:
   * the clock's value where it agrees with the kernel's, or else the middle of the nanosecond that the kernel names.
   */
  run(repeat: number): RepeatedRun {
    const start = process.hrtime.bigint();
    const result = this.#program.run({ packet: this.#packet, repeat });
    const elapsed = Number(process.hrtime.bigint() - start) / repeat;
    if (result.error < 0) throw new Error(`BPF_PROG_TEST_RUN of ${this.#program.spec.name}: errno ${-result.error}`);
    const agrees = Math.floor(elapsed) === result.nanoseconds;
    const nanoseconds = agrees ? elapsed : result.nanoseconds + 0.5;
    return { nanoseconds, returned: result.returned, packet: result.packet };
  }
}
