import { type CheckedClassic, type FilteredPacket, translateClassic } from "../../../src/bpf/classic/index.ts";
import { verify } from "../../../src/bpf/verifier/index.ts";
import { FilterState, NetDevice, PacketDescriptor, SkBuff } from "../../../src/layout/index.ts";
import {
  createCpus,
  generalHelpers,
  instantiateRuntime,
  type LoadedProgram,
  MapHost,
  ProgramLoader,
  SimulatedMemory,
} from "../../../src/runtime/index.ts";
import { socketFilterType } from "../../../src/stack/index.ts";

const type = { ...socketFilterType, helpers: generalHelpers };

/** Filters on packets as a replay runs them: translated, verified, compiled (or interpreted), and called for a batch of descriptors. */
export class FilterMachine {
  readonly #memory = new SimulatedMemory();
  readonly #loader: ProgramLoader;
  readonly #filterPackets: (state: number, first: number, count: number) => number;
  readonly #state: number;
  readonly #first: number;
  /** The descriptors of all packets, which a run moves together. */
  readonly #descriptors: Uint8Array;
  readonly #count: number;

  constructor(packets: readonly FilteredPacket[]) {
    const memory = this.#memory;
    const runtime = instantiateRuntime(memory.memory, () => {
      throw new Error("a filter calls no cold helper");
    });
    const cpus = createCpus(memory, { count: 1 });
    (runtime.exports.cpu as WebAssembly.Global).value = cpus.host;
    this.#loader = new ProgramLoader(new MapHost(memory, runtime, cpus));
    this.#filterPackets = runtime.exports.filterPackets as (state: number, first: number, count: number) => number;
    this.#state = memory.allocate("engine", FilterState.size, 64, "filter");
    this.#count = packets.length;
    const size = Math.max(packets.length * PacketDescriptor.size, 1);
    this.#first = memory.allocate("engine", size, 64, "descriptors");
    const device = memory.allocate("engine", NetDevice.size, 64, "device");
    const interfaces = memory.allocate("engine", 4, 4, "interfaces");
    const skb = memory.allocate("program", SkBuff.size, 64, "skb");
    const places = packets.map(({ bytes }) => {
      const at = memory.allocate("engine", Math.max(bytes.length, 1), 1, "packet");
      memory.bytes.set(bytes, at);
      return at;
    });
    const { view } = memory;
    view.setUint32(interfaces, device, true);
    FilterState.write(view, this.#state, "skb", skb);
    FilterState.write(view, this.#state, "interfaces", interfaces);
    for (const [index, { bytes, length }] of packets.entries()) {
      const at = this.#first + index * PacketDescriptor.size;
      PacketDescriptor.write(view, at, "address", places[index]!);
      PacketDescriptor.write(view, at, "caplen", bytes.length);
      PacketDescriptor.write(view, at, "length", length);
      PacketDescriptor.writeBig(view, at, "id", BigInt(index));
    }
    this.#descriptors = memory.bytes.slice(this.#first, this.#first + size);
  }

  load(program: CheckedClassic, engine: "jit" | "interp" = "jit"): LoadedProgram {
    const spec = translateClassic(program);
    if (!spec.ok) throw new Error(spec.problem.message);
    const verified = verify(spec.value, type);
    if (!verified.accepted) throw new Error(verified.problem.message);
    return this.#loader.load(verified, [], engine);
  }

  /** Numbers of the packets that the filter wants. */
  matches(program: LoadedProgram): number[] {
    this.#memory.bytes.set(this.#descriptors, this.#first);
    const { view } = this.#memory;
    FilterState.write(view, this.#state, "program", program.slot);
    const kept = this.#filterPackets(this.#state, this.#first, this.#count);
    return Array.from({ length: kept }, (_, index) =>
      Number(PacketDescriptor.readBig(view, this.#first + index * PacketDescriptor.size, "id")),
    );
  }
}
