/**
 * One million entries in a HASH with keys of 16 bytes and values of 8: memory per entry, and lookups per second, here and in the live kernel, in one run.
 *
 * Method: a program fills the map (64 entries a run), another looks up 64 keys of the million a run, chosen by bpf_get_prandom_u32, and a third does
 * the same but the lookup. Both machines run the same instructions; samples alternate between them. What counts is the looking program's time less
 * the idle one's, by lookup: median of the rounds, with least and greatest. Memory: what making the map allocated in the simulated memory; in the kernel `memlock` of the
 * map's fdinfo. `cold`: keys by chance, so that nearly every lookup misses the caches; `warm`: the same 256 keys over and over.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { arch, cpus, release } from "node:os";
import { assemble } from "../src/bpf/isa/index.ts";
import type { MapSpec, ProgramSpec } from "../src/bpf/spec.ts";
import { verify } from "../src/bpf/verifier/index.ts";
import { programTypes } from "../src/dataplane/programTypes.ts";
import { openKernel } from "../src/kernel/index.ts";
import { BPF_MAP_TYPE_ARRAY, BPF_MAP_TYPE_HASH, CpuBlock, XdpContext } from "../src/layout/index.ts";
import { coldHelpers, createCpus, createMap, instantiateRuntime, MapHost, ProgramLoader, SimulatedMemory } from "../src/runtime/index.ts";

const ENTRIES = 1_000_000;
/** Operations of one program run. */
const BATCH = 64;
const ROUNDS = 9;
const RUNS = 4000;

const hash: MapSpec = { name: "hash", type: BPF_MAP_TYPE_HASH, keySize: 16, valueSize: 8, maxEntries: ENTRIES, flags: 0 };
const next: MapSpec = { name: "next", type: BPF_MAP_TYPE_ARRAY, keySize: 4, valueSize: 8, maxEntries: 1, flags: 0 };
const maps = [hash, next];

/** The key of entry number r7, at r10 - 16: two unrelated words of 64 bits. */
const key = `
    r1 = 0x9e3779b97f4a7c15 ll
    r1 *= r7
    *(u64 *)(r10 -16) = r1
    r1 = 0xbf58476d1ce4e5b9 ll
    r1 *= r7
    *(u64 *)(r10 -8) = r1`;

const loop = (body: string): string => `
    r6 = 0
    r8 = 0
  again:
    ${body}
    r6 += 1
    if r6 != ${BATCH} goto again
    r0 = r8
    exit`;

/** r7 = an entry's number by chance, below \`below\`. */
const chosen = (below: number): string => `
    call 7
    r7 = r0
    r7 <<= 32
    r7 >>= 32
    r7 *= ${below}
    r7 >>= 32`;

const fill = `
    r1 = 0
    *(u32 *)(r10 -24) = r1
    r1 = map[1]
    r2 = r10
    r2 += -24
    call 1
    if r0 == 0 goto out
    r9 = r0
    r6 = 0
  again:
    r7 = *(u64 *)(r9 +0)
    ${key}
    *(u64 *)(r10 -32) = r7
    r7 += 1
    *(u64 *)(r9 +0) = r7
    r1 = map[0]
    r2 = r10
    r2 += -16
    r3 = r10
    r3 += -32
    r4 = 0
    call 2
    r6 += 1
    if r6 != ${BATCH} goto again
  out:
    r0 = 0
    exit`;

const look = (below: number): string =>
  loop(`${chosen(below)}
    ${key}
    r1 = map[0]
    r2 = r10
    r2 += -16
    call 1
    if r0 == 0 goto missed
    r8 += 1
  missed:`);

const idle = (below: number): string =>
  loop(`${chosen(below)}
    ${key}
    r1 = map[0]
    r2 = r10
    r2 += -16
    r8 += 1`);

function programOf(name: string, text: string): ProgramSpec {
  const instructions = assemble(text);
  return {
    name,
    section: "xdp",
    type: "xdp",
    expectedAttachType: 0,
    flags: 0,
    license: "GPL",
    instructions,
    maps,
    functions: [],
    lines: [],
  };
}

/** Runs a loaded program so many times and gives nanoseconds a run, and what it returned last. */
type TimedRun = (repeat: number) => { readonly nanoseconds: number; readonly returned: number };

interface Contender {
  readonly name: string;
  readonly bytesPerEntry: number;
  readonly load: (name: string, text: string) => TimedRun;
}

/** Counts what is allocated. */
class CountingMemory extends SimulatedMemory {
  allocated = 0;

  override allocate(...given: Parameters<SimulatedMemory["allocate"]>): number {
    this.allocated += given[1];
    return super.allocate(...given);
  }
}

function simulated(): Contender {
  const memory = new CountingMemory();
  const runtime = instantiateRuntime(memory.memory, coldHelpers(memory.memory, { trace: () => {} }));
  const blocks = createCpus(memory, { count: 1 });
  const host = new MapHost(memory, runtime, blocks);
  const before = memory.allocated;
  const made = [createMap(host, hash), createMap(host, next)];
  const bytes = memory.allocated - before;
  const loader = new ProgramLoader(host);
  const context = memory.allocate("program", XdpContext.size, 64, "context");
  const repeat = runtime.exports.repeatProgram as (slot: number, context: number, repeat: number) => bigint;
  (runtime.exports.cpu as WebAssembly.Global).value = blocks.blocks[0];
  if (CpuBlock.read(memory.view, blocks.blocks[0]!, "slot") !== 0) throw new Error("the machine has another first CPU");
  return {
    name: "xdplane",
    bytesPerEntry: bytes / ENTRIES,
    load(name, text) {
      const verified = verify(programOf(name, text), programTypes.xdp);
      if (!verified.accepted) throw new Error(verified.problem.message);
      const { slot } = loader.load(verified, made);
      return (runs) => {
        const start = performance.now();
        const returned = Number(repeat(slot, context, runs));
        return { nanoseconds: ((performance.now() - start) * 1e6) / runs, returned };
      };
    },
  };
}

function live(): Contender | string {
  const opened = openKernel();
  if (!opened.ok) return opened.problem.message;
  const kernel = opened.value;
  const made = kernel.createMaps(maps);
  const info = readFileSync(`/proc/self/fdinfo/${made.get("hash")!.fd}`, "utf8");
  const memlock = Number(/^memlock:\s*(\d+)/m.exec(info)?.[1]);
  const packet = new Uint8Array(64);
  return {
    name: "kernel",
    bytesPerEntry: memlock / ENTRIES,
    load(name, text) {
      const program = kernel.loadProgram(programOf(name, text), made);
      return (runs) => {
        const { nanoseconds, returned, error } = program.run({ packet, repeat: runs });
        if (error !== 0) throw new Error(`test run: ${error}`);
        return { nanoseconds, returned };
      };
    },
  };
}

const kernel = live();
if (typeof kernel === "string") console.error(`without the live kernel: ${kernel}`);
const contenders = typeof kernel === "string" ? [simulated()] : [simulated(), kernel];

const median = (values: readonly number[]): number => [...values].sort((a, b) => a - b)[values.length >> 1]!;
const rows = contenders.map(({ name, bytesPerEntry, load }) => {
  load("fill", fill)(ENTRIES / BATCH);
  const pairs = { cold: ENTRIES, warm: 256 };
  const runs = Object.entries(pairs).map(([kind, below]) => ({
    kind,
    look: load(`look_${kind}`, look(below)),
    idle: load(`idle_${kind}`, idle(below)),
  }));
  for (const { kind, look } of runs) {
    const { returned } = look(RUNS);
    if (returned !== BATCH) throw new Error(`${name}, ${kind}: ${returned} of ${BATCH} keys found`);
  }
  return { name, bytesPerEntry, runs, samples: { cold: [] as number[], warm: [] as number[] } };
});
for (let round = 0; round < ROUNDS; round++) {
  for (const { runs, samples } of rows) {
    for (const { kind, look, idle } of runs)
      samples[kind as "cold" | "warm"].push((look(RUNS).nanoseconds - idle(RUNS).nanoseconds) / BATCH);
  }
}

const result = {
  what: "1,000,000 entries in a HASH, keys of 16 bytes, values of 8",
  command: "node scripts/bench.mjs hashEntries",
  machine: `${cpus()[0]?.model.trim()} ${arch()}, Linux ${release()}, Node.js ${process.version}`,
  rounds: ROUNDS,
  lookupsASample: RUNS * BATCH,
  engines: rows.map(({ name, bytesPerEntry, samples }) => ({
    name,
    bytesPerEntry: Math.round(bytesPerEntry * 10) / 10,
    ...Object.fromEntries(
      Object.entries(samples).map(([kind, values]) => [
        kind,
        {
          nanosecondsALookup: Math.round(median(values) * 10) / 10,
          least: Math.round(Math.min(...values) * 10) / 10,
          greatest: Math.round(Math.max(...values) * 10) / 10,
          millionLookupsASecond: Math.round((1e3 / median(values)) * 10) / 10,
        },
      ]),
    ),
  })),
};
const text = `${JSON.stringify(result, null, 2)}\n`;
process.stdout.write(text);
if (process.argv.includes("--save")) writeFileSync("bench/results/hashEntries.json", text);
