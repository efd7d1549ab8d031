import { assemble } from "../../src/bpf/isa/index.ts";
import type { MapSpec, ProgramSpec, ProgramTypeName } from "../../src/bpf/spec.ts";
import { Dataplane, type DataplaneOptions, type Outcome, type RunOptions, type RunResult } from "../../src/dataplane/index.ts";
import { programTypes } from "../../src/dataplane/programTypes.ts";
import { bytesFromMemory, openCapture, type PacketSource, PcapWriter } from "../../src/packet/index.ts";
import type { BpfMap, LoadedProgram } from "../../src/runtime/index.ts";

/** A packet of a test's capture: its bytes; microseconds after the one before (1 unless said). */
export type Sent = Uint8Array | { readonly bytes: Uint8Array; readonly afterUs?: number; readonly length?: number };

/** First timestamp of the captures made here: 2024-04-05 in nanoseconds. */
export const START_NS = 1_712_345_678_000_000_000n;

/** A pcap file with these packets. */
export function pcap(packets: readonly Sent[]): Uint8Array {
  const chunks: Uint8Array[] = [];
  const writer = new PcapWriter((chunk) => chunks.push(chunk.slice()));
  let time = START_NS;
  for (const [index, packet] of packets.entries()) {
    const sent = packet instanceof Uint8Array ? { bytes: packet } : packet;
    if (index > 0) time += BigInt(sent.afterUs ?? 1) * 1000n;
    writer.writePacket(time, sent.bytes, sent.length ?? sent.bytes.length);
  }
  writer.finish();
  return Uint8Array.from(chunks.flatMap((chunk) => [...chunk]));
}

/** A program from assembly. */
export function spec(name: string, text: string, type: ProgramTypeName = "xdp", maps: readonly MapSpec[] = []): ProgramSpec {
  return {
    name,
    section: type === "xdp" ? "xdp" : "tc",
    type,
    expectedAttachType: 0,
    flags: 0,
    license: "GPL",
    instructions: assemble(text),
    maps,
    functions: [],
    lines: [],
  };
}

/** A program that calls helpers and kernel functions by their names. */
export function withKfuncs(name: string, text: string, type: ProgramTypeName = "xdp", maps: readonly MapSpec[] = []): ProgramSpec {
  const names = [...new Set([...text.matchAll(/call kfunc (\w+)/g)].map(([, kfunc]) => kfunc!))];
  const symbols = {
    helpers: new Map([...programTypes[type].helpers].map(([id, helper]) => [helper.name, id])),
    maps: new Map(maps.map((map, index) => [map.name, index])),
    kfuncs: new Map(names.map((kfunc, index) => [kfunc, index + 1])),
  };
  return {
    ...spec(name, "r0 = 0\nexit", type, maps),
    instructions: assemble(text, symbols),
    kfuncs: new Map(names.map((kfunc, index) => [index + 1, kfunc])),
  };
}

/** A program that returns a number. */
export const returns = (value: number, type: ProgramTypeName = "xdp", name = `returns_${value}`): ProgramSpec =>
  spec(name, `r0 = ${value}\nexit`, type);

export interface Replayed {
  readonly outcomes: Outcome[];
  /** Final bytes by position, where they were asked for. */
  readonly bytes: Uint8Array[];
  readonly result: RunResult;
}

/** A machine in the main thread unless workers are asked for, and the way to send packets through it. */
export class TestMachine {
  readonly dataplane: Dataplane;

  constructor(options: Partial<DataplaneOptions> = {}) {
    this.dataplane = new Dataplane({ devices: [{ name: "eth0", mac: "02:00:00:00:00:01" }], ...options });
  }

  load(program: ProgramSpec, maps: readonly BpfMap[] = []): LoadedProgram {
    return this.dataplane.load(program, maps);
  }

  /** Attaches a program to eth0, or to another device. */
  attach(
    hook: Parameters<Dataplane["attach"]>[1],
    program: ProgramSpec | LoadedProgram,
    device = "eth0",
    maps: readonly BpfMap[] = [],
  ): LoadedProgram {
    const loaded = "slot" in program ? program : this.load(program, maps);
    this.dataplane.attach(this.dataplane.device(device)!, hook, loaded);
    return loaded;
  }

  map(given: Partial<MapSpec> & Pick<MapSpec, "name" | "type">): BpfMap {
    return this.dataplane.createMap({ keySize: 4, valueSize: 4, maxEntries: 16, flags: 0, ...given });
  }

  /** As `replay`, without a look at each packet. */
  async run(packets: readonly Sent[], options: RunOptions = {}): Promise<RunResult> {
    return this.dataplane.run(await this.#source(packets), options);
  }

  #source(packets: readonly Sent[]): Promise<PacketSource> {
    return openCapture(this.dataplane.memory, bytesFromMemory(pcap(packets)), { name: "test.pcap", resident: 1 << 26 });
  }

  async replay(packets: readonly Sent[], options: RunOptions = {}): Promise<Replayed> {
    const source = await this.#source(packets);
    const outcomes: Outcome[] = [];
    const bytes: Uint8Array[] = [];
    const result = await this.dataplane.run(source, {
      ...options,
      onOutcome: (expanded) => {
        outcomes.push(expanded.outcome);
        if (options.keepBytes) bytes.push(expanded.bytes.slice());
      },
    });
    return { outcomes, bytes, result };
  }
}

/** A 4-byte key or value. */
export const word = (value: number): Uint8Array => {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, value, true);
  return bytes;
};

export const words = (...values: number[]): Uint8Array => Uint8Array.from(values.flatMap((value) => [...word(value)]));
