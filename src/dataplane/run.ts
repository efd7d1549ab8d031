import { CpuBlock, PacketDescriptor, SteerState, WindowSlot } from "../layout/index.ts";
import type { Device } from "../nic/index.ts";
import type { PacketSource } from "../packet/index.ts";
import { ProblemError } from "../problem/index.ts";
import type { LoadedProgram, PortableProgram, RuntimeInstance, SimulatedMemory } from "../runtime/index.ts";
import type { Consumers } from "./consumers.ts";
import { Control, runWindow } from "./control.ts";
import { CpuRunner, type TrapCount } from "./cpuRunner.ts";
import type { DataplaneEvent, EventLogs } from "./eventLog.ts";
import { type ExpandedOutcome, type RecordNames, RecordReader, timeOf } from "./expand.ts";
import { INTERFACE_LIMIT, type MachineLayout } from "./machine.ts";
import type { PacketFilter } from "./packetFilter.ts";
import type { OpenPool } from "./pool.ts";
import { problems } from "./problems.ts";
import { helperName } from "./programTypes.ts";
import type { RunResult, TrapResult } from "./result.ts";
import type { ListenedRing } from "./ringRecords.ts";
import { Tallies } from "./tallies.ts";
import type { MachineTiming } from "./timing.ts";
import { mergeTraces, type TraceLog } from "./traceLog.ts";
import { turn } from "./turn.ts";
import { Windows } from "./windows.ts";
import { Workers } from "./workers.ts";
import type { WorkerReport } from "./workerTask.ts";

export interface RunOptions {
  /** How often the source is replayed; more than once needs a resident one. */
  readonly repeat?: number;
  /** Given every packet's outcome, in the order of ids. */
  readonly onOutcome?: (expanded: ExpandedOutcome) => void;
  /**
   * Told of every window that is done, in order, on the main thread: the place for what user space does in step with the packets. Maps may be used, programs loaded,
   * attached, replaced. Without workers no packet is under way meanwhile; with workers up to three further windows are.
   */
  readonly onWindow?: (window: FinishedWindow) => void;
  /** Keep the packets' bytes as programs left them, for `onOutcome`. */
  readonly keepBytes?: boolean;
  /** Told of what packet sockets, AF_XDP sockets and the xdp tracepoints saw, window by window, CPU by CPU; see also DeviceSpec.tap and packetSockets. */
  readonly onEvent?: (event: DataplaneEvent) => void;
  /** Ends the run early: what was taken in until then is finished. */
  readonly signal?: AbortSignal;
  /** Told from time to time how many packets and bytes were steered so far. */
  readonly onProgress?: (packets: number, bytes: number) => void;
  /** Fill packets that the capture cut short with zeros, as far as a frame holds; else they run at their captured length. */
  readonly padSnapped?: boolean;
  /**
   * Which way packets enter: as the capture says (the default), or all the same way. "xmit", for a device with a peer: as XDP frames that ndo_xdp_xmit sends, up to 16
   * at once; without it what leaves through such a device is sent by a packet socket, one frame after the other.
   */
  readonly direction?: "capture" | "ingress" | "egress" | "xmit";
  /** Packets a second: they come at equal distances instead of when the source says. */
  readonly rate?: number;
  /** A filter (Dataplane.loadFilter): packets that it returns 0 for are left out. */
  readonly filter?: LoadedProgram;
}

/** A batch of packets that all CPUs are done with: up to 4,096, or one millisecond of the capture. */
export interface FinishedWindow {
  /** From 0. */
  readonly number: number;
  /** Packets in it, and in the run with it. */
  readonly packets: number;
  readonly total: number;
  /** Its last packet, or the last before it: number and time as its outcome has them. Null before the first packet. */
  readonly last: { readonly id: number; readonly ts: string | null } | null;
}

export interface RunPlace {
  readonly memory: SimulatedMemory;
  readonly runtime: RuntimeInstance;
  readonly filter: PacketFilter | undefined;
  readonly layout: MachineLayout;
  readonly devices: readonly Device[];
  readonly programs: readonly LoadedProgram[];
  readonly workers: number;
  readonly deterministic: boolean;
  readonly cloneSlot: number;
  /** What a CPU's fuel tank holds when it is full. */
  readonly fuel: bigint;
  readonly openPool: OpenPool | undefined;
  /** What programs print that run on the main thread. */
  readonly trace: TraceLog;
  readonly consumers: Consumers;
  readonly timing: MachineTiming | undefined;
  readonly events: EventLogs;
}

/** The event loop gets a turn so often, milliseconds, for signals and progress. */
const TURN_MS = 15;
/** How long the wait for standing CPUs looks at a time, milliseconds. */
const CALL_MS = 20;
const DIRECTIONS = { capture: 0, ingress: 1, egress: 2, xmit: 3 } as const;

/** What comes of `filled`; undefined when the run is to end first, as it may be when a source waits for its input (standard input). */
async function orAborted(filled: Promise<boolean>, signal: AbortSignal | undefined): Promise<boolean | undefined> {
  if (signal === undefined) return filled;
  let abort = () => {};
  const aborted = new Promise<undefined>((resolve) => {
    abort = () => resolve(undefined);
    if (signal.aborted) abort();
    else signal.addEventListener("abort", abort, { once: true });
  });
  try {
    return await Promise.race([filled, aborted]);
  } finally {
    signal.removeEventListener("abort", abort);
  }
}

/** One replay: the main thread's part, and the start and end of the workers'. */
export class Run {
  readonly #place: RunPlace;
  readonly #control: Control;
  readonly #windows: Windows;
  readonly #records: RecordReader;
  readonly #tallies: Tallies;
  #onOutcome: RunOptions["onOutcome"];
  #onWindow: RunOptions["onWindow"];
  #onEvent: RunOptions["onEvent"];
  /** Windows and packets that were handed over so far. */
  #done = { windows: 0, packets: 0 };
  #last: FinishedWindow["last"] = null;
  #inline: CpuRunner | undefined;
  #unrecordedCopies = 0;
  #workers: Workers | undefined;
  #padded = 0;
  #lastTurn = performance.now();
  /** Interfaces of the source that have been given their devices. */
  #interfaces = 0;

  constructor(place: RunPlace) {
    const { memory, layout, runtime } = place;
    this.#place = place;
    const names = namesOf(place);
    this.#records = new RecordReader(layout, names);
    this.#tallies = new Tallies(memory.view, layout, names, peersOf(place.devices));
    this.#control = new Control(memory.memory, layout.control);
    this.#windows = new Windows(memory, runtime, layout, this.#control, {
      finished: (slot) => this.#finished(slot),
      advanced: (source) => {
        if (source.interfaces.length !== this.#interfaces) this.#mapInterfaces(source);
      },
      filter: place.filter,
    });
  }

  #finished(slot: number): void {
    const { memory } = this.#place;
    this.#collectRecords();
    this.#place.consumers.deliver(this.#done.windows);
    if (this.#onEvent !== undefined) for (const event of this.#place.events.take()) this.#onEvent(event);
    if (this.#onOutcome !== undefined) {
      this.#unrecordedCopies += this.#records.unrecorded(memory.view, slot);
      for (const expanded of this.#records.read(memory, slot)) this.#onOutcome(expanded);
    }
    const packets = WindowSlot.read(memory.view, slot, "count");
    const number = this.#done.windows++;
    this.#done.packets += packets;
    if (this.#onWindow === undefined) return;
    if (packets > 0) this.#last = this.#lastOf(slot, packets);
    this.#onWindow({ number, packets, total: this.#done.packets, last: this.#last });
  }

  #lastOf(slot: number, packets: number): FinishedWindow["last"] {
    const { view } = this.#place.memory;
    const packet = WindowSlot.read(view, slot, "descriptors") + (packets - 1) * PacketDescriptor.size;
    return { id: Number(PacketDescriptor.readBig(view, packet, "id")), ts: timeOf(view, packet).ts };
  }

  #collectRecords(): void {
    for (const records of this.#workers?.records() ?? []) this.#place.consumers.collect(records);
  }

  /** Settles when no packet handed out by the source so far is needed in its buffers any more. */
  async release(): Promise<void> {
    this.#windows.keepOpenBytes();
    while (!this.#windows.wait(0)) await this.#pause();
  }

  async replay(source: PacketSource, options: RunOptions): Promise<RunResult> {
    const { repeat = 1, signal } = options;
    if (repeat > 1 && !source.resident) throw new ProblemError(problems.repeat_needs_resident({ source: source.name }));
    this.#onOutcome = options.onOutcome;
    this.#onWindow = options.onWindow;
    this.#onEvent = options.onEvent;
    this.#prepare(source, options);
    if (!source.resident || options.padSnapped) this.#windows.prepareToKeepBytes();
    await this.#start();
    const start = performance.now();
    try {
      await this.#feed(source, repeat, options);
      while (!this.#windows.wait(0)) await this.#pause();
    } catch (error) {
      // Workers may be waiting for one that is gone, and would wait for ever.
      this.#stop();
      await this.#workers?.close();
      throw error;
    }
    this.#stop();
    const elapsedNs = (performance.now() - start) * 1e6;
    const reports = await this.#end();
    // What timers left behind, for one.
    this.#place.consumers.empty(this.#done.windows);
    this.#place.consumers.deliver(this.#done.windows);
    return this.#result(reports, elapsedNs, signal?.aborted ?? false);
  }

  #stop(): void {
    this.#control.store("stop", 1);
    this.#control.wake("published");
  }

  #prepare(source: PacketSource, { direction = "capture", rate }: RunOptions): void {
    const { memory, layout } = this.#place;
    const { view } = memory;
    this.#control.reset();
    this.#tallies.clear();
    this.#place.trace.clear();
    const { steer } = layout;
    for (const field of ["pending", "pending_count", "snapped", "started"] as const) SteerState.write(view, steer, field, 0);
    for (const field of ["shift_ns", "latest_ns", "first_ns", "packets", "bytes"] as const) SteerState.writeBig(view, steer, field, 0n);
    SteerState.write(view, steer, "direction", DIRECTIONS[direction]);
    SteerState.writeFloat(view, steer, "interval_ns", rate === undefined ? 0 : 1e9 / rate);
    this.#place.timing?.reset();
    for (const block of layout.blocks) {
      for (const clock of ["ktime_ns", "boot_ns", "real_ns"] as const) CpuBlock.writeBig(view, block, clock, 0n);
    }
    this.#mapInterfaces(source);
  }

  /** Interfaces of the capture that bear a device's name lead to it, the others to the first device. */
  #mapInterfaces(source: PacketSource): void {
    const { memory, layout, devices } = this.#place;
    this.#interfaces = source.interfaces.length;
    const count = Math.min(this.#interfaces, INTERFACE_LIMIT - 1);
    for (let index = 0; index < count; index++) {
      const device = devices.find(({ name }) => name === source.interfaces[index]!.name) ?? devices[0]!;
      memory.view.setUint32(layout.interfaces + index * 4, device.address, true);
    }
    memory.view.setUint32(layout.interfaces + count * 4, devices[0]!.address, true);
    SteerState.write(memory.view, layout.steer, "interface_count", count);
  }

  async #feed(source: PacketSource, repeat: number, { signal, onProgress, padSnapped }: RunOptions): Promise<void> {
    const { workers } = this.#place;
    for (let pass = 1; ; ) {
      await this.#waitForRoom();
      if (performance.now() - this.#lastTurn > TURN_MS) {
        onProgress?.(this.#steered("packets"), this.#steered("bytes") + (this.#place.filter?.leftOut.bytes ?? 0));
        await this.#pause();
      }
      if (signal?.aborted) return;
      const slot = this.#windows.open();
      const filled = this.#windows.fill(source, slot);
      const more = filled instanceof Promise ? await orAborted(filled, signal) : filled;
      if (more === undefined) this.#windows.giveUpFilling();
      if (padSnapped) this.#padded += this.#windows.padSnapped();
      this.#windows.publish();
      if (workers === 0)
        runWindow(this.#inlineRunner(), this.#control, this.#windows.published - 1, 1, (window) => this.#place.consumers.empty(window));
      if (more === undefined) return;
      if (more) continue;
      if (pass++ >= repeat || source.problem !== null) return;
      this.#shiftTime();
      source.rewind();
    }
  }

  /**
   * Waits for a free slot. Once all are taken, until half of them are free again: a worker that wakes the main thread for every window loses more
   * time to that than to the packets of a small one.
   */
  async #waitForRoom(): Promise<void> {
    const { depth } = this.#windows;
    if (this.#windows.wait(depth, 0)) return;
    while (!this.#windows.wait(depth >> 1)) await this.#pause();
  }

  #steered(what: "packets" | "bytes"): number {
    return Number(SteerState.readBig(this.#place.memory.view, this.#place.layout.steer, what));
  }

  /** The next repetition follows the last packet at the mean distance of packets. */
  #shiftTime(): void {
    const { memory, layout } = this.#place;
    const { view } = memory;
    const first = view.getBigInt64(layout.steer + SteerState.at.first_ns, true);
    const latest = view.getBigInt64(layout.steer + SteerState.at.latest_ns, true);
    const shift = view.getBigInt64(layout.steer + SteerState.at.shift_ns, true);
    const packets = SteerState.readBig(view, layout.steer, "packets");
    const span = latest - (first + shift);
    const elapsed = latest - first;
    const distance = packets > 1n ? elapsed / (packets - 1n) : 0n;
    view.setBigInt64(layout.steer + SteerState.at.shift_ns, shift + span + (distance > 0n ? distance : 1n), true);
  }

  #inlineRunner(): CpuRunner {
    const { runtime, layout, programs, deterministic, fuel } = this.#place;
    this.#inline ??= new CpuRunner({
      runtime,
      layout,
      cpus: [...layout.blocks.keys()],
      get programs() {
        return programs.map((program) => program.portable);
      },
      deterministic,
      fuel,
    });
    return this.#inline;
  }

  /** Lets timers, signals and messages have their turn, and brings up what a worker failed with. */
  async #pause(): Promise<void> {
    await turn();
    this.#lastTurn = performance.now();
    this.#workers?.check();
  }

  /** Starts the workers and waits until all are ready. */
  async #start(): Promise<void> {
    const { workers, openPool, memory, layout, programs, cloneSlot, deterministic, fuel } = this.#place;
    if (workers === 0) return;
    const portable = programs.map((program) => program.portable);
    const place = { memory, layout, control: this.#control, workers, openPool };
    this.#workers = new Workers(place, { programs: portable, rings: this.#place.consumers.rings, cloneSlot, deterministic, fuel });
    try {
      while (!this.#workers.ready) await this.#pause();
    } catch (error) {
      await this.#workers.close();
      throw error;
    }
  }

  /** Tells the workers that no more windows come, and waits for what they have to say. */
  async #end(): Promise<readonly WorkerReport[]> {
    const workers = this.#workers;
    this.#workers = undefined;
    if (workers !== undefined) return workers.end();
    this.#inline?.finish();
    return [{ traps: this.#inline?.traps ?? [], trace: this.#place.trace.report }];
  }

  /** Puts a program into the tables of all workers; when this returns, its id may be stored where packets find it. */
  install(program: PortableProgram): void {
    this.#workers?.give({ kind: "install", program });
  }

  /** Takes a program out of the tables of all workers. Nothing refers to its id any more; when this returns, no CPU is on its way to it either. */
  remove({ slot, slots }: Pick<LoadedProgram, "slot" | "slots">): void {
    this.#workers?.give({ kind: "remove", slot, slots });
  }

  /** From the end of the window that each worker is in, these rings are emptied at windows' ends. */
  listen(rings: readonly ListenedRing[]): void {
    this.#workers?.give({ kind: "listen", rings });
    this.#collectRecords();
  }

  /** When this returns, every worker has passed a window's end, and knows the memory that was added before. */
  synchronize(): void {
    this.#workers?.give({ kind: "pass" });
  }

  /** Waits until the CPUs stand still between two windows, as they do until the caller returns to the run: for changes that take more than one store. */
  standStill(): void {
    this.#workers?.waitUntil(() => this.#windows.areFinished(CALL_MS));
  }

  #result(reports: readonly WorkerReport[], elapsedNs: number, interrupted: boolean): RunResult {
    const { memory, layout, workers } = this.#place;
    const { view } = memory;
    const started = SteerState.read(view, layout.steer, "started") !== 0;
    const traps = reports.flatMap((report) => report.traps);
    const firstNs = view.getBigInt64(layout.steer + SteerState.at.first_ns, true);
    const lastNs = view.getBigInt64(layout.steer + SteerState.at.latest_ns, true);
    const devices = this.#tallies.devices();
    const byProgram = new Map<number, number>();
    for (const { program, packets } of traps) byProgram.set(program, (byProgram.get(program) ?? 0) + packets);
    return {
      packets: this.#steered("packets"),
      bytes: this.#steered("bytes"),
      firstNs: started ? firstNs : null,
      lastNs: started ? lastNs : null,
      elapsedNs,
      workers: Math.max(workers, 1),
      fates: this.#tallies.fates(),
      programs: this.#tallies.programs(byProgram),
      queues: this.#tallies.queues(),
      devices,
      timing: this.#place.timing?.result(this.#steered("packets"), lostToTime(devices), Number(lastNs - firstNs)) ?? null,
      traps: trapResults(traps, this.#place.programs),
      trace: mergeTraces(reports.map((report) => report.trace)),
      snapped: SteerState.read(view, layout.steer, "snapped"),
      padded: this.#padded,
      unrecordedCopies: this.#unrecordedCopies,
      filtered: this.#place.filter?.leftOut.packets ?? null,
      interrupted,
    };
  }
}

/** Packets that were lost before any poll could find them. */
const lostToTime = (devices: RunResult["devices"]): number =>
  Object.values(devices).reduce((sum, { rx_out_of_buffer = 0, rx_discards_phy = 0 }) => sum + rx_out_of_buffer + rx_discards_phy, 0);
/** For each device the index of its other end. */
const peersOf = (devices: readonly Device[]): (number | undefined)[] =>
  devices.map(({ peer }) => (peer === undefined ? undefined : devices.find(({ name }) => name === peer)?.index));

function namesOf({ devices, programs }: RunPlace): RecordNames {
  const byIndex = new Map(devices.map((device) => [device.index, device.name]));
  const byIfindex = new Map(devices.map((device) => [device.ifindex, device.name]));
  return {
    device: (index) => byIndex.get(index) ?? `device ${index}`,
    interface: (ifindex) => byIfindex.get(ifindex) ?? `if${ifindex}`,
    program: (slot) => programs.find((program) => program.slot === slot)?.name ?? `program ${slot}`,
    helper: helperName,
  };
}

/** Traps with the same place and reason, of all workers, most first. */
function trapResults(traps: readonly TrapCount[], programs: readonly LoadedProgram[]): TrapResult[] {
  const results = new Map<string, TrapResult & { packets: number }>();
  for (const { program: slot, reason, detail, instruction, packets } of traps) {
    const program = programs.find((candidate) => candidate.slot === slot);
    const lines = program?.verified.spec.lines ?? [];
    const line = instruction === undefined ? undefined : lines.findLast((candidate) => candidate.instruction <= instruction);
    const result = {
      program: program?.name ?? `program ${slot}`,
      instruction: instruction ?? null,
      reason: reason === "helper" ? `helper ${helperName(detail)}` : reason,
      source: line === undefined ? null : `${line.file}:${line.line}`,
      packets,
    };
    const key = `${slot} ${result.instruction} ${result.reason}`;
    const known = results.get(key);
    if (known !== undefined) known.packets += packets;
    else results.set(key, result);
  }
  return [...results.values()].sort((a, b) => b.packets - a.packets);
}
