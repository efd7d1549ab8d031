import { PacketDescriptor } from "../../src/layout/index.ts";
import { gunzip } from "../../src/packet/gzip.node.ts";
import { type ByteSource, bytesFromMemory, type CaptureOptions, type CaptureSource, openCapture } from "../../src/packet/index.ts";
import { instantiateRuntime } from "../../src/runtime/instance.ts";
import { SimulatedMemory } from "../../src/runtime/memory.ts";

/** What the tests look at of a packet. `ts` is null where the record has no time. */
export interface Packet {
  readonly bytes: Uint8Array;
  readonly length: number;
  readonly ts: bigint | null;
  readonly interface: number;
  readonly flags: number;
  readonly id: bigint;
}

const BATCH = 64;

/** A simulated memory with the runtime in it, and room for a batch of descriptors. */
export function makeBench() {
  const memory = new SimulatedMemory();
  const runtime = instantiateRuntime(memory.memory, () => {});
  return { memory, walk: runtime.exports.captureWalk as (state: number, first: number, max: number) => number };
}

export type Bench = ReturnType<typeof makeBench>;

/** Opens and reads a whole capture through the walker. */
export async function readCapture(
  input: Uint8Array | ByteSource,
  options: Partial<CaptureOptions> = {},
  bench = makeBench(),
): Promise<{ source: CaptureSource; packets: Packet[] }> {
  bench.memory.reset();
  const source = await openCapture(bench.memory, input instanceof Uint8Array ? bytesFromMemory(input) : input, {
    name: "test.pcap",
    links: "as-is",
    gunzip,
    ...options,
  });
  const packets = await readPackets(source, bench);
  await source.close();
  return { source, packets };
}

export async function readPackets(source: CaptureSource, bench: Bench): Promise<Packet[]> {
  const first = bench.memory.allocate("engine", BATCH * PacketDescriptor.size, 64, "descriptors");
  const packets: Packet[] = [];
  for (;;) {
    const count = bench.walk(source.state, first, BATCH);
    for (let index = 0; index < count; index++) packets.push(packetAt(bench, first + index * PacketDescriptor.size));
    if (count === 0 && !(await source.advance())) return packets;
  }
}

export function packetAt({ memory: { view, bytes } }: Bench, at: number): Packet {
  const address = PacketDescriptor.read(view, at, "address");
  const flags = PacketDescriptor.read(view, at, "flags");
  return {
    bytes: bytes.slice(address, address + PacketDescriptor.read(view, at, "caplen")),
    length: PacketDescriptor.read(view, at, "length"),
    ts: (flags & 8) !== 0 ? null : PacketDescriptor.readBig(view, at, "ts_ns"),
    interface: PacketDescriptor.read(view, at, "interface"),
    flags,
    id: PacketDescriptor.readBig(view, at, "id"),
  };
}
