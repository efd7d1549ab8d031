import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync, rmSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { type ObjectFile, openObject } from "../../src/bpf/elf/index.ts";
import { verify } from "../../src/bpf/verifier/index.ts";
import { programTypes } from "../../src/dataplane/programTypes.ts";
import { type KernelMap, type KernelProgram, openKernel } from "../../src/kernel/index.ts";
import { CpuBlock, XdpContext } from "../../src/layout/index.ts";
import { type BpfMap, createMap, type Engine, type LoadedProgram, ProgramLoader, runOnce } from "../../src/runtime/index.ts";
import { TestMachine } from "./machine.ts";

/** The probes of programs/probes: one run does one operation on a map, which the packet names, and returns what it answered. */
const pathOf = (name: string): string => fileURLToPath(new URL(`../../programs/probes/${name}.o`, import.meta.url));

function open(name: string): ObjectFile {
  const object = openObject(readFileSync(pathOf(name)), { file: `${name}.o` });
  if (!object.ok) throw new Error(object.problem.message);
  return object.value;
}

/** What ktime shows when a probe begins: one hour. */
export const PROBE_START = 3_600_000_000_000n;

/** A probe on two simulated CPUs, whose clocks stand still unless they are told to go on. The capture's time is twice as late as ktime. */
export class SimulatedProbe {
  readonly machine = new TestMachine(2);
  readonly maps: ReadonlyMap<string, BpfMap>;
  readonly #program: LoadedProgram;
  readonly #context: number;

  constructor(name: string, engine: Engine = "jit") {
    const object = open(name);
    const maps = object.maps.map((spec) => createMap(this.machine.host, spec));
    this.maps = new Map(maps.map((map) => [map.name, map]));
    const verified = verify(object.programs[0]!, programTypes.xdp);
    if (!verified.accepted) throw new Error(verified.problem.message);
    this.#program = new ProgramLoader(this.machine.host).load(verified, maps, engine);
    this.#context = this.machine.memory.allocate("program", XdpContext.size, 64, "context");
    for (const cpu of [0, 1]) this.setClock(cpu, PROBE_START);
  }

  blockOf(cpu: number): number {
    return this.machine.host.cpus.blocks[cpu]!;
  }

  setClock(cpu: number, time: bigint): void {
    const { view } = this.machine.memory;
    for (const field of ["ktime_ns", "boot_ns"] as const) CpuBlock.writeBig(view, this.blockOf(cpu), field, time);
    CpuBlock.writeBig(view, this.blockOf(cpu), "real_ns", time * 2n);
  }

  /** Nanoseconds since the probe began. */
  clock(cpu = 0): bigint {
    return CpuBlock.readBig(this.machine.memory.view, this.blockOf(cpu), "ktime_ns") - PROBE_START;
  }

  /** What the program returned, as a signed number. */
  runPacket(packet: Uint8Array, cpu = 0): number {
    const { machine } = this;
    const data = machine.put(0, packet);
    XdpContext.write(machine.memory.view, this.#context, "data", data);
    XdpContext.write(machine.memory.view, this.#context, "data_end", data + packet.length);
    const result = runOnce(machine.host, this.#program, this.#context, cpu);
    if (!("returned" in result)) throw new Error(result.trap.message);
    return Number(BigInt.asIntN(32, result.returned));
  }

  /** Lets a CPU's clock go on by so many nanoseconds. */
  pass(nanoseconds: bigint, cpu = 0): void {
    this.machine.useCpu(cpu);
    const until = PROBE_START + this.clock(cpu) + nanoseconds;
    this.machine.call("fireTimers", until);
    this.setClock(cpu, until);
  }
}

const opened = openKernel();
const hasBpftool = (() => {
  try {
    execFileSync("bpftool", ["version"], { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
})();

export const hasLiveProbes = opened.ok && hasBpftool;
/** For a test's title. */
export const whyNoLiveProbes = hasLiveProbes ? "" : " (skipped: no live kernel, or no bpftool)";

/** Loads probes into the live kernel, through bpftool: it gives maps and programs their types. */
export class LiveProbes {
  readonly #name: string;
  readonly #pins: string;

  constructor(name: string) {
    this.#name = name;
    this.#pins = `/sys/fs/bpf/xdplane-${name}-${process.pid}`;
  }

  /** A new instance of the probe, its maps empty. */
  load(): { readonly run: (packet: Uint8Array) => number; readonly maps: ReadonlyMap<string, KernelMap> } {
    if (!opened.ok) throw new Error(opened.problem.message);
    const kernel = opened.value;
    this.close();
    mkdirSync(this.#pins);
    execFileSync("bpftool", ["prog", "load", pathOf(this.#name), `${this.#pins}/program`, "pinmaps", this.#pins], { stdio: "pipe" });
    const object = open(this.#name);
    const maps = new Map(object.maps.map((spec) => [spec.name, kernel.pinnedMap(`${this.#pins}/${spec.name}`, spec)]));
    const program: KernelProgram = kernel.pinnedProgram(`${this.#pins}/program`, object.programs[0]!);
    return { run: (packet) => program.run({ packet }).returned | 0, maps };
  }

  close(): void {
    rmSync(this.#pins, { recursive: true, force: true });
  }
}
