/**
 * What helpers take in the live kernel, in CPU cycles, for the model of time (src/nic/timing.ts).
 *
 * Method: a loop of 512 rounds with the call, less the same loop without it; the loop's setting of arguments stands in both. A chain of dependent additions, of which a CPU does one a
 * cycle, gives the length of a cycle in the same run, so the clock rate does not matter. Median of the rounds. Map lookups find their entry among 1,000, the same one each time: in the
 * cache.
 */
import { assemble } from "../src/bpf/isa/index.ts";
import type { MapSpec, ProgramSpec } from "../src/bpf/spec.ts";
import { openKernel } from "../src/kernel/index.ts";
import {
  BPF_MAP_TYPE_ARRAY,
  BPF_MAP_TYPE_DEVMAP,
  BPF_MAP_TYPE_HASH,
  BPF_MAP_TYPE_LRU_HASH,
  BPF_MAP_TYPE_PERCPU_ARRAY,
  BPF_MAP_TYPE_PERCPU_HASH,
} from "../src/layout/index.ts";

const CALLS = 512;
const ROUNDS = 15;
const REPEAT = 400;
/** Additions of the chain. */
const CHAIN = 2000;

const map = (type: number): MapSpec => ({ name: `map${type}`, type, keySize: 4, valueSize: 8, maxEntries: 1000, flags: 0 });

/** Sets r1.. for the call; r10 - 16 holds key 7, r10 - 32 a value, r6 the context. */
interface Measured {
  readonly name: string;
  readonly setup: string;
  readonly call: number;
  readonly map?: MapSpec;
}

const lookup = (type: number): Measured => ({
  name: `bpf_map_lookup_elem/${type}`,
  setup: "r1 = map[0]\nr2 = r10\nr2 += -16",
  call: 1,
  map: map(type),
});
const update = (type: number): Measured => ({
  name: `bpf_map_update_elem/${type}`,
  setup: "r1 = map[0]\nr2 = r10\nr2 += -16\nr3 = r10\nr3 += -32\nr4 = 0",
  call: 2,
  map: map(type),
});

const helpers: readonly Measured[] = [
  lookup(BPF_MAP_TYPE_ARRAY),
  lookup(BPF_MAP_TYPE_PERCPU_ARRAY),
  lookup(BPF_MAP_TYPE_HASH),
  lookup(BPF_MAP_TYPE_PERCPU_HASH),
  lookup(BPF_MAP_TYPE_LRU_HASH),
  update(BPF_MAP_TYPE_ARRAY),
  update(BPF_MAP_TYPE_HASH),
  update(BPF_MAP_TYPE_LRU_HASH),
  { name: "bpf_ktime_get_ns", setup: "", call: 5 },
  { name: "bpf_get_prandom_u32", setup: "", call: 7 },
  { name: "bpf_get_smp_processor_id", setup: "", call: 8 },
  { name: "bpf_redirect", setup: "r1 = 1\nr2 = 0", call: 23 },
  { name: "bpf_csum_diff", setup: "r1 = r10\nr1 += -16\nr2 = 16\nr3 = r10\nr3 += -32\nr4 = 16\nr5 = 0", call: 28 },
  { name: "bpf_xdp_adjust_head", setup: "r1 = r6\nr2 = 0", call: 44 },
  { name: "bpf_redirect_map", setup: "r1 = map[0]\nr2 = 7\nr3 = 0", call: 51, map: map(BPF_MAP_TYPE_DEVMAP) },
  { name: "bpf_xdp_load_bytes", setup: "r1 = r6\nr2 = 0\nr3 = r10\nr3 += -32\nr4 = 8", call: 189 },
];

const program = (name: string, text: string, maps: readonly MapSpec[] = []): ProgramSpec => ({
  name,
  section: "xdp",
  type: "xdp",
  expectedAttachType: 0,
  flags: 0,
  license: "GPL",
  instructions: assemble(text),
  maps,
  functions: [],
  lines: [],
});

const key = "r1 = 7\n*(u64 *)(r10 -8) = r1\nr1 = 7\n*(u64 *)(r10 -16) = r1\n*(u64 *)(r10 -24) = r1\n*(u64 *)(r10 -32) = r1";

function loop({ setup, call, map: used, name }: Measured, calls: boolean): ProgramSpec {
  const maps = used === undefined ? [] : [used];
  const text = `r6 = r1
    ${key}
    r7 = 0
  again:
    ${setup}
    ${calls ? `call ${call}` : "r0 = 0"}
    r7 += 1
    if r7 != ${CALLS} goto again
    r0 = 1
    exit`;
  return program(name.replace(/\W/g, "_").slice(0, 15), text, maps);
}

const chain = (length: number): ProgramSpec => program("chain", `r0 = 0\nr2 = 1\n${"r0 += r2\n".repeat(length)}r0 = 1\nexit`);

const opened = openKernel();
if (!opened.ok) throw new Error(opened.problem.message);
const kernel = opened.value;
const packet = new Uint8Array(64);

const median = (values: readonly number[]): number => values.toSorted((a, b) => a - b)[values.length >> 1]!;

/** Nanoseconds of a run of each program; samples take turns. */
function times(specs: readonly ProgramSpec[]): number[] {
  const loaded = specs.map((spec) => {
    const maps = kernel.createMaps(spec.maps);
    for (const [, made] of maps) fill(made);
    return kernel.loadProgram(spec, maps);
  });
  const samples = loaded.map((): number[] => []);
  for (let round = 0; round < ROUNDS; round++) {
    for (const [index, one] of loaded.entries()) samples[index]!.push(one.run({ packet, repeat: REPEAT }).nanoseconds);
  }
  for (const one of loaded) one.close();
  return samples.map(median);
}

function fill(made: ReturnType<typeof kernel.createMaps> extends Map<string, infer M> ? M : never): void {
  const { type, keySize, valueSize, maxEntries } = made.spec;
  if (type === BPF_MAP_TYPE_DEVMAP) return;
  for (let entry = 0; entry < maxEntries; entry++) {
    const at = new Uint8Array(keySize);
    new DataView(at.buffer).setUint32(0, entry, true);
    made.update(at, new Uint8Array(made.perCpu ? valueSize * 64 : valueSize));
  }
}

const [short = 0, long = 0] = times([chain(0), chain(CHAIN)]);
const cycle = (long - short) / CHAIN;
console.log(`a cycle is ${cycle.toFixed(4)} ns`);
for (const helper of helpers) {
  const [without = 0, withCall = 0] = times([loop(helper, false), loop(helper, true)]);
  const cycles = (withCall - without) / CALLS / cycle;
  console.log(`${helper.name.padEnd(30)} ${cycles.toFixed(1).padStart(7)} cycles`);
}
