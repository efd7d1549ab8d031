import type { MapSpec } from "../../../src/bpf/spec.ts";
import { verify } from "../../../src/bpf/verifier/index.ts";
import { programTypes } from "../../../src/dataplane/programTypes.ts";
import { TcTestRun, XdpTestRun } from "../../../src/lab/testRun/index.ts";
import { CpuBlock } from "../../../src/layout/index.ts";
import {
  type BpfMap,
  coldHelpers,
  createCpus,
  createMap,
  drainRing,
  type Engine,
  instantiateRuntime,
  type LoadedProgram,
  MapHost,
  ProgramLoader,
  type RuntimeInstance,
  runOnce,
  SimulatedMemory,
  writeUserRing,
} from "../../../src/runtime/index.ts";
import { applyEntries, applyFirstContents, INNER_ENTRIES, INNER_KEYS, readingOf, type UserSide } from "./contents.ts";
import { packetBytes } from "./input.ts";
import { layOutSimulated } from "./network.ts";
import { contextText, hex, type RunOutcome } from "./outcome.ts";
import type { AssembledSet, GeneratedSet } from "./program.ts";

const u32 = (value: number): Uint8Array => new Uint8Array(Uint32Array.of(value).buffer);
const u64 = (value: number): Uint8Array => new Uint8Array(BigUint64Array.of(BigInt(value)).buffer);
const EMPTY = new Uint8Array(0);
/** What the live side asks for: the packet, and a page. */
const SPARE_OUTPUT = 4096;

/** How many CPUs the live kernel keeps per-CPU values for, and on which one programs run and user space works. */
export interface Place {
  readonly cpus: number;
  readonly cpu: number;
}

/** One memory and one runtime, in which set after set is run. */
export class SimulatedMachine {
  readonly #memory = new SimulatedMemory();
  readonly #runtime: RuntimeInstance;
  readonly #engine: Engine;
  readonly #place: Place;

  constructor(engine: Engine, place: Place) {
    this.#engine = engine;
    this.#place = place;
    this.#runtime = instantiateRuntime(this.#memory.memory, coldHelpers(this.#memory.memory));
  }

  run(generated: GeneratedSet, assembled: AssembledSet): RunOutcome[] {
    const memory = this.#memory;
    const runtime = this.#runtime;
    memory.reset();
    const cpus = createCpus(memory, { count: this.#place.cpus });
    const { cpu } = this.#place;
    CpuBlock.write(memory.view, cpus.host, "id", cpu);
    const network = layOutSimulated(memory);
    for (const block of cpus.blocks) CpuBlock.write(memory.view, block, "network", network.namespace);
    (runtime.exports.cpu as WebAssembly.Global).value = cpus.blocks[cpu];
    const host = new MapHost(memory, runtime, cpus);
    const maps = new Map(assembled.maps.map((spec) => [spec.name, createMap(host, spec)]));
    const inner = new Map(
      assembled.maps.filter((spec) => readingOf(spec) === "inner").map((spec) => [spec.name, fillInner(host, spec, maps.get(spec.name)!)]),
    );
    const loader = new ProgramLoader(host);
    const all = [...maps.values()];
    const load = (spec: AssembledSet["main"]): LoadedProgram => {
      const checked = verify(spec, programTypes[spec.type]);
      if (!checked.accepted) throw new Error(`${checked.problem.message} at ${checked.problem.at.instruction}`);
      return loader.load(checked, all, this.#engine);
    };
    for (const [index, tail] of assembled.tails.entries()) maps.get("prog_array")!.setProgram(index, load(tail).slot);
    const program = load(assembled.main);
    const user: UserSide = {
      update: (name, key, value) => {
        maps.get(name)!.update(key, value);
      },
      delete: (name, key) => {
        maps.get(name)!.delete(key);
      },
      produce: (record) => {
        writeUserRing(memory, maps.get("user_ringbuf")!, record);
      },
    };
    applyFirstContents(assembled.maps, generated, user);
    const testRun =
      generated.type === "xdp"
        ? new XdpTestRun(memory, network)
        : new TcTestRun(memory, network, runtime.exports.skbReceive as (skb: number, device: number) => void);
    const contents = (spec: MapSpec, last: boolean): string => {
      const map = maps.get(spec.name)!;
      switch (readingOf(spec)) {
        case "nothing":
          return "";
        case "records":
          return drainRing(memory, map).map(hex).join(" ");
        case "next":
          if (!last) return hex((map.lookup(EMPTY) as Uint8Array | undefined) ?? EMPTY);
          return [...map.entries()].map(([, value]) => hex(value as Uint8Array)).join(" ");
        case "inner":
          return inner
            .get(spec.name)!
            .map(({ key, map: made }) => `${key}: ${entriesText(made)}`)
            .join("; ");
        case "entries":
          return entriesText(map);
      }
    };
    const runs = generated.runs.map(({ packet, context, entries }, index): RunOutcome => {
      if (index > 0) applyEntries(assembled.maps, entries, user);
      CpuBlock.write(memory.view, cpus.blocks[cpu]!, "skb_buffer_owner", 0);
      const data = packetBytes(packet);
      let trap: string | undefined;
      const output = testRun.run({ data, dataSizeOut: data.length + SPARE_OUTPUT, ...(context ? { context } : {}) }, (at) => {
        const result = runOnce(host, program, at, cpu);
        if ("returned" in result) return result.returned;
        trap = `trap: ${result.trap.reason} (${result.trap.message}, ${result.trap.detail}) at ${result.trap.instruction}`;
        return 0n;
      });
      const found = Object.fromEntries(assembled.maps.map((spec) => [spec.name, contents(spec, index === generated.runs.length - 1)]));
      if (trap !== undefined) return { result: trap, packet: "", context: "", maps: found };
      if ("errno" in output) return { result: `errno ${output.errno}`, packet: "", context: "", maps: found };
      return {
        result: `returned ${output.retval}`,
        packet: hex(output.out),
        context: context ? contextText(output.context) : "",
        maps: found,
      };
    });
    return runs;
  }
}

function fillInner(host: MapHost, spec: MapSpec, outer: BpfMap): { readonly key: number; readonly map: BpfMap }[] {
  return INNER_KEYS.map((key) => {
    const map = createMap(host, spec.inner!);
    for (const [at, value] of INNER_ENTRIES) map.update(u32(at), u64(value + key));
    outer.setInner(u32(key), map);
    return { key, map };
  });
}

const padded = (bytes: Uint8Array): string => hex(bytes).padEnd(((bytes.length + 7) & ~7) * 2, "0");

/** As the live kernel gives them: a per-CPU value is all CPUs' values, each padded to 8 bytes. */
const entriesText = (map: BpfMap): string =>
  [...map.entries()]
    .map(([key, value]) => `${hex(key)}=${value instanceof Uint8Array ? hex(value) : value.map(padded).join("")}`)
    .sort()
    .join(" ");
