import type { MapSpec } from "../../src/bpf/spec.ts";
import type { VerifiedProgram } from "../../src/bpf/verifier/index.ts";
import { layOutBenchNetwork } from "../../src/lab/bench/simulatedNetwork.ts";
import { TcTestRun, XdpTestRun } from "../../src/lab/testRun/index.ts";
import * as uapi from "../../src/layout/index.ts";
import {
  type BpfMap,
  coldHelpers,
  createCpus,
  createMap,
  type Engine,
  instantiateRuntime,
  type LoadedProgram,
  MapHost,
  ProgramLoader,
  type RuntimeInstance,
  runOnce,
  SimulatedMemory,
} from "../../src/runtime/index.ts";
import { layOutConntrack } from "../../src/stack/index.ts";
import { innerName, type LearntContents, type LearntEntry } from "./contents.ts";

/** What one frame came to: verdict and bytes, or why there is none. */
export type Answer = { readonly returned: number; readonly packet: Uint8Array } | { readonly failed: string };

/** Told of every look-up of a map: the map, the key, and the bytes of the value where there is one. */
export type LookupSpy = (map: BpfMap, key: Uint8Array, value: Uint8Array | undefined) => void;

/** Of the random numbers: keys that chance made while they were learnt must not be met again, for the live kernel does not meet them either. */
const LEARNING_SEED = 11n;
const TRIAL_SEED = 12n;

/** Connections that an object's programs can make. */
const TRACKED = 4096;

/** A machine of two CPUs and the loopback device with one object's maps and programs, run as BPF_PROG_TEST_RUN runs them. */
export class SimulatedObject {
  readonly maps = new Map<string, BpfMap>();
  readonly host: MapHost;
  readonly #memory = new SimulatedMemory();
  readonly #loader: ProgramLoader;
  readonly #engine: Engine;
  readonly #specs: readonly MapSpec[];
  readonly #xdp: XdpTestRun;
  readonly #tc: TcTestRun;
  readonly #programs = new Map<string, LoadedProgram>();

  /** `specs`: an object's maps, in its order, sized. A `spy` sees look-ups of the interpreter only. */
  constructor(specs: readonly MapSpec[], engine: Engine, spy?: LookupSpy) {
    this.#specs = specs;
    this.#engine = engine;
    const cpus = createCpus(this.#memory, { count: 2, seed: spy === undefined ? TRIAL_SEED : LEARNING_SEED });
    const network = layOutBenchNetwork(this.#memory, cpus);
    const runtime = this.#withSpy(instantiateRuntime(this.#memory.memory, coldHelpers(this.#memory.memory)), spy);
    (runtime.exports.cpu as WebAssembly.Global).value = cpus.blocks[0];
    this.host = new MapHost(this.#memory, runtime, cpus);
    layOutConntrack(this.host, network.namespace, { connections: [], capacity: TRACKED });
    this.#loader = new ProgramLoader(this.host);
    this.#xdp = new XdpTestRun(this.#memory, network);
    this.#tc = new TcTestRun(this.#memory, network, runtime.exports.skbReceive as (skb: number, device: number) => void);
    for (const spec of specs) this.maps.set(spec.name, createMap(this.host, spec));
    for (const spec of specs) this.#fillStaticInner(spec);
  }

  #withSpy(runtime: RuntimeInstance, spy: LookupSpy | undefined): RuntimeInstance {
    if (spy === undefined) return runtime;
    const lookup = runtime.exports.mapLookupElem as (map: number, key: number) => number;
    const spied = (address: number, key: number): number => {
      const at = lookup(address, key) >>> 0;
      const map = this.host.mapAt(address >>> 0);
      const { bytes } = this.#memory;
      if (map !== undefined) {
        const value = at === 0 ? undefined : bytes.slice(at, at + map.spec.valueSize);
        spy(map, bytes.slice(key >>> 0, (key >>> 0) + map.spec.keySize), value);
      }
      return at;
    };
    return { ...runtime, exports: { ...runtime.exports, mapLookupElem: spied as WebAssembly.ExportValue } };
  }

  #fillStaticInner(spec: MapSpec): void {
    if (spec.type === uapi.BPF_MAP_TYPE_PROG_ARRAY) return;
    for (const { index, target } of spec.slots ?? []) {
      const key = new Uint8Array(spec.keySize);
      new DataView(key.buffer).setUint32(0, index, true);
      this.maps.get(spec.name)!.setInner(key, this.maps.get(target)!);
    }
  }

  /** Writes an entry as user space: 0 or a negative errno. */
  write({ map: name, key, value }: LearntEntry): number {
    const map = this.maps.get(name);
    if (map === undefined) return -uapi.EINVAL;
    if (value !== "inner") return map.update(key, value);
    if (map.spec.inner === undefined) return -uapi.EINVAL;
    const inner = createMap(this.host, { ...map.spec.inner, name: innerName(name, key) });
    this.maps.set(inner.name, inner);
    return map.setInner(key, inner);
  }

  setProgram(map: string, index: number, program: LoadedProgram): void {
    this.maps.get(map)!.setProgram(index, program.slot);
  }

  /** Compiles and installs a checked program, once. */
  load(verified: VerifiedProgram): LoadedProgram {
    const { name } = verified.spec;
    const known = this.#programs.get(name);
    if (known !== undefined) return known;
    const maps = this.#specs.map((spec) => this.maps.get(spec.name)!);
    const loaded = this.#loader.load(verified, maps, this.#engine);
    this.#programs.set(name, loaded);
    return loaded;
  }

  #setClocks(now: bigint): void {
    const { view } = this.#memory;
    const cpu = this.host.cpus.blocks[0]!;
    uapi.CpuBlock.writeBig(view, cpu, "ktime_ns", now);
    uapi.CpuBlock.writeBig(view, cpu, "boot_ns", now);
    uapi.CpuBlock.writeBig(view, cpu, "real_ns", BigInt(Date.now()) * 1_000_000n);
  }

  /** `now`: CLOCK_MONOTONIC as the program shall see it, in nanoseconds: that of the live kernel, so that times which a program keeps are of the same size. */
  run(program: LoadedProgram, packet: Uint8Array, now = process.hrtime.bigint()): Answer {
    this.#setClocks(now);
    let trap: string | undefined;
    const run = (context: number): bigint => {
      const result = runOnce(this.host, program, context);
      if ("returned" in result) return result.returned;
      const { reason, message, instruction } = result.trap;
      trap = `trap: ${reason} at ${instruction}: ${this.#unbuilt(program, instruction) ?? message}`;
      return 0n;
    };
    const testRun = program.verified.spec.type === "xdp" ? this.#xdp : this.#tc;
    const output = testRun.run({ data: packet, dataSizeOut: packet.length + 4096 }, run);
    if (trap !== undefined) return { failed: trap };
    return "errno" in output ? { failed: `errno ${output.errno}` } : { returned: output.retval, packet: output.out };
  }

  /** What is not built at an instruction of the program or of one that it may have called last. */
  #unbuilt(program: LoadedProgram, instruction: number | undefined): string | undefined {
    return [program, ...this.#programs.values()].map(({ verified }) => verified.unbuilt.get(instruction ?? -1)).find((what) => what);
  }
}

/** An entry of a PROG_ARRAY. */
export interface TailCall {
  readonly map: string;
  readonly index: number;
  readonly program: VerifiedProgram;
}

/** The object's own entries of its PROG_ARRAYs; where it names none, its programs in their order, as its user space might. */
export function tailCalls(specs: readonly MapSpec[], programs: readonly VerifiedProgram[]): TailCall[] {
  return specs
    .filter(({ type }) => type === uapi.BPF_MAP_TYPE_PROG_ARRAY)
    .flatMap((map) => {
      const named = map.slots?.map(({ index, target }) => ({
        index,
        program: programs.find(({ spec }) => spec.name === target || spec.section === target),
      }));
      const slots = named ?? programs.slice(0, map.maxEntries).map((program, index) => ({ index, program }));
      return slots.flatMap(({ index, program }) => (program === undefined ? [] : [{ map: map.name, index, program }]));
    });
}

/** Runs a program on all frames until it asks for no new keys; gives what was learnt to `contents`. */
export function learn(
  specs: readonly MapSpec[],
  programs: readonly VerifiedProgram[],
  frames: readonly Uint8Array[],
  contents: LearntContents,
  rounds = 3,
): void {
  const slots = tailCalls(specs, programs);
  for (let round = 0; round < rounds; round++) {
    const before = contents.entries.length;
    const machine = new SimulatedObject(specs, "interp", (map, key, value) => contents.lookedUp(map.name, map.spec, key, value));
    for (const entry of contents.entries.slice()) machine.write(entry);
    const loaded = programs.map((program) => machine.load(program));
    for (const { map, index, program } of slots) machine.setProgram(map, index, machine.load(program));
    for (const program of loaded) for (const frame of frames) machine.run(program, frame);
    if (contents.entries.length === before) return;
  }
}
