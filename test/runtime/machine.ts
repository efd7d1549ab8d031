import type { MapSpec } from "../../src/bpf/spec.ts";
import { createCpus, instantiateRuntime, MapHost, SimulatedMemory } from "../../src/runtime/index.ts";

/** A machine with `cpus` simulated CPUs and nothing attached, for tests that call the runtime's functions themselves. */
export class TestMachine {
  readonly memory = new SimulatedMemory();
  readonly host: MapHost;
  readonly #buffer: number;

  constructor(cpus = 2) {
    const blocks = createCpus(this.memory, { count: cpus, seed: 7n });
    const runtime = instantiateRuntime(this.memory.memory, () => {
      throw new Error("no cold helper is expected here");
    });
    this.host = new MapHost(this.memory, runtime, blocks);
    this.#buffer = this.memory.allocate("program", 65536, 64, "test buffer");
  }

  /** Makes CPU `id` the current one. */
  useCpu(id: number): void {
    (this.host.runtime.exports.cpu as WebAssembly.Global).value = this.host.cpus.blocks[id];
  }

  /** Address of the current CPU's block. */
  get block(): number {
    return (this.host.runtime.exports.cpu as WebAssembly.Global).value;
  }

  /** Calls an export as a program would, on the current CPU. */
  call(name: string, ...values: (number | bigint)[]): number {
    return (this.host.runtime.exports[name] as (...values: (number | bigint)[]) => number)(...values);
  }

  /** Puts bytes at a place where programs keep arguments; `place` 0 to 15 are 4 kB apart. */
  put(place: number, bytes: Uint8Array): number {
    const at = this.#buffer + place * 4096;
    this.memory.bytes.set(bytes, at);
    return at;
  }

  bytesAt(address: number, size: number): Uint8Array {
    return this.memory.bytes.slice(address, address + size);
  }
}

/** A map spec with what most tests do not care about filled in. */
export const mapSpec = (type: number, rest: Partial<MapSpec> = {}): MapSpec => ({
  name: "m",
  type,
  keySize: 4,
  valueSize: 8,
  maxEntries: 8,
  flags: 0,
  ...rest,
});

export const u32Key = (value: number): Uint8Array => new Uint8Array(new Uint32Array([value]).buffer);
export const u64Value = (value: bigint): Uint8Array => new Uint8Array(new BigUint64Array([value]).buffer);
export const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");
