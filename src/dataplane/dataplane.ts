import type { ObjectFile } from "../bpf/elf/index.ts";
import type { MapSpec, ProgramSpec } from "../bpf/spec.ts";
import { CpuBlock, DEFAULT_FUEL, MAX_PROGRAMS, MapHeader, NetNamespace } from "../layout/index.ts";
import type { Device, FilterSpec, TimingProfile, XdpMode } from "../nic/index.ts";
import type { PacketSource, ReleaseWindows } from "../packet/index.ts";
import { ProblemError } from "../problem/index.ts";
import {
  type BpfMap,
  callbackSlots,
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
import {
  type Cgroups,
  type ConnectionSpec,
  layOutConntrack,
  layOutSockets,
  layOutSynCookies,
  layOutXfrmStates,
  type SocketSpec,
  type SynCookieSettings,
  trackedConnections,
  type XfrmStateSpec,
} from "../stack/index.ts";
import { Consumers, type PerfBuffer, type PerfBufferOptions, type RingBuffer, type RingBufferOptions } from "./consumers.ts";
import { EventLogs } from "./eventLog.ts";
import { type HostsOptions, layOutHosts } from "./hosts.ts";
import { type ProgramInfo, programInfo } from "./info.ts";
import { attachProgram, type Hook, type Link } from "./link.ts";
import { checkProgram, LoadedObject, type LoadingPlace, loadProgram } from "./loadedObject.ts";
import { keepFinalBytes, layOutMachine, type MachineLayout, recordOutcomes } from "./machine.ts";
import { PacketFilter } from "./packetFilter.ts";
import type { OpenPool } from "./pool.ts";
import { problems } from "./problems.ts";
import type { RunResult } from "./result.ts";
import { Run, type RunOptions } from "./run.ts";
import { MachineTiming, pricesOf } from "./timing.ts";
import { TraceLog } from "./traceLog.ts";
import { XdpSocketHandle } from "./xdpSocket.ts";

export interface DataplaneOptions extends HostsOptions {
  /** Sockets of the host, which programs find by bpf_sk_lookup_tcp and the like. */
  readonly sockets?: readonly SocketSpec[];
  readonly synCookies?: SynCookieSettings;
  /** Connections that the host tracks, which programs find by bpf_xdp_ct_lookup and bpf_skb_ct_lookup. */
  readonly connections?: readonly ConnectionSpec[];
  /** Security associations that programs find by bpf_xdp_get_xfrm_state. */
  readonly xfrmStates?: readonly XfrmStateSpec[];
  /** net.netfilter.nf_conntrack_max: how many connections there can be; 262,144 unless said. */
  readonly conntrackMax?: number;
  /** Simulated CPUs; by default as many as the device with the most queues has. */
  readonly cpus?: number;
  /** Seed of the programs' random numbers. */
  readonly seed?: bigint;
  /** What the fuel tank of a CPU holds, in instructions (layout/fuel.ts): one program run cannot burn more. */
  readonly fuel?: bigint;
  /** Model the time of everything by this profile (nic/timing.ts): packets may be lost, and are late. */
  readonly timing?: TimingProfile;
  /** Measure the programs' running time (ProgramInfo.runTimeNs), as `sysctl kernel.bpf_stats_enabled=1` does. It costs some 200 ns a run. */
  readonly statistics?: boolean;
  /** Compiled unless said. */
  readonly engine?: Engine;
  /** Threads that run the CPUs. 0, the default: the main thread does. More than CPUs are not used. */
  readonly workers?: number;
  /** CPUs take turns in virtual time, on one thread. */
  readonly deterministic?: boolean;
  /** Makes the workers' threads (pool.node.ts); needed when there are workers. */
  readonly openPool?: OpenPool;
}

/** Table slot of bpf_clone_redirect's other half: the last, which programs do not get. */
const CLONE_SLOT = MAX_PROGRAMS - 1;
const CPU_LIMIT = 128;
/** A connection takes 256 bytes of the 4 GiB. */
const CONNTRACK_LIMIT = 4_194_304;

/**
 * A simulated machine: CPUs, devices, routes, maps, programs. Set it up (make maps, load programs, attach them), then run packets through it, as often as
 * wanted; maps keep what they hold from run to run. All that sets it up works while a run is under way too: what must be known to all workers before a packet can
 * meet it (a program, memory) takes until each has ended its window, and the call returns then.
 */
export class Dataplane {
  readonly memory = new SimulatedMemory();
  readonly devices: readonly Device[];
  readonly host: MapHost;
  readonly runtime: RuntimeInstance;
  readonly engine: Engine;
  readonly workers: number;
  readonly layout: MachineLayout;
  /** Cgroups that sockets and maps name. */
  readonly cgroups: Cgroups;
  readonly #options: DataplaneOptions;
  readonly #place: LoadingPlace;
  readonly #programs: LoadedProgram[] = [];
  readonly #namespace: number;
  readonly #namespaces: ReadonlyMap<string, number>;
  readonly #events: EventLogs;
  #xdpSockets = 0;
  readonly #trace = new TraceLog();
  readonly #fuel: bigint;
  readonly #links = new Set<Link>();
  readonly #consumers: Consumers;
  /** Given up, but their ids still stand in what the current run has recorded. */
  readonly #unloaded = new Set<LoadedProgram>();
  readonly #timing: MachineTiming | undefined;
  #tracksConnections = false;
  #run: Run | undefined;

  constructor(options: DataplaneOptions) {
    this.#options = options;
    const cpuCount = options.cpus ?? Math.max(1, ...options.devices.map(({ queues }) => queues ?? 1));
    if (!Number.isInteger(cpuCount) || cpuCount < 1 || cpuCount > CPU_LIMIT)
      throw setting("the number of CPUs", cpuCount, `1 to ${CPU_LIMIT}`);
    const { conntrackMax = 1 } = options;
    if (!Number.isInteger(conntrackMax) || conntrackMax < 1 || conntrackMax > CONNTRACK_LIMIT)
      throw setting("the number of tracked connections", conntrackMax, `1 to ${CONNTRACK_LIMIT}`);
    if (options.devices.length === 0) throw setting("the number of devices", 0, "at least 1");
    if (options.devices.length > 255) throw setting("the number of devices", options.devices.length, "at most 255");
    this.engine = options.engine ?? "jit";
    const threads = options.deterministic ? Math.min(options.workers ?? 0, 1) : (options.workers ?? 0);
    this.workers = Math.min(threads, cpuCount);
    this.runtime = instantiateRuntime(this.memory.memory, coldHelpers(this.memory.memory, { trace: this.#trace.add }));
    this.runtime.table.set(CLONE_SLOT, this.runtime.exports.redirectClone);
    const cpus = createCpus(this.memory, {
      count: cpuCount,
      ...(options.seed === undefined ? {} : { seed: options.seed }),
    });
    this.#fuel = options.fuel ?? BigInt(DEFAULT_FUEL);
    this.host = new MapHost(this.memory, this.runtime, cpus);
    this.host.standStill = () => this.#run?.standStill();
    this.#consumers = new Consumers({
      memory: this.memory,
      cpus: cpuCount,
      changed: (rings) => this.#run?.listen(rings),
      running: () => this.#run !== undefined,
    });
    const { devices, namespaces } = layOutHosts(this.memory, options);
    this.devices = devices;
    this.#namespaces = namespaces;
    for (const namespace of namespaces.values()) NetNamespace.write(this.memory.view, namespace, "redirect_hook", CLONE_SLOT);
    this.#namespace = [...namespaces.values()][0]!;
    for (const block of [...cpus.blocks, cpus.host]) CpuBlock.write(this.memory.view, block, "network", this.#namespace);
    this.cgroups = layOutSockets(this.memory, this.#namespace, { sockets: options.sockets ?? [], devices: this.devices });
    layOutSynCookies(this.memory, this.#namespace, options.synCookies ?? {});
    layOutXfrmStates(this.memory, this.#namespace, options.xfrmStates ?? []);
    if (options.connections !== undefined) this.#trackConnections();
    this.layout = layOutMachine(this.memory, cpus, this.devices);
    const { timing } = options;
    this.#timing = timing && new MachineTiming(this.memory, this.layout, this.devices, timing);
    this.#events = new EventLogs(this.memory, this.layout.states, this.devices);
    this.#place = {
      host: this.host,
      loader: new ProgramLoader(this.host, {
        timed: options.statistics ?? false,
        ...(timing === undefined ? {} : { prices: pricesOf(timing) }),
      }),
      engine: this.engine,
      cpus: cpuCount,
      pinned: new Map(),
      prepare: (spec) => {
        if (this.#tracksConnections || ![...(spec.kfuncs?.values() ?? [])].some((name) => /^bpf_(xdp|skb)_ct_/.test(name))) return;
        this.#growing(() => this.#trackConnections());
      },
      loaded: (program) => {
        this.#run?.install(program.portable);
        this.#programs.push(program);
      },
      holds: (program) => this.#programs.includes(program) && !this.#unloaded.has(program),
    };
  }

  /** Makes the conntrack table, which is large: when connections are declared, or when the first program that asks for one is loaded. */
  #trackConnections(): void {
    this.#tracksConnections = true;
    const { connections = [], conntrackMax } = this.#options;
    layOutConntrack(this.host, this.#namespace, { connections, ...(conntrackMax === undefined ? {} : { capacity: conntrackMax }) });
  }

  /** The connections that the host tracks by now; `text` is what `conntrack -L` would print. Not while a run is under way. */
  connections(): ConnectionSpec[] {
    return trackedConnections(this.host, this.#namespace);
  }

  /** Number of the socket that was declared with this text: what user space names it by in maps, and its cookie. */
  socketNumber(text: string): number | undefined {
    const index = (this.#options.sockets ?? []).findIndex((socket) => socket.text === text);
    return index < 0 ? undefined : index + 1;
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
    return this.#growing(() => new LoadedObject(this.#place, object));
  }

  /** `host`: whose ifindexes the entries of a DEVMAP are; those of the host that meets them unless said. */
  createMap(spec: MapSpec, host?: string): BpfMap {
    const map = this.#growing(() => createMap(this.host, spec));
    const namespace = host === undefined ? undefined : this.#namespaces.get(host);
    if (namespace !== undefined) MapHeader.write(this.memory.view, map.address, "network", namespace);
    return map;
  }

  /** Binds an AF_XDP socket in copy mode to a queue of a device; its `address` is what an XSKMAP's entry holds. What it receives is among the events. */
  createXdpSocket(device: Device, queue: number, fill: number): XdpSocketHandle {
    return this.#growing(() => new XdpSocketHandle(this.memory, { device, queue, fill, number: this.#xdpSockets++ }));
  }

  /**
   * Listens to a RINGBUF, also while packets flow. During a run its records come window by window. Types are looked up in the map's object. One consumer a map.
   */
  ringBuffer<T = Uint8Array>(map: BpfMap, options: RingBufferOptions<T> = {}): RingBuffer<T> {
    return this.#consumers.ringBuffer(map, options);
  }

  /** Listens to a PERF_EVENT_ARRAY with a ring for each simulated CPU, likewise. Samples are padded with zeros to a multiple of 8 bytes less 4, as perf's are. */
  perfBuffer<T = Uint8Array>(map: BpfMap, options: PerfBufferOptions<T> = {}): PerfBuffer<T> {
    return this.#growing(() => this.#consumers.perfBuffer(map, options));
  }

  /** What `bpftool prog show` says of a program, as of now. */
  programInfo(program: LoadedProgram): ProgramInfo {
    return programInfo(this.host, program);
  }

  /** Makes something that may need more memory; CPUs that run meanwhile know of it before anything can lead them there. */
  #growing<T>(make: () => T): T {
    const before = this.memory.memory.buffer.byteLength;
    const made = make();
    if (this.memory.memory.buffer.byteLength !== before) this.#run?.synchronize();
    return made;
  }

  /** Checks and loads a program. `maps`: one for each of the spec's. */
  load(spec: ProgramSpec, maps: readonly BpfMap[] = []): LoadedProgram {
    return loadProgram(this.#place, spec, maps);
  }

  /** Checks and loads a socket filter, for `run`. It is none of the machine's programs: it runs before packets reach a device. */
  loadFilter(spec: ProgramSpec): LoadedProgram {
    if (spec.type !== "socket_filter") {
      throw new ProblemError(
        problems.program_type_wrong({ program: spec.name, type: spec.type, hook: "filter", expected: "socket_filter" }),
      );
    }
    return this.#place.loader.load(checkProgram(spec), [], this.engine);
  }

  /**
   * Attaches a program to a hook of a device, also while packets flow. XDP goes into the device's mode unless another is named. TC programs of one hook run in the
   * order of attaching, tcx before clsact, filters by priority. The link replaces the program or takes it away again.
   */
  attach(device: Device, hook: Hook, program: LoadedProgram, mode: XdpMode = device.mode, filter?: FilterSpec): Link {
    const place = { standStill: () => this.#run?.standStill(), detached: (link: Link) => this.#links.delete(link) };
    const link = this.#growing(() => attachProgram(place, { device, hook, mode, filter }, program));
    this.#links.add(link);
    return link;
  }

  /** Programs at hooks, in the order of attaching. */
  get links(): readonly Link[] {
    return [...this.#links];
  }

  /**
   * Gives up a program: its id (place in the function table) becomes another's once no run is under way. Throws a Problem while a hook, a map or a
   * timer with one of its callbacks still holds it. What the current run's results say of it stays.
   */
  unload(program: LoadedProgram): void {
    const where = this.#whereInUse(program);
    if (where !== undefined) throw new ProblemError(problems.program_in_use({ program: program.name, where }));
    this.#run?.remove(program);
    this.#unloaded.add(program);
    if (this.#run === undefined) this.#releaseUnloaded();
  }

  #whereInUse(program: LoadedProgram): string | undefined {
    for (const link of this.#links) if (link.program === program) return `${link.device.name} ${link.hook}`;
    const { slot, slots } = program;
    for (const map of this.host.maps) {
      if (map.programSlots().has(slot)) return `map ${map.name}`;
      for (const callback of callbackSlots(this.memory, map))
        if (callback >= slot && callback < slot + slots) return `a timer or workqueue in map ${map.name}`;
    }
    return undefined;
  }

  #releaseUnloaded(): void {
    for (const program of this.#unloaded) {
      this.#place.loader.release(program);
      this.#programs.splice(this.#programs.indexOf(program), 1);
    }
    this.#unloaded.clear();
  }

  /** For opening a source of this machine: settles when the source's buffers may be reused. Without a run in progress that is at once. */
  readonly release: ReleaseWindows = () => this.#run?.release();

  /** Replays a source through the machine. One run at a time. */
  async run(source: PacketSource, options: RunOptions = {}): Promise<RunResult> {
    recordOutcomes(this.memory, this.layout, options.onOutcome !== undefined);
    this.#events.listen(options.onEvent !== undefined);
    if (options.keepBytes) keepFinalBytes(this.memory, this.layout);
    const run = new Run({
      memory: this.memory,
      runtime: this.runtime,
      filter: options.filter === undefined ? undefined : new PacketFilter(this.host, this.layout, options.filter),
      layout: this.layout,
      devices: this.devices,
      programs: this.#programs,
      workers: this.workers,
      deterministic: this.#options.deterministic ?? false,
      cloneSlot: CLONE_SLOT,
      fuel: this.#fuel,
      openPool: this.#options.openPool,
      trace: this.#trace,
      consumers: this.#consumers,
      timing: this.#timing,
      events: this.#events,
    });
    this.#run = run;
    try {
      return await run.replay(source, options);
    } finally {
      this.#run = undefined;
      this.#releaseUnloaded();
    }
  }
}

const setting = (what: string, value: number, expected: string): ProblemError =>
  new ProblemError(problems.dataplane_setting({ what, value, expected }));
