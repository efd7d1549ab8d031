import {
  DeviceCounters,
  deviceCounters,
  FATE_COUNT,
  PollState,
  QueueTally,
  queueCounters,
  TALLY_ENTRIES,
  TallyEntry,
  VethCounters,
} from "../layout/index.ts";
import { type VethCount, vethLinkStatistics, vethQueueStatistics } from "../nic/index.ts";
import type { RecordNames } from "./expand.ts";
import type { MachineLayout } from "./machine.ts";
import { fateName, reasonName, stepNames, targetName } from "./names.ts";
import type { Fate } from "./outcome.ts";
import type { FateCount, ProgramResult, QueueResult } from "./result.ts";

/** A line of a tally, summed over the CPUs. */
interface Line {
  readonly key: bigint;
  packets: number;
  bytes: number;
}

/** What the CPUs have counted, read while none of them runs. */
export class Tallies {
  readonly #view: DataView;
  readonly #layout: MachineLayout;
  readonly #names: RecordNames;
  readonly #peers: readonly (number | undefined)[];

  /** `peers`: for each device the index of its other end, where it has one. */
  constructor(view: DataView, layout: MachineLayout, names: RecordNames, peers: readonly (number | undefined)[]) {
    this.#peers = peers;
    this.#view = view;
    this.#layout = layout;
    this.#names = names;
  }

  #region(state: number, field: "outcome_tally" | "verdict_tally" | "queue_tallies" | "device_counters"): number {
    return PollState.read(this.#view, state, field);
  }

  #count(at: number): number {
    return Number(this.#view.getBigUint64(at, true));
  }

  /** Zeroes everything, before a run. */
  clear(): void {
    const { queues, deviceCount, states } = this.#layout;
    const bytes = new Uint8Array(this.#view.buffer);
    const zero = (at: number, size: number) => bytes.fill(0, at, at + size);
    for (const state of states) {
      for (const field of ["outcome_tally", "verdict_tally"] as const)
        zero(this.#region(state, field), (TALLY_ENTRIES + 1) * TallyEntry.size);
      zero(this.#region(state, "queue_tallies"), queues.length * QueueTally.size);
      zero(this.#region(state, "device_counters"), deviceCount * DeviceCounters.size);
      zero(PollState.read(this.#view, state, "veth_counters"), deviceCount * VethCounters.size);
    }
  }

  /**
   * One table of all CPUs, by key, in ascending order of keys; and `rest`, what a CPU counted when its table was full, which has no key. Only programs that
   * return numbers of all kinds fill one.
   */
  #lines(field: "outcome_tally" | "verdict_tally"): { readonly lines: readonly Line[]; readonly rest: Omit<Line, "key"> } {
    const lines = new Map<bigint, Line>();
    const rest = { packets: 0, bytes: 0 };
    for (const state of this.#layout.states) {
      const table = this.#region(state, field);
      for (let index = 0; index <= TALLY_ENTRIES; index++) {
        const at = table + index * TallyEntry.size;
        const packets = this.#count(at + TallyEntry.at.packets);
        if (packets === 0) continue;
        const bytes = this.#count(at + TallyEntry.at.bytes);
        if (index === TALLY_ENTRIES) {
          rest.packets += packets;
          rest.bytes += bytes;
          continue;
        }
        const key = this.#view.getBigUint64(at + TallyEntry.at.key, true);
        const line = lines.get(key) ?? { key, packets: 0, bytes: 0 };
        line.packets += packets;
        line.bytes += bytes;
        lines.set(key, line);
      }
    }
    return { lines: [...lines.values()].sort((a, b) => (a.key < b.key ? -1 : 1)), rest };
  }

  /** Packets of each fate, from the queues' counts, which are never too many to be kept apart. */
  #packetsOf(fate: number): number {
    let packets = 0;
    for (const state of this.#layout.states) {
      const tallies = this.#region(state, "queue_tallies");
      for (const number of this.#layout.queues.keys())
        packets += this.#count(tallies + number * QueueTally.size + QueueTally.at.fates + fate * 8);
    }
    return packets;
  }

  /** What of each fate no line of `counts` holds, as lines with the reason `other`. */
  #otherFates(counts: readonly FateCount[], bytes: number): FateCount[] {
    const others: FateCount[] = [];
    for (let number = 1; number < FATE_COUNT; number++) {
      const fate = fateName(number);
      if (fate === undefined) continue;
      const told = counts.reduce((sum, line) => sum + (line.fate === fate ? line.packets : 0), 0);
      const packets = this.#packetsOf(number) - told;
      // The bytes are not counted by fate; as good as always there is one such line.
      if (packets > 0) others.push({ fate, to: null, reason: "other", packets, bytes: others.length === 0 ? bytes : 0 });
    }
    return others;
  }

  /** Packets by what became of them, most first. */
  fates(): FateCount[] {
    const counts: FateCount[] = [];
    const { lines, rest } = this.#lines("outcome_tally");
    for (const { key, packets, bytes } of lines) {
      const low = Number(key & 0xffffffffn);
      const fate = fateName(low & 255);
      if (fate === undefined) continue;
      const detail = (low << 0) >> 16;
      const to = targetName(Number(key >> 32n), this.#names.interface);
      counts.push({ fate, to, reason: reasonName((low >> 8) & 255, detail, this.#names.helper), packets, bytes });
    }
    if (rest.packets > 0) counts.push(...this.#otherFates(counts, rest.bytes));
    return counts.sort((a, b) => b.packets - a.packets);
  }

  /** Programs by hook and device, with how often they gave each verdict. `traps` by program's table index. */
  programs(traps: ReadonlyMap<number, number>): ProgramResult[] {
    const results = new Map<
      number,
      { name: string; hook: string; device: string; runs: number; slot: number; verdicts: Record<string, number> }
    >();
    const { lines, rest } = this.#lines("verdict_tally");
    for (const { key, packets } of lines) {
      const what = Number(key & 0xffffffffn);
      const slot = what & 0xffff;
      const { hook, mode, verdict } = stepNames((what >>> 16) & 255, Number(BigInt.asIntN(32, key >> 32n)));
      const known = results.get(what) ?? {
        name: this.#names.program(slot),
        hook: mode === "generic" ? `${hook} generic` : hook,
        device: this.#names.device(what >>> 24),
        runs: 0,
        slot,
        verdicts: {},
      };
      known.runs += packets;
      known.verdicts[verdict] = (known.verdicts[verdict] ?? 0) + packets;
      results.set(what, known);
    }
    // In the order in which a packet meets the hooks.
    const inOrder = [...results].sort(([a], [b]) => ((a >>> 16) & 255) - ((b >>> 16) & 255) || (a >>> 24) - (b >>> 24) || a - b);
    const rows = inOrder.map(([, { slot, ...result }]) => ({ ...result, traps: traps.get(slot) ?? 0 }));
    if (rest.packets > 0)
      rows.push({ name: "other", hook: "", device: "", runs: rest.packets, verdicts: { other: rest.packets }, traps: 0 });
    return rows;
  }

  /** What each receive queue got, and what became of it. Queues that saw nothing are there too. */
  queues(): QueueResult[] {
    return this.#layout.queues.map(({ device, index, cpu }, number) => {
      const fates: Partial<Record<Fate, number>> = {};
      let packets = 0;
      let bytes = 0;
      for (const state of this.#layout.states) {
        const tally = this.#region(state, "queue_tallies") + number * QueueTally.size;
        packets += this.#count(tally + queueCounters.struct.at.rx_packets);
        bytes += this.#count(tally + queueCounters.struct.at.rx_bytes);
        for (let fate = 1; fate < FATE_COUNT; fate++) {
          const count = this.#count(tally + QueueTally.at.fates + fate * 8);
          const name = fateName(fate);
          if (count > 0 && name !== undefined) fates[name] = (fates[name] ?? 0) + count;
        }
      }
      return { device: this.#names.device(device), queue: index, cpu, packets, bytes, fates };
    });
  }

  /** A veth's counters as `ip -s link` and `ethtool -S` show them. */
  #veth(device: number, peer: number): Record<string, number> {
    const count =
      (index: number): VethCount =>
      (name) =>
        this.#layout.states.reduce((sum, state) => {
          const at = PollState.read(this.#view, state, "veth_counters") + index * VethCounters.size;
          return sum + this.#count(at + VethCounters.at[name]);
        }, 0);
    const all = { ...vethLinkStatistics(count(device), count(peer)), ...vethQueueStatistics(count(device)) };
    return Object.fromEntries(Object.entries(all).filter(([, value]) => value > 0));
  }

  /** Counters under their `ethtool -S` names, zeroes left out, by device. */
  devices(): Record<string, Record<string, number>> {
    const all: Record<string, Record<string, number>> = {};
    for (let device = 0; device < this.#layout.deviceCount; device++) {
      const counters: Record<string, number> = {};
      const add = (name: string, value: number) => {
        if (value > 0) counters[name] = (counters[name] ?? 0) + value;
      };
      for (const state of this.#layout.states) {
        for (const [number, queue] of this.#layout.queues.entries()) {
          if (queue.device !== device) continue;
          const tally = this.#region(state, "queue_tallies") + number * QueueTally.size;
          for (const name of queueCounters.names) add(name, this.#count(tally + queueCounters.struct.at[name]));
        }
        const own = this.#region(state, "device_counters") + device * DeviceCounters.size;
        for (const name of deviceCounters.names) add(name, this.#count(own + deviceCounters.struct.at[name]));
      }
      const peer = this.#peers[device];
      if (peer !== undefined) Object.assign(counters, this.#veth(device, peer));
      all[this.#names.device(device)] = counters;
    }
    return all;
  }
}
