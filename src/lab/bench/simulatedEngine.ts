import type { ObjectFile } from "../../bpf/elf/index.ts";
import { installInterpreted, interpretProgram } from "../../bpf/interp/index.ts";
import { type CompiledMap, compileProgram, installProgram } from "../../bpf/jit/index.ts";
import { helperTable, type ProgramSpec, type ProgramType, type ProgramTypeName } from "../../bpf/spec.ts";
import { type VerifiedProgram, verify } from "../../bpf/verifier/index.ts";
import { MapHeader } from "../../layout/index.ts";
import { ProblemError } from "../../problem/index.ts";
import {
  type BpfMap,
  createCpus,
  createMap,
  generalHelpers,
  instantiateRuntime,
  type MapEntry,
  MapHost,
  type RuntimeInstance,
  SimulatedMemory,
} from "../../runtime/index.ts";
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
};

/** Slices of a sample: each is about a millisecond, much less than the scheduler's. */
const SLICES = 25;

type RepeatProgram = (slot: number, context: number, repeat: number) => bigint;
type Repeat = (context: number, repeat: number) => bigint;

/** One simulated machine on which the interpreter or the compiler is measured. */
class SimulatedEngine implements BenchEngine {
  readonly name: "interp" | "jit";
  readonly #memory = new SimulatedMemory();
  readonly #runtime: RuntimeInstance;
  readonly #host: MapHost;
  readonly #xdp: XdpTestRun;
  readonly #tc: TcTestRun;
  #nextSlot = 1;

  constructor(name: "interp" | "jit") {
    this.name = name;
    const cpus = createCpus(this.#memory, { count: 2 });
    this.#runtime = instantiateRuntime(this.#memory.memory, () => {});
    this.#host = new MapHost(this.#memory, this.#runtime, cpus);
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
    const type = types[spec.type];
    const verified = verify(spec, type);
    if (!verified.accepted) throw new ProblemError(verified.problem);
    const slot = this.name === "jit" ? this.#compile(verified, maps) : this.#interpret(verified, maps);
    const testRun = spec.type === "xdp" ? this.#xdp : this.#tc;
    const repeatProgram = this.#runtime.exports.repeatProgram as unknown as RepeatProgram;
    const run: Repeat = (context, repeat) => repeatProgram(slot, context, repeat);
    return { on: (packet) => ({ run: (repeat) => timedRun(testRun, packet, repeat, run) }) };
  }

  #interpret(program: VerifiedProgram, maps: readonly BpfMap[]): number {
    const slot = this.#nextSlot;
    const environment = { slot, maps: maps.map((map) => compiledMap(this.#memory, map)) };
    const interpreted = interpretProgram(program, environment, { ...this.#runtime, memory: this.#memory.memory });
    installInterpreted(interpreted, this.#runtime.table);
    this.#nextSlot += 1 + interpreted.callbacks.length;
    return slot;
  }

  #compile(program: VerifiedProgram, maps: readonly BpfMap[]): number {
    const compiled = compileProgram(program, {
      slot: this.#nextSlot,
      maps: maps.map((map) => compiledMap(this.#memory, map)),
    });
    this.#nextSlot += compiled.slots;
    const instance = new WebAssembly.Instance(new WebAssembly.Module(compiled.bytes), {
      env: { memory: this.#memory.memory, table: this.#runtime.table },
      runtime: this.#runtime.exports as WebAssembly.ModuleImports,
    });
    installProgram(compiled, instance, this.#runtime.table);
    return compiled.slot;
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

function compiledMap(memory: SimulatedMemory, { address, spec }: BpfMap): CompiledMap {
  const read = (field: "stride" | "elements" | "cpu_stride"): number => MapHeader.read(memory.view, address, field);
  return {
    address,
    type: spec.type,
    keySize: spec.keySize,
    valueSize: spec.valueSize,
    maxEntries: spec.maxEntries,
    stride: read("stride"),
    elements: read("elements"),
    cpuStride: read("cpu_stride"),
    flags: spec.flags,
  };
}

/** The interpreter and the compiler, each on a machine of its own. */
export function openSimulatedEngines(): readonly BenchEngine[] {
  return [new SimulatedEngine("interp"), new SimulatedEngine("jit")];
}
