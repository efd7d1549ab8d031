import { assemble } from "../../src/bpf/isa/index.ts";
import type { MapSpec, ProgramSpec, ProgramTypeName } from "../../src/bpf/spec.ts";
import { verify } from "../../src/bpf/verifier/index.ts";
import { programTypes } from "../../src/dataplane/programTypes.ts";
import { type Kernel, type KernelMap, type KernelProgram, openKernel } from "../../src/kernel/index.ts";
import { layOutLoopback, TcTestRun, XdpTestRun } from "../../src/lab/testRun/index.ts";
import {
  BPF_F_XDP_HAS_FRAGS,
  BPF_MAP_TYPE_ARENA,
  BPF_MAP_TYPE_ARRAY,
  BPF_MAP_TYPE_RINGBUF,
  CpuBlock,
  FIRST_PACKET_NS,
} from "../../src/layout/index.ts";
import { ProblemError, type Result } from "../../src/problem/index.ts";
import {
  coldHelpers,
  createCpus,
  createMap,
  drainRing,
  type Engine,
  instantiateRuntime,
  MapHost,
  ProgramLoader,
  runOnce,
  SimulatedMemory,
} from "../../src/runtime/index.ts";
import {
  layOutConntrack,
  layOutSockets,
  layOutSynCookies,
  layOutXfrmStates,
  parseConnection,
  parseSocket,
  parseXfrmState,
} from "../../src/stack/index.ts";

const opened = openKernel();
/** Whether the live kernel can be asked. */
export const liveKernelHere = opened.ok;
/** Behind a test's title: whether the live kernel was asked too. */
export const withKernel = opened.ok ? ", as in the live kernel" : ` (without the live kernel: ${opened.problem.message})`;

/** A program that leaves 64-bit words in its map `results` (r6 holds the address of the first). */
export interface SmallProgram {
  readonly type?: ProgramTypeName;
  /** Its text behind `r6 = results; r7 = r1`; `call kfunc NAME` calls a kernel function. Ends with an exit. */
  readonly text: string;
  /** Maps behind `results`, which is map 0. */
  readonly maps?: readonly MapSpec[];
  /** First instruction of the exception callback, in the whole program. */
  readonly exceptionCallback?: number;
  readonly packet?: Uint8Array;
  /** Bytes of an XDP frame that are not in fragments. */
  readonly linear?: number;
  /** Bytes at the front of an XDP frame that are metadata. */
  readonly metadata?: number;
  /** False for a program that Linux refuses: the live kernel is not asked. */
  readonly kernel?: boolean;
  /** Sockets of the simulated host, and its net.ipv4.tcp_syncookies. The live kernel must have them already. */
  readonly sockets?: readonly string[];
  readonly synCookies?: 0 | 1 | 2;
  /** Connections that the simulated host tracks. The live kernel must track them already. */
  readonly connections?: readonly string[];
  /** xfrm states of the simulated host. The live kernel must have them already. */
  readonly xfrmStates?: readonly string[];
  /** How many results are looked at. */
  readonly results: number;
}

export interface Outcome {
  readonly returned: number;
  readonly packet: string;
  /** Signed, so that errnos can be read. */
  readonly results: readonly bigint[];
  /** Records in the map `ring`. */
  readonly records?: readonly string[];
  /** As many bytes of the ARENA as it had contents: after the run. */
  readonly arena?: string;
}

export const results: MapSpec = { name: "results", type: BPF_MAP_TYPE_ARRAY, keySize: 4, valueSize: 1024, maxEntries: 1, flags: 0 };
export const ring: MapSpec = { name: "ring", type: BPF_MAP_TYPE_RINGBUF, keySize: 0, valueSize: 0, maxEntries: 4096, flags: 0 };
const minimumFrame = Uint8Array.from({ length: 64 }, (_, index) => (index === 12 ? 0x88 : index === 13 ? 0xb5 : index));

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");

function specOf({ type = "xdp", text, maps = [], exceptionCallback, linear }: SmallProgram): ProgramSpec {
  const names = [...new Set([...text.matchAll(/call kfunc (\w+)/g)].map(([, name]) => name!))];
  const whole = `r6 = map[results][0]\nr7 = r1\n${text}`;
  const all = [results, ...maps];
  const symbols = {
    helpers: new Map([...programTypes[type].helpers].map(([id, { name }]) => [name, id])),
    maps: new Map(all.map(({ name }, index) => [name, index])),
    kfuncs: new Map(names.map((name, index) => [name, index + 1])),
  };
  return {
    name: "small",
    section: type,
    type,
    expectedAttachType: 0,
    flags: linear === undefined ? 0 : BPF_F_XDP_HAS_FRAGS,
    license: "GPL",
    instructions: assemble(whole, symbols),
    maps: all,
    functions: [],
    lines: [],
    ...(exceptionCallback === undefined ? {} : { exceptionCallback }),
    kfuncs: new Map(names.map((name, index) => [index + 1, name])),
  };
}

function wordsOf(bytes: Uint8Array, count: number): bigint[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return Array.from({ length: count }, (_, index) => view.getBigInt64(index * 8, true));
}

function taken<T>(result: Result<T>): T {
  if (!result.ok) throw new ProblemError(result.problem);
  return result.value;
}

function simulated(spec: ProgramSpec, program: SmallProgram, engine: Engine): Outcome {
  const memory = new SimulatedMemory();
  const cpus = createCpus(memory, { count: 2 });
  const network = layOutLoopback(memory);
  const runtime = instantiateRuntime(memory.memory, coldHelpers(memory.memory));
  for (const block of [...cpus.blocks, cpus.host]) {
    CpuBlock.write(memory.view, block, "network", network.namespace);
    CpuBlock.writeBig(memory.view, block, "boot_ns", BigInt(FIRST_PACKET_NS));
  }
  layOutSynCookies(memory, network.namespace, program.synCookies === undefined ? {} : { mode: program.synCookies });
  const sockets = (program.sockets ?? []).map((text) => taken(parseSocket(text)));
  layOutXfrmStates(
    memory,
    network.namespace,
    (program.xfrmStates ?? []).map((text) => taken(parseXfrmState(text))),
  );
  layOutSockets(memory, network.namespace, { sockets, devices: [{ name: "lo", ifindex: 1 }] });
  (runtime.exports.cpu as WebAssembly.Global).value = cpus.blocks[0];
  const host = new MapHost(memory, runtime, cpus);
  const connections = (program.connections ?? []).map((text) => taken(parseConnection(text)));
  layOutConntrack(host, network.namespace, { connections, capacity: 64 });
  const maps = spec.maps.map((map) => createMap(host, map));
  const checked = verify(spec, programTypes[spec.type]);
  if (!checked.accepted) throw new Error(`${checked.problem.message} at ${checked.problem.at.instruction}`);
  const loaded = new ProgramLoader(host).load(checked, maps, engine);
  const run = (context: number): bigint => {
    const result = runOnce(host, loaded, context);
    if ("trap" in result) {
      const { reason, message, instruction } = result.trap;
      throw new Error(`trap: ${reason} at ${instruction}: ${checked.unbuilt.get(instruction ?? -1) ?? message}`);
    }
    return result.returned;
  };
  const data = program.packet ?? minimumFrame;
  const context =
    program.linear === undefined && program.metadata === undefined
      ? {}
      : { context: { data_end: program.linear ?? data.length, data: program.metadata ?? 0 } };
  const input = { data, dataSizeOut: 65536, ...context };
  const testRun =
    spec.type === "xdp"
      ? new XdpTestRun(memory, network)
      : new TcTestRun(memory, network, runtime.exports.skbReceive as (skb: number, device: number) => void);
  const output = testRun.run(input, run);
  if ("errno" in output) throw new Error(`the test run was refused: errno ${output.errno}`);
  const arena = maps.find((map) => map.arena !== undefined);
  const inArena =
    arena?.spec.contents === undefined ? {} : { arena: hex(arena.arena!.read(arena.arena!.start, arena.spec.contents.length)) };
  const records = maps.filter(({ name }) => name === ring.name).map((map) => drainRing(memory, map).map(hex));
  return {
    returned: output.retval,
    packet: hex(output.out),
    results: wordsOf(maps[0]!.lookup(new Uint8Array(4)) as Uint8Array, program.results),
    ...(records.length > 0 ? { records: records[0]! } : {}),
    ...inArena,
  };
}

/** A rejection shows the end of the verifier's log. */
function loadProgram(kernel: Kernel, spec: ProgramSpec, maps: ReadonlyMap<string, KernelMap>): KernelProgram {
  try {
    return kernel.loadProgram(spec, maps);
  } catch (error) {
    if (error instanceof ProblemError) throw new Error(`${error.message}\n${error.problem.hint}`);
    throw error;
  }
}

function inKernel(kernel: Kernel, spec: ProgramSpec, program: SmallProgram): Outcome & { readonly arenaStart?: bigint } {
  const maps = kernel.createMaps(spec.maps);
  const loaded = loadProgram(kernel, spec, maps);
  const packet = program.packet ?? minimumFrame;
  const context = new Uint8Array(24);
  const view = new DataView(context.buffer);
  view.setUint32(0, program.metadata ?? 0, true);
  view.setUint32(4, program.linear ?? packet.length, true);
  const given = program.linear === undefined && program.metadata === undefined ? {} : { context };
  const { error, returned, packet: left } = loaded.run({ packet, ...given });
  if (error !== 0) throw new Error(`the kernel refused the test run: ${error}`);
  const made = wordsOf(maps.get("results")!.lookup(new Uint8Array(4))!, program.results);
  const arena = [...maps.values()].find((map) => map.arena !== undefined);
  const inArena = arena?.spec.contents === undefined ? {} : { arena: hex(arena.arena!.read(0, arena.spec.contents.length)) };
  const arenaStart = arena?.arena?.start;
  loaded.close();
  for (const map of maps.values()) map.close();
  return { returned, packet: hex(left), results: made, ...inArena, ...(arenaStart === undefined ? {} : { arenaStart }) };
}

/** Runs a program in both engines and, where it is at hand, in the live kernel: what each makes of it. The kernel's ring buffers are not read. */
export function inEveryEngine(program: SmallProgram): Record<"jit" | "interp", Outcome> & { readonly kernel?: Outcome } {
  const spec = specOf(program);
  const kernel = opened.ok && program.kernel !== false ? inKernel(opened.value, spec, program) : undefined;
  // The kernel puts an arena where it likes: the simulated ones come to lie there too.
  const mapExtra = kernel?.arenaStart;
  const maps = spec.maps.map((map) => (mapExtra !== undefined && map.type === BPF_MAP_TYPE_ARENA ? { ...map, mapExtra } : map));
  const ours = { ...spec, maps };
  const engines = { jit: simulated(ours, program, "jit"), interp: simulated(ours, program, "interp") };
  return kernel === undefined ? engines : { ...engines, kernel };
}

/** What two outcomes differ in; undefined where they do not. */
export function difference(ours: Outcome, theirs: Outcome): string | undefined {
  if (ours.returned !== theirs.returned) return `returned ${ours.returned}, not ${theirs.returned}`;
  const result = ours.results.findIndex((word, index) => word !== theirs.results[index]);
  if (result >= 0) return `result ${result} is ${ours.results[result]}, not ${theirs.results[result]}`;
  if (ours.arena !== theirs.arena) return `arena is ${ours.arena}, not ${theirs.arena}`;
  if (ours.packet.length !== theirs.packet.length) return `packet of ${ours.packet.length / 2} bytes, not ${theirs.packet.length / 2}`;
  const at = [...ours.packet].findIndex((letter, index) => letter !== theirs.packet[index]) >> 1;
  if (at >= 0) return `packet byte ${at} is ${ours.packet.slice(at * 2, at * 2 + 2)}, not ${theirs.packet.slice(at * 2, at * 2 + 2)}`;
  return undefined;
}

/** The results of a program, which must be the same in both engines and in the live kernel. Returned values and packets must be too. */
export function agreedResults(program: SmallProgram): readonly bigint[] {
  const { jit, interp, kernel } = inEveryEngine(program);
  for (const [name, outcome] of Object.entries({ interp, ...(kernel === undefined ? {} : { kernel }) })) {
    const found = difference(jit, outcome);
    if (found !== undefined) throw new Error(`compiler beside ${name}: ${found}`);
  }
  if (JSON.stringify(jit.records) !== JSON.stringify(interp.records)) throw new Error("the engines' records differ");
  return jit.results;
}

/** Text that stores r0 as result number `index`. */
export const keep = (index: number): string => `*(u64 *)(r6 +${index * 8}) = r0`;
