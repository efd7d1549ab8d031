import type { ObjectFile } from "../../bpf/elf/index.ts";
import { helperTable, type ProgramSpec, type ProgramType, type ProgramTypeName } from "../../bpf/spec.ts";
import { verify } from "../../bpf/verifier/index.ts";
import { ProblemError } from "../../problem/index.ts";
import {
  type BpfMap,
  createCpus,
  createMap,
  type Engine,
  generalHelpers,
  instantiateRuntime,
  type MapEntry,
  MapHost,
  ProgramLoader,
  type RuntimeInstance,
  SimulatedMemory,
} from "../../runtime/index.ts";
import { socketFilterType } from "../../stack/index.ts";
import { tcProgramType } from "../../tc/index.ts";
import { xdpProgramType } from "../../xdp/index.ts";
import { TcTestRun, XdpTestRun } from "../testRun/index.ts";
import type { MapContents } from "./contents.ts";
import { type BenchEngine, type DumpedEntry, isDumped, type LoadedForm, type LoadedObject, type RepeatedRun } from "./engine.ts";
import { benchProblems } from "./problems.ts";
import { layOutBenchNetwork } from "./simulatedNetwork.ts";
import { median } from "./statistics.ts";

/** Room for what a program may put in front of a packet. */
const PAGE_SIZE = 4096;

const withGeneralHelpers = (type: ProgramType): ProgramType => ({ ...type, helpers: helperTable(generalHelpers, type.helpers) });
const types: Readonly<Record<ProgramTypeName, ProgramType>> = {
  xdp: withGeneralHelpers(xdpProgramType),
  sched_cls: withGeneralHelpers(tcProgramType),
  socket_filter: withGeneralHelpers(socketFilterType),
};

/** Slices of a sample: each is about a millisecond, much less than the scheduler's. */
const SLICES = 25;

type RepeatProgram = (slot: number, context: number, repeat: number) => bigint;
type Repeat = (context: number, repeat: number) => bigint;

/** One simulated machine on which the interpreter or the compiler is measured. */
class SimulatedEngine implements BenchEngine {
  readonly name: Engine;
  readonly #memory = new SimulatedMemory();
  readonly #runtime: RuntimeInstance;
  readonly #host: MapHost;
  readonly #loader: ProgramLoader;
  readonly #xdp: XdpTestRun;
  readonly #tc: TcTestRun;

  constructor(name: Engine) {
    this.name = name;
    const cpus = createCpus(this.#memory, { count: 2 });
    this.#runtime = instantiateRuntime(this.#memory.memory, () => {});
    this.#host = new MapHost(this.#memory, this.#runtime, cpus);
    this.#loader = new ProgramLoader(this.#host);
    const network = layOutBenchNetwork(this.#memory, cpus);
    (this.#runtime.exports.cpu as WebAssembly.Global).value = cpus.blocks[0];
    this.#xdp = new XdpTestRun(this.#memory, network);
    this.#tc = new TcTestRun(this.#memory, network, this.#runtime.exports.skbReceive as (skb: number, device: number) => void);
  }

  load(object: ObjectFile, contents: readonly MapContents[]): LoadedObject {
    const maps = object.maps.map((spec) => createMap(this.#host, spec));
    for (const { map, entries } of contents) fill(maps[object.maps.indexOf(map)]!, entries);
    return {
      program: (entry) => {
        const spec = object.programs.find(({ name }) => name === entry);
        if (!spec) throw new ProblemError(benchProblems.bench_program_missing({ object: object.file, entry }));
        return this.#program(spec, maps);
      },
      dump: () => new Map(maps.filter(({ spec }) => isDumped(spec)).map((map) => [map.name, Array.from(map.entries(), dumped)])),
    };
  }

  #program(spec: ProgramSpec, maps: readonly BpfMap[]): LoadedForm {
    const verified = verify(spec, types[spec.type]);
    if (!verified.accepted) throw new ProblemError(verified.problem);
    const { slot } = this.#loader.load(verified, maps, this.name);
    const testRun = spec.type === "xdp" ? this.#xdp : this.#tc;
    const repeatProgram = this.#runtime.exports.repeatProgram as unknown as RepeatProgram;
    const run: Repeat = (context, repeat) => repeatProgram(slot, context, repeat);
    return { on: (packet) => ({ run: (repeat) => timedRun(testRun, packet, repeat, run) }) };
  }
}

/**
 * A test run of so many runs in a row; only these are timed, not what sets them up. As the kernel leaves out the time in which it was scheduled away, so must
 * this clock: the runs are timed in slices, and the median slice counts.
 */
function timedRun(testRun: XdpTestRun | TcTestRun, packet: Uint8Array, repeat: number, run: Repeat): RepeatedRun {
  const slices = Math.min(SLICES, repeat);
  const times: number[] = [];
  const output = testRun.run({ data: packet, dataSizeOut: packet.length + PAGE_SIZE }, (context) => {
    let result = 0n;
    for (let slice = 0; slice < slices; slice++) {
      const runs = Math.floor((repeat * (slice + 1)) / slices) - Math.floor((repeat * slice) / slices);
      const start = process.hrtime.bigint();
      result = run(context, runs);
      times.push(Number(process.hrtime.bigint() - start) / runs);
    }
    return result;
  });
  if ("errno" in output) throw new Error(`the simulated test run failed: errno ${output.errno}`);
  return { nanoseconds: median(times), returned: output.retval, packet: output.out };
}

const dumped = ([key, value]: MapEntry): DumpedEntry => ({ key, values: value instanceof Uint8Array ? [value] : value });

function fill(map: BpfMap, entries: MapContents["entries"]): void {
  for (const { key, value } of entries) {
    if (value === undefined) continue;
    const result = map.update(key, value);
    if (result < 0) throw new ProblemError(benchProblems.bench_map_fill({ engine: "xdplane", map: map.name, errno: -result }));
  }
}

/** The interpreter and the compiler, each on a machine of its own. */
export function openSimulatedEngines(): readonly BenchEngine[] {
  return [new SimulatedEngine("interp"), new SimulatedEngine("jit")];
}
