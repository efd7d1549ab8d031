import type { ObjectFile } from "../bpf/elf/index.ts";
import type { MapSpec, ProgramSpec } from "../bpf/spec.ts";
import { CpuBlock, MAX_PROGRAMS, NetNamespace } from "../layout/index.ts";
import { Device, type DeviceSpec, type XdpMode } from "../nic/index.ts";
import type { PacketSource, ReleaseWindows } from "../packet/index.ts";
import { ProblemError } from "../problem/index.ts";
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
  SimulatedMemory,
} from "../runtime/index.ts";
import { type IpPrefix, layOutNetwork, type NeighbourSpec, type RouteSpec } from "../stack/index.ts";
import { LoadedObject, type LoadingPlace, loadProgram } from "./loadedObject.ts";
import { keepFinalBytes, layOutMachine, layOutNamespace, type MachineLayout } from "./machine.ts";
import type { OpenPool } from "./pool.ts";
import { problems } from "./problems.ts";
import type { RunResult } from "./result.ts";
import { Run, type RunOptions } from "./run.ts";
import { TraceLog } from "./traceLog.ts";

/** A device of the machine, with its addresses. */
export interface DataplaneDevice extends DeviceSpec {
  readonly addresses?: readonly IpPrefix[];
}

export interface DataplaneOptions {
  readonly devices: readonly DataplaneDevice[];
  readonly routes?: readonly RouteSpec[];
  readonly neighbours?: readonly NeighbourSpec[];
  /** Simulated CPUs; by default as many as the device with the most queues has. */
  readonly cpus?: number;
  /** Seed of the programs' random numbers. */
  readonly seed?: bigint;
  /** Loop back edges, calls and callbacks that one run may make. */
  readonly fuel?: bigint;
  /** Compiled unless said. Interpreted programs run in the main thread. */
  readonly engine?: Engine;
  /** Threads that run the CPUs. 0, the default: the main thread does. More than CPUs are not used. */
  readonly workers?: number;
  /** CPUs take turns in virtual time, on one thread. */
  readonly deterministic?: boolean;
  /** Makes the workers' threads (pool.node.ts); needed when there are workers. */
  readonly openPool?: OpenPool;
}

export type Hook = "xdp" | "ingress" | "egress" | "tcx/ingress" | "tcx/egress";

const TC_HOOKS = {
  ingress: ["ingress", "clsact"],
  egress: ["egress", "clsact"],
  "tcx/ingress": ["ingress", "tcx"],
  "tcx/egress": ["egress", "tcx"],
} as const;

/** Table slot of bpf_clone_redirect's other half: the last, which programs do not get. */
const CLONE_SLOT = MAX_PROGRAMS - 1;
const CPU_LIMIT = 128;

/**
 * A simulated machine: CPUs, devices, routes, maps, programs. Set it up (make maps, load programs, attach them), then run packets through it, as often as
 * wanted; maps keep what they hold from run to run.
 */
export class Dataplane {
  readonly memory = new SimulatedMemory();
  readonly devices: readonly Device[];
  readonly host: MapHost;
  readonly runtime: RuntimeInstance;
  readonly engine: Engine;
  readonly workers: number;
  readonly layout: MachineLayout;
  readonly #options: DataplaneOptions;
  readonly #place: LoadingPlace;
  readonly #programs: LoadedProgram[] = [];
  readonly #namespace: number;
  readonly #trace = new TraceLog();
  readonly #fuel: bigint;
  #run: Run | undefined;

  constructor(options: DataplaneOptions) {
    this.#options = options;
    const cpuCount = options.cpus ?? Math.max(1, ...options.devices.map(({ queues }) => queues ?? 1));
    if (!Number.isInteger(cpuCount) || cpuCount < 1 || cpuCount > CPU_LIMIT)
      throw setting("the number of CPUs", cpuCount, `1 to ${CPU_LIMIT}`);
    if (options.devices.length === 0) throw setting("the number of devices", 0, "at least 1");
    if (options.devices.length > 255) throw setting("the number of devices", options.devices.length, "at most 255");
    this.engine = options.engine ?? "jit";
    const threads = options.deterministic ? Math.min(options.workers ?? 0, 1) : (options.workers ?? 0);
    this.workers = this.engine === "interp" ? 0 : Math.min(threads, cpuCount);
    this.runtime = instantiateRuntime(this.memory.memory, coldHelpers(this.memory.memory, { trace: this.#trace.add }));
    this.runtime.table.set(CLONE_SLOT, this.runtime.exports.redirectClone);
    const cpus = createCpus(this.memory, {
      count: cpuCount,
      ...(options.seed === undefined ? {} : { seed: options.seed }),
      ...(options.fuel === undefined ? {} : { fuel: options.fuel }),
    });
    this.#fuel = CpuBlock.readBig(this.memory.view, cpus.blocks[0]!, "fuel_limit");
    this.host = new MapHost(this.memory, this.runtime, cpus);
    checkNames(options.devices);
    this.devices = options.devices.map((spec, index) => new Device(this.memory, spec, index));
    this.#namespace = layOutNamespace(this.memory, cpus, this.devices);
    NetNamespace.write(this.memory.view, this.#namespace, "redirect_hook", CLONE_SLOT);
    layOutNetwork(this.memory, this.#namespace, {
      devices: this.devices.map(({ name, ifindex, address }, index) => ({
        name,
        ifindex,
        at: address,
        addresses: options.devices[index]!.addresses ?? [],
      })),
      routes: options.routes ?? [],
      neighbours: options.neighbours ?? [],
    });
    this.layout = layOutMachine(this.memory, cpus, this.devices);
    this.#place = {
      host: this.host,
      loader: new ProgramLoader(this.host),
      engine: this.engine,
      cpus: cpuCount,
      loaded: (program) => this.#programs.push(program),
    };
  }

  /** All programs loaded so far. */
  get programs(): readonly LoadedProgram[] {
    return this.#programs;
  }

  get cpus(): number {
    return this.layout.blocks.length;
  }

  device(name: string): Device | undefined {
    return this.devices.find((device) => device.name === name);
  }

  /** Makes the object's maps; programs are loaded from what comes back. */
  open(object: ObjectFile): LoadedObject {
    return new LoadedObject(this.#place, object);
  }

  createMap(spec: MapSpec): BpfMap {
    return createMap(this.host, spec);
  }

  /** Checks and loads a program. `maps`: one for each of the spec's. */
  load(spec: ProgramSpec, maps: readonly BpfMap[] = []): LoadedProgram {
    return loadProgram(this.#place, spec, maps);
  }

  /** Attaches a program to a hook of a device. XDP goes into the device's mode unless another is named. TC programs of one hook run in the order of attaching. */
  attach(device: Device, hook: Hook, program: LoadedProgram, mode: XdpMode = device.mode): void {
    const type = program.verified.spec.type;
    const expected = hook === "xdp" ? "xdp" : "sched_cls";
    if (type !== expected) throw new ProblemError(problems.program_type_wrong({ program: program.name, type, hook, expected }));
    if (hook === "xdp") {
      device.attachXdp(program.slot, mode);
      return;
    }
    const [direction, kind] = TC_HOOKS[hook];
    device.attachTc(program.slot, direction, kind);
  }

  /** For opening a source of this machine: settles when the source's buffers may be reused. Without a run in progress that is at once. */
  readonly release: ReleaseWindows = () => this.#run?.release();

  /** Replays a source through the machine. One run at a time. */
  async run(source: PacketSource, options: RunOptions = {}): Promise<RunResult> {
    if (options.keepBytes) keepFinalBytes(this.memory, this.layout);
    const run = new Run({
      memory: this.memory,
      runtime: this.runtime,
      layout: this.layout,
      devices: this.devices,
      programs: this.#programs,
      workers: this.workers,
      deterministic: this.#options.deterministic ?? false,
      cloneSlot: CLONE_SLOT,
      fuel: this.#fuel,
      openPool: this.#options.openPool,
      trace: this.#trace,
    });
    this.#run = run;
    try {
      return await run.replay(source, options);
    } finally {
      this.#run = undefined;
    }
  }
}

const setting = (what: string, value: number, expected: string): ProblemError =>
  new ProblemError(problems.dataplane_setting({ what, value, expected }));

function checkNames(devices: readonly DeviceSpec[]): void {
  const names = new Set<string>();
  const indices = new Set<number>();
  for (const [index, { name, ifindex = index + 2 }] of devices.entries()) {
    if (names.has(name)) throw setting(`device ${name}`, index, "a name of its own");
    if (indices.has(ifindex) || ifindex < 1 || ifindex > 65535)
      throw setting(`ifindex of ${name}`, ifindex, "a number of its own, 1 to 65535");
    names.add(name);
    indices.add(ifindex);
  }
}
