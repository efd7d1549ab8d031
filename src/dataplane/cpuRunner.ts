import {
  CpuBlock,
  ProgramStats,
  REASON_BUDGET,
  REASON_DEPTH,
  REASON_HELPER,
  REASON_MAP_ACCESS,
  REASON_MEMORY,
  SteerState,
  WINDOW_PACKETS,
} from "../layout/index.ts";
import { ProblemError } from "../problem/index.ts";
import { type PortableProgram, type RuntimeInstance, type Trap, takeTrap } from "../runtime/index.ts";
import { FuelTank } from "./fuelTank.ts";
import type { MachineLayout } from "./machine.ts";
import { problems } from "./problems.ts";

/** How often a program ended early at one place, for one reason. */
export interface TrapCount {
  /** Table index of the program. */
  readonly program: number;
  readonly reason: Trap["reason"];
  readonly detail: number;
  readonly instruction: number | undefined;
  packets: number;
}

const reasonNumbers = {
  budget: REASON_BUDGET,
  helper: REASON_HELPER,
  depth: REASON_DEPTH,
  map_access: REASON_MAP_ACCESS,
  memory: REASON_MEMORY,
} as const;

/** The packet loop's exports (dataplane/exports.as.ts). */
interface PacketLoop {
  readonly setCpu: (block: number) => void;
  readonly beginWindow: (slot: number) => void;
  readonly beginPhase: () => void;
  readonly runPhase: () => number;
  readonly limitPolls: (polls: number) => void;
  readonly earliestPacket: () => number;
  readonly finishTimers: (latest: bigint) => void;
  readonly recoverTrap: (reason: number, detail: number) => number;
}

export interface RunnerPlace {
  readonly runtime: RuntimeInstance;
  readonly layout: MachineLayout;
  /** Numbers of the CPUs to run, ascending. */
  readonly cpus: readonly number[];
  /** Those of the thread's table, for the instruction of a trap; may grow while it runs. */
  readonly programs: readonly PortableProgram[];
  /** CPUs take turns poll by poll: the one whose next packet came first is next. */
  readonly deterministic: boolean;
  /** What a CPU's fuel tank holds when it is full. */
  readonly fuel: bigint;
}

/**
 * Runs some of the machine's CPUs in this thread, window by window. Between two windows no JavaScript runs but this; within one, only after a trap, or from poll to
 * poll when CPUs take turns.
 */
export class CpuRunner {
  readonly #place: RunnerPlace;
  readonly #loop: PacketLoop;
  readonly #blocks: readonly number[];
  readonly #tanks: ReadonlyMap<number, FuelTank>;
  readonly #traps = new Map<string, TrapCount>();

  constructor(place: RunnerPlace) {
    this.#place = place;
    this.#loop = place.runtime.exports as unknown as PacketLoop;
    this.#blocks = place.cpus.map((cpu) => place.layout.blocks[cpu]!);
    this.#tanks = new Map(this.#blocks.map((block) => [block, new FuelTank(place.runtime, place.fuel)]));
  }

  get traps(): readonly TrapCount[] {
    return [...this.#traps.values()];
  }

  beginWindow(number: number): void {
    const { slots } = this.#place.layout;
    const slot = slots[number % slots.length]!;
    for (const block of this.#blocks) {
      this.#loop.setCpu(block);
      this.#loop.beginWindow(slot);
    }
  }

  /** One phase of every CPU, in order of their numbers; true when any has something left for another. */
  runPhase(): boolean {
    let more = false;
    // All begin before any runs: what was sent in the phase before stands still from here on.
    for (const block of this.#blocks) {
      this.#loop.setCpu(block);
      this.#loop.beginPhase();
    }
    if (this.#place.deterministic) this.#takeTurns();
    for (const block of this.#blocks) if (this.#runToEnd(block)) more = true;
    return more;
  }

  /** Fires what is due by the last packet of the run, CPU by CPU. */
  finish(): void {
    const { runtime, layout } = this.#place;
    const latest = new DataView(runtime.memory.buffer).getBigInt64(layout.steer + SteerState.at.latest_ns, true);
    for (const block of this.#blocks) this.#untilDone(block, () => this.#loop.finishTimers(latest));
  }

  /** First the mail of all CPUs, then one poll at a time. A CPU whose mail buffer is full has to wait for the next phase. */
  #takeTurns(): void {
    this.#limit(this.#blocks, 0);
    for (const block of this.#blocks) this.#runToEnd(block);
    const waiting = new Set(this.#blocks);
    while (waiting.size > 0) {
      let next = 0;
      let earliest = WINDOW_PACKETS;
      for (const block of waiting) {
        this.#loop.setCpu(block);
        const packet = this.#loop.earliestPacket();
        if (packet >= earliest) continue;
        earliest = packet;
        next = block;
      }
      if (next === 0) break;
      this.#limit([next], 1);
      this.#runToEnd(next);
      if (this.#loop.earliestPacket() === earliest) waiting.delete(next);
    }
    this.#limit(this.#blocks, 0);
  }

  #limit(blocks: readonly number[], polls: number): void {
    for (const block of blocks) {
      this.#loop.setCpu(block);
      this.#loop.limitPolls(polls);
    }
  }

  #runToEnd(block: number): boolean {
    return this.#untilDone(block, () => this.#loop.runPhase() !== 0);
  }

  /** Enters the loop on a CPU, again after each trap. */
  #untilDone<T>(block: number, enter: () => T): T {
    const tank = this.#tanks.get(block)!;
    this.#loop.setCpu(block);
    tank.open();
    for (;;) {
      try {
        const result = enter();
        tank.close();
        return result;
      } catch (error) {
        tank.spill(this.#recover(block, error) === "budget");
      }
    }
  }

  /**
   * The packet that trapped is lost, and counted; the loop is to be entered again behind it. Gives why. Throws if no program ran: what the packet loop found in the
   * memory was not its own.
   */
  #recover(block: number, error: unknown): Trap["reason"] {
    const memory = { view: new DataView(this.#place.runtime.memory.buffer) };
    const program = CpuBlock.read(memory.view, block, "program");
    const running = this.#place.programs.filter(({ slot }) => slot === program);
    const trap = takeTrap(memory, this.#place.runtime, running, error);
    if (program === 0) throw this.#spoiled();
    try {
      this.#loop.recoverTrap(reasonNumbers[trap.reason], trap.detail);
    } catch (failure) {
      throw failure instanceof WebAssembly.RuntimeError ? this.#spoiled() : failure;
    }
    countTrap(memory.view, block, program);
    const key = `${program} ${trap.reason} ${trap.detail} ${trap.instruction}`;
    const known = this.#traps.get(key);
    if (known !== undefined) known.packets++;
    else this.#traps.set(key, { program, reason: trap.reason, detail: trap.detail, instruction: trap.instruction, packets: 1 });
    return trap.reason;
  }

  #spoiled(): ProblemError {
    const names = this.#place.programs.map((program) => (program.engine === "jit" ? program.compiled.name : program.spec.name)).join(", ");
    return new ProblemError(problems.memory_spoiled({ programs: names }, { program: names }));
  }
}

function countTrap(view: DataView, block: number, program: number): void {
  const stats = CpuBlock.read(view, block, "program_stats") + program * ProgramStats.size;
  ProgramStats.writeBig(view, stats, "traps", ProgramStats.readBig(view, stats, "traps") + 1n);
}
