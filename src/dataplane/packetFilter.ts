import { CpuBlock, FilterState, SkBuff } from "../layout/index.ts";
import type { LoadedProgram, MapHost } from "../runtime/index.ts";
import type { MachineLayout } from "./machine.ts";

type FilterPackets = (state: number, first: number, count: number) => number;

/** A filter in front of steering. It runs on the main thread, with the host's CPU block. */
export class PacketFilter {
  readonly #host: MapHost;
  readonly #state: number;
  readonly #filterPackets: FilterPackets;

  constructor(host: MapHost, layout: MachineLayout, program: LoadedProgram) {
    const { memory, runtime, cpus } = host;
    this.#host = host;
    this.#filterPackets = runtime.exports.filterPackets as FilterPackets;
    this.#state = memory.allocate("engine", FilterState.size, 64, "packet filter");
    const skb = CpuBlock.read(memory.view, cpus.host, "skb");
    memory.bytes.fill(0, skb, skb + SkBuff.size);
    FilterState.write(memory.view, this.#state, "program", program.slot);
    FilterState.write(memory.view, this.#state, "skb", skb);
    FilterState.write(memory.view, this.#state, "interfaces", layout.interfaces);
  }

  /** Of the descriptors at `first`, moves those of wanted packets together and gives how many they are. */
  keep(first: number, count: number, interfaceCount: number): number {
    const { memory, runtime, cpus } = this.#host;
    const cpu = runtime.exports.cpu as WebAssembly.Global;
    const before = cpu.value;
    FilterState.write(memory.view, this.#state, "interface_count", interfaceCount);
    cpu.value = cpus.host;
    try {
      return this.#filterPackets(this.#state, first, count);
    } finally {
      cpu.value = before;
    }
  }

  /** Packets and captured bytes left out so far. */
  get leftOut(): { readonly packets: number; readonly bytes: number } {
    const { view } = this.#host.memory;
    return {
      packets: Number(FilterState.readBig(view, this.#state, "packets")),
      bytes: Number(FilterState.readBig(view, this.#state, "bytes")),
    };
  }
}
