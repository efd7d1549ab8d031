import { installInterpreted, interpretProgram } from "../../src/bpf/interp/index.ts";
import { assemble } from "../../src/bpf/isa/index.ts";
import { compileProgram, installProgram } from "../../src/bpf/jit/index.ts";
import type { MapSpec, ProgramSpec, ProgramType } from "../../src/bpf/spec.ts";
import { type VerifiedProgram, verify } from "../../src/bpf/verifier/index.ts";
import { CpuBlock, MapHeader, ProgramStats, XdpContext } from "../../src/layout/index.ts";
import {
  type BpfMap,
  createCpus,
  createMap,
  generalHelpers,
  instantiateRuntime,
  MapHost,
  type RuntimeInstance,
  resetCpu,
  SimulatedMemory,
} from "../../src/runtime/index.ts";
import { xdpProgramType } from "../../src/xdp/index.ts";

/** XDP with the general helpers beside its own. */
export const xdpType: ProgramType = { ...xdpProgramType, helpers: new Map([...generalHelpers, ...xdpProgramType.helpers]) };

const FRAME_SIZE = 4096;
const HEADROOM = 256;
/** For one run, unless the test says otherwise. */
const FUEL = 1_000_000n;

export function xdpSpec(instructions: Uint8Array | string, maps: readonly MapSpec[] = []): ProgramSpec {
  return {
    name: "generated",
    section: "xdp",
    type: "xdp",
    expectedAttachType: 0,
    flags: 0,
    license: "GPL",
    instructions: typeof instructions === "string" ? assemble(instructions) : instructions,
    maps,
    functions: [],
    lines: [],
  };
}

/** The program, or an error with the kernel's words. */
export function verified(spec: ProgramSpec, type: ProgramType = xdpType): VerifiedProgram {
  const result = verify(spec, type);
  if (!result.accepted) throw new Error(`${result.problem.message} at ${result.problem.at.instruction}`);
  return result;
}

/** What a run left behind: r0, or the trap that ended it; the packet, and what maps hold. */
export interface Left {
  readonly returned: bigint | undefined;
  /** TRAP_*, or -1 for a trap of WebAssembly's own. */
  readonly trap: number | undefined;
  readonly packet: string;
  readonly stack: string;
  readonly maps: readonly string[];
  /** Fuel that the run burnt; undefined when a trap ended it. */
  readonly burnt: bigint | undefined;
}

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");

/** One simulated CPU with maps, an XDP context and a packet buffer, into which programs of either engine are put. */
export class TestMachine {
  readonly memory = new SimulatedMemory();
  readonly runtime: RuntimeInstance;
  readonly host: MapHost;
  readonly maps: readonly BpfMap[];
  readonly #cpu: number;
  readonly #frame: number;

  constructor(maps: readonly MapSpec[]) {
    this.runtime = instantiateRuntime(this.memory.memory, () => {
      throw new Error("a cold helper was called");
    });
    const cpus = createCpus(this.memory, { count: 1 });
    this.#cpu = cpus.blocks[0]!;
    this.host = new MapHost(this.memory, this.runtime, cpus);
    (this.runtime.exports.cpu as WebAssembly.Global).value = this.#cpu;
    this.maps = maps.map((spec) => createMap(this.host, spec));
    this.#frame = this.memory.allocate("program", FRAME_SIZE, 64, "frame");
  }

  /** What both engines bake in of the maps. */
  get mapEnvironment() {
    const { view } = this.memory;
    return this.maps.map(({ address, spec }) => ({
      address,
      type: spec.type,
      keySize: spec.keySize,
      valueSize: spec.valueSize,
      maxEntries: spec.maxEntries,
      stride: MapHeader.read(view, address, "stride"),
      elements: MapHeader.read(view, address, "elements"),
      cpuStride: MapHeader.read(view, address, "cpu_stride"),
      flags: spec.flags,
    }));
  }

  /** Puts a program into a table slot, to be interpreted. */
  interpret(program: VerifiedProgram, slot: number): void {
    installInterpreted(interpretProgram(program, { slot, maps: this.mapEnvironment }, this.runtime), this.runtime.table);
  }

  /** Puts a program into a table slot, compiled. */
  compile(program: VerifiedProgram, slot: number): void {
    const compiled = compileProgram(program, { slot, maps: this.mapEnvironment });
    const { memory, table, exports } = this.runtime;
    const instance = new WebAssembly.Instance(new WebAssembly.Module(compiled.bytes), { env: { memory, table }, runtime: exports });
    installProgram(compiled, instance, table);
  }

  /** How often the program in a slot was run. */
  runs(slot: number): number {
    const { view } = this.memory;
    const stats = CpuBlock.read(view, this.#cpu, "program_stats") + slot * ProgramStats.size;
    return Number(ProgramStats.readBig(view, stats, "run_count"));
  }

  /** The value of an array map's entry, or of any map's first element. */
  #mapContents(map: BpfMap): string {
    return [...map.entries()]
      .map(([key, value]) => `${hex(key)}=${value instanceof Uint8Array ? hex(value) : value.map(hex).join(",")}`)
      .sort()
      .join(" ");
  }

  /** Brings the maps to these contents: value of entry 0 of array maps. Others are emptied. */
  reset(values: readonly (Uint8Array | undefined)[] = []): void {
    const key = new Uint8Array(4);
    for (const [index, map] of this.maps.entries()) {
      map.clear();
      const value = values[index];
      if (value !== undefined) map.update(key, value);
    }
    const { view } = this.memory;
    const stacks = CpuBlock.read(view, this.#cpu, "stacks");
    this.memory.bytes.fill(0, stacks, CpuBlock.read(view, this.#cpu, "stack_end"));
    resetCpu(this.memory, this.#cpu);
  }

  /** Runs the program in a slot through the runtime, as the packet loop does. */
  run(slot: number, packet: Uint8Array, fuel = FUEL): Left {
    const { view, bytes } = this.memory;
    (this.runtime.exports.setFuel as (held: bigint, limit: bigint) => void)(fuel, fuel);
    const context = CpuBlock.read(view, this.#cpu, "xdp_context");
    const data = this.#frame + HEADROOM;
    bytes.fill(0, this.#frame, this.#frame + FRAME_SIZE);
    bytes.set(packet, data);
    bytes.fill(0, context, context + XdpContext.size);
    for (const [field, value] of [
      ["data", data],
      ["data_meta", data],
      ["data_end", data + packet.length],
      ["ingress_ifindex", 1],
      ["data_hard_start", this.#frame],
      ["frame_sz", FRAME_SIZE],
    ] as const) {
      XdpContext.write(view, context, field, value);
    }
    let returned: bigint | undefined;
    let trap: number | undefined;
    const fp = CpuBlock.read(view, this.#cpu, "fp");
    try {
      const runProgram = this.runtime.exports.runProgram as (slot: number, context: number) => bigint;
      returned = BigInt.asUintN(64, runProgram(slot, context));
    } catch (error) {
      if (!(error instanceof WebAssembly.RuntimeError)) throw error;
      trap = CpuBlock.read(this.memory.view, this.#cpu, "trap") || -1;
      resetCpu(this.memory, this.#cpu);
    }
    const left = (this.runtime.exports.fuel as WebAssembly.Global).value as bigint;
    const now = this.memory.view;
    const start = XdpContext.read(now, context, "data");
    const end = XdpContext.read(now, context, "data_end");
    return {
      returned,
      trap,
      packet: hex(this.memory.bytes.subarray(start, end)),
      stack: hex(this.memory.bytes.subarray(fp, fp + 512)),
      maps: this.maps.map((map) => this.#mapContents(map)),
      burnt: trap === undefined ? fuel - left : undefined,
    };
  }
}
