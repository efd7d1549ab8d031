import fc from "fast-check";
import { expect, test } from "vitest";
import type { MapSpec } from "../../src/bpf/spec.ts";
import { verify } from "../../src/bpf/verifier/index.ts";
import { programTypes } from "../../src/dataplane/programTypes.ts";
import {
  BPF_F_NO_PREALLOC,
  BPF_MAP_TYPE_ARRAY,
  BPF_MAP_TYPE_DEVMAP,
  BPF_MAP_TYPE_HASH,
  BPF_MAP_TYPE_LPM_TRIE,
  BPF_MAP_TYPE_LRU_HASH,
  BPF_MAP_TYPE_PERCPU_ARRAY,
  BPF_MAP_TYPE_PERCPU_HASH,
  BPF_MAP_TYPE_PROG_ARRAY,
  BPF_MAP_TYPE_QUEUE,
  BPF_MAP_TYPE_RINGBUF,
} from "../../src/layout/index.ts";
import { udp } from "../../src/packet/index.ts";
import { spec, TestMachine } from "../dataplane/machine.ts";
import { type WildProgram, wildProgram } from "./wild.ts";

/** XDPLANE_PROGRAMS=10000 XDPLANE_SEED=1 npx vitest run test/fuzz/wild for a long run. */
const programs = Number(process.env.XDPLANE_PROGRAMS ?? 60);
const seed = Number(process.env.XDPLANE_SEED ?? Date.now() & 0x7fffffff);

const map = (name: string, type: number, rest: Partial<MapSpec> = {}): MapSpec => ({
  ...{ name, type, keySize: 4, valueSize: 8, maxEntries: 8, flags: 0 },
  ...rest,
});
const maps: readonly MapSpec[] = [
  map("array", BPF_MAP_TYPE_ARRAY),
  map("hash", BPF_MAP_TYPE_HASH),
  map("lru", BPF_MAP_TYPE_LRU_HASH),
  map("lpm", BPF_MAP_TYPE_LPM_TRIE, { keySize: 8, flags: BPF_F_NO_PREALLOC }),
  map("ring", BPF_MAP_TYPE_RINGBUF, { keySize: 0, valueSize: 0, maxEntries: 4096 }),
  map("percpu", BPF_MAP_TYPE_PERCPU_ARRAY),
  map("percpuHash", BPF_MAP_TYPE_PERCPU_HASH),
  map("queue", BPF_MAP_TYPE_QUEUE, { keySize: 0 }),
  map("programs", BPF_MAP_TYPE_PROG_ARRAY, { valueSize: 4 }),
  map("devices", BPF_MAP_TYPE_DEVMAP, { valueSize: 4 }),
];

const packets = Array.from({ length: 12 }, (_, index) =>
  udp({ from: `10.0.0.${index}:4000`, to: "10.0.0.1:53", payload: new Uint8Array(index * 8).fill(index) }),
);

/** Everything that two replays must agree on: what became of the packets, what trapped, what the maps hold. */
async function replay({ type, text }: WildProgram): Promise<string> {
  const machine = new TestMachine({ devices: [{ name: "eth0", queues: 2 }, { name: "eth1" }], fuel: 200_000n });
  const made = maps.map((each) => machine.map(each));
  for (let key = 0; key < 4; key++) {
    for (const each of made.slice(0, 3)) each.update(Uint8Array.of(key, 0, 0, 0), new Uint8Array(8).fill(key));
  }
  const program = machine.load(spec("wild", text, type, maps), made);
  for (const hook of type === "xdp" ? (["xdp"] as const) : (["ingress", "egress"] as const)) machine.attach(hook, program);
  if (type === "sched_cls") machine.attach("egress", program, "eth1");
  const { outcomes, result } = await machine.replay(packets);
  expect(result.packets).toBe(packets.length);
  const contents = made.map((each) => (each.spec.type === BPF_MAP_TYPE_RINGBUF ? [] : [...each.entries()].map(String)));
  return JSON.stringify([outcomes, result.traps, result.fates, contents], (_, value) =>
    typeof value === "bigint" ? String(value) : value,
  );
}

test.each(["xdp", "sched_cls"] as const)(
  `%s programs that store and call anywhere end, and do the same again (${programs} of them, seed ${seed})`,
  async (type) => {
    let accepted = 0;
    let trapped = 0;
    await fc.assert(
      fc.asyncProperty(wildProgram(type, maps.length), async (program) => {
        if (!verify(spec("wild", program.text, type, maps), programTypes[type]).accepted) return;
        accepted++;
        const first = await replay(program);
        expect(await replay(program)).toBe(first);
        trapped += first.includes('"memory"') ? 1 : 0;
      }),
      { numRuns: programs, seed },
    );
    expect(accepted).toBeGreaterThan(programs / 2);
    expect(trapped).toBeGreaterThan(0);
  },
  60_000 + programs * 500,
);
