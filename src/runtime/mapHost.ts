import { CpuBlock, EFAULT } from "../layout/index.ts";
import type { BpfMap } from "./bpfMap.ts";
import type { SimulatedCpus } from "./cpus.ts";
import { resetCpu } from "./cpus.ts";
import type { RuntimeInstance } from "./instance.ts";
import type { SimulatedMemory } from "./memory.ts";

/** For one call of the host's: walks of a great map burn much; links that a wrong program overwrote must not be followed for ever. */
const HOST_FUEL = 1n << 32n;

type MapFunction = (...values: (number | bigint)[]) => number;

/**
 * The main thread's hands on the maps: it calls the same functions of the runtime as programs do, with the host's CPU block, so that each map type has one
 * implementation and the main thread may read and write while CPUs run.
 */
export class MapHost {
  readonly memory: SimulatedMemory;
  readonly runtime: RuntimeInstance;
  readonly cpus: SimulatedCpus;
  /** Returns when no CPU runs; whoever runs CPUs sets it. */
  standStill: () => void = () => {};
  #nextId = 1;
  readonly #maps = new Map<number, BpfMap>();

  constructor(memory: SimulatedMemory, runtime: RuntimeInstance, cpus: SimulatedCpus) {
    this.memory = memory;
    this.runtime = runtime;
    this.cpus = cpus;
  }

  /** The next map's id, as bpftool would show it; from 1. */
  takeId(): number {
    return this.#nextId++;
  }

  register(map: BpfMap): void {
    this.#maps.set(map.address, map);
  }

  /** All maps made so far, in order of their ids. */
  get maps(): IterableIterator<BpfMap> {
    return this.#maps.values();
  }

  /** The map whose header stands at this address. */
  mapAt(address: number): BpfMap | undefined {
    return this.#maps.get(address);
  }

  /** Where bytes for a call may be put: the host block's scratch area. */
  get scratch(): { readonly address: number; readonly size: number } {
    const { view } = this.memory;
    return { address: CpuBlock.read(view, this.cpus.host, "scratch"), size: CpuBlock.read(view, this.cpus.host, "scratch_size") };
  }

  /**
   * Calls a function of the runtime on the host's block. A trap (links that a wrong program overwrote) releases the host's locks and counts as `trapped`,
   * -EFAULT unless said.
   */
  call(name: string, values: readonly (number | bigint)[], trapped = -EFAULT): number {
    const { cpu } = this.runtime.exports;
    const call = this.runtime.exports[name] as MapFunction;
    const global = cpu as WebAssembly.Global;
    const before = global.value;
    global.value = this.cpus.host;
    (this.runtime.exports.fuel as WebAssembly.Global).value = HOST_FUEL;
    try {
      return call(...values);
    } catch (error) {
      if (!(error instanceof WebAssembly.RuntimeError)) throw error;
      (this.runtime.exports.releaseLocks as () => void)();
      resetCpu(this.memory, this.cpus.host);
      return trapped;
    } finally {
      global.value = before;
    }
  }
}
