import { existsSync } from "node:fs";
import { expect, test } from "vitest";
import type { DataplaneOptions } from "../../src/dataplane/index.ts";
import { openWorkerPool } from "../../src/dataplane/pool.node.ts";
import { Connection } from "../../src/layout/index.ts";
import { tcp } from "../../src/packet/index.ts";
import { parseConnection } from "../../src/stack/index.ts";
import { type Sent, TestMachine, withKfuncs } from "./machine.ts";

/** Workers run the built file; `npm test` builds it first. */
const built = existsSync(new URL("../../dist/worker.js", import.meta.url));

/** Sets r1 to r5: the frame's own addresses and ports, which stand in it one behind the other. */
const ask = `r1 = r7\nr2 = r6\nr2 += 26\nr3 = 12\nr4 = r10\nr4 += -16\nr5 = 16`;
const options = "*(u32 *)(r10 -16) = -1\n*(u32 *)(r10 -12) = 0\n*(u32 *)(r10 -8) = 6\n*(u32 *)(r10 -4) = 0";

/**
 * A packet of a known connection is counted in its mark: XDP_TX. Another one's is made: XDP_PASS. XDP_DROP where another CPU was faster, XDP_ABORTED where the table
 * is full.
 */
const track = withKfuncs(
  "track",
  `r7 = r1
  r6 = *(u32 *)(r1 +0)
  ${options}
  ${ask}
  call kfunc bpf_xdp_ct_lookup
  r8 = r0
  if r8 != 0 goto known
  ${ask}
  call kfunc bpf_xdp_ct_alloc
  if r0 == 0 goto out
  r1 = r0
  call kfunc bpf_ct_insert_entry
  r8 = r0
  r0 = 1
  if r8 == 0 goto out
  r1 = r8
  call kfunc bpf_ct_release
  r0 = 2
  goto out
known:
  r1 = 1
  lock *(u32 *)(r8 +${Connection.at.mark}) += r1
  r1 = r8
  call kfunc bpf_ct_release
  r0 = 3
out: exit`,
);

const from = (port: number, afterUs = 1): Sent => ({ bytes: tcp({ from: `10.0.0.9:${port}`, to: "10.0.0.1:80" }), afterUs });
const back = (port: number, afterUs = 1): Sent => ({ bytes: tcp({ from: "10.0.0.1:80", to: `10.0.0.9:${port}` }), afterUs });

async function verdicts(settings: Partial<DataplaneOptions>, packets: readonly Sent[]) {
  const machine = new TestMachine(settings);
  machine.attach("xdp", track);
  const { outcomes } = await machine.replay(packets);
  return { verdicts: outcomes.map(({ steps }) => steps[0]!.verdict).join(" "), connections: machine.dataplane.connections() };
}

test.each(["jit", "interp"] as const)("connections live for ten seconds of the capture, in both directions, %s", async (engine) => {
  const second = 1_000_000;
  const { verdicts: seen, connections } = await verdicts({ engine }, [
    ...[from(4000), from(4001), back(4000), from(4000, 9 * second), from(4000, second), back(4001)],
  ]);
  expect(seen).toBe("XDP_PASS XDP_PASS XDP_TX XDP_TX XDP_PASS XDP_PASS");
  expect(connections.map(({ text }) => text)).toEqual([
    "tcp 6 10 NONE src=10.0.0.9 dst=10.0.0.1 sport=4000 dport=80 [UNREPLIED] src=10.0.0.1 dst=10.0.0.9 sport=80 dport=4000 mark=0",
    "tcp 6 10 NONE src=10.0.0.1 dst=10.0.0.9 sport=80 dport=4001 [UNREPLIED] src=10.0.0.9 dst=10.0.0.1 sport=4001 dport=80 mark=0",
  ]);
});

test("declared connections are there from the first packet on, and are read back as they were declared", async () => {
  const texts = [
    "tcp 6 300 ESTABLISHED src=10.0.0.9 dst=10.0.0.1 sport=4000 dport=80 src=10.0.0.1 dst=10.0.0.9 sport=80 dport=4000 [ASSURED] mark=7",
    "udp 17 30 src=2001:db8::9 dst=2001:db8::1 sport=53 dport=53 [UNREPLIED] src=2001:db8::1 dst=2001:db8::9 sport=53 dport=53 mark=0 zone-orig=3",
    "tcp 6 60 NONE src=10.0.0.9 dst=10.0.0.1 sport=4001 dport=80 src=192.0.2.1 dst=10.0.0.9 sport=80 dport=4001 [OFFLOAD] mark=0 secmark=5",
  ];
  const connections = texts.map((text) => {
    const connection = parseConnection(text);
    if (!connection.ok) throw new Error(connection.problem.message);
    return connection.value;
  });
  const machine = new TestMachine({ connections });
  expect(machine.dataplane.connections()).toEqual(connections);
  machine.attach("xdp", track);
  const { outcomes } = await machine.replay([from(4000), from(4001), from(4002)]);
  expect(outcomes.map(({ steps }) => steps[0]!.verdict)).toEqual(["XDP_TX", "XDP_TX", "XDP_PASS"]);
  expect(machine.dataplane.connections().map(({ mark }) => mark)).toEqual([8, 0, 1, 0]);
  expect(() => new TestMachine({ connections: [...connections, connections[0]!] })).toThrow(/belong to another one already/);
  expect(() => new TestMachine({ connections, conntrackMax: 2 })).toThrow("3 connections do not fit in a table of 2");
  expect(() => new TestMachine({ conntrackMax: 0 })).toThrow("the number of tracked connections");
});

test("a full table takes no connection until one has expired", async () => {
  const { verdicts: seen } = await verdicts({ conntrackMax: 2 }, [
    ...[from(4000), from(4001), from(4002), from(4000), from(4003, 10_000_000), from(4004), from(4005)],
  ]);
  expect(seen).toBe("XDP_PASS XDP_PASS XDP_ABORTED XDP_TX XDP_PASS XDP_PASS XDP_ABORTED");
});

test.each(["jit", "interp"] as const)("what a program held when it trapped is given back, %s", async (engine) => {
  const machine = new TestMachine({ conntrackMax: 3, engine, fuel: 100_000n });
  machine.attach(
    "xdp",
    withKfuncs(
      "holds",
      `r7 = r1\nr6 = *(u32 *)(r1 +0)\n${options}\n${ask}\ncall kfunc bpf_xdp_ct_alloc\nif r0 != 0 goto wild\nexit\nwild: r1 = 8\n*(u32 *)(r1 +0) = 1\nexit`,
    ),
  );
  const { outcomes } = await machine.replay(Array.from({ length: 100 }, (_, index) => from(4000 + index)));
  // Without a free place the program would leave by its own exit.
  expect(new Set(outcomes.map(({ reason }) => reason))).toEqual(new Set(["memory"]));
  expect(machine.dataplane.connections()).toEqual([]);
});

test("what is no connection is none for the kfuncs either", async () => {
  const calls = ["bpf_ct_release", "bpf_ct_insert_entry", "bpf_ct_change_status", "bpf_ct_set_timeout"];
  for (const call of calls) {
    for (const pointer of ["r1 = r10", "r1 = 0x40000000", "r1 = 64"]) {
      const machine = new TestMachine();
      machine.attach("xdp", withKfuncs("wild", `${pointer}\nr2 = 0\ncall kfunc ${call}\nr0 = 2\nexit`));
      const { outcomes } = await machine.replay([from(4000)]);
      expect(outcomes[0], `${call} of ${pointer}`).toMatchObject({ fate: "aborted", reason: "memory" });
    }
  }
});

test.skipIf(!built)("two workers make and find the same connections: each exists once, and counts all its packets", async () => {
  const machine = new TestMachine({ devices: [{ name: "eth0", queues: 4 }], cpus: 4, workers: 2, openPool: openWorkerPool });
  machine.attach("xdp", track);
  const ports = 500;
  const packets = Array.from({ length: 20_000 }, (_, index) => (index % 2 === 0 ? from : back)(1000 + ((index * 7919) % ports)));
  const repeat = 5;
  const { result } = await machine.replay(packets, { repeat });
  const connections = machine.dataplane.connections();
  const ends = new Set(connections.map(({ original }) => Math.max(original.sport, original.dport)));
  expect([connections.length, ends.size]).toEqual([ports, ports]);
  const count = (fate: string) => result.fates.filter((row) => row.fate === fate).reduce((sum, row) => sum + row.packets, 0);
  expect(count("stack")).toBe(ports);
  expect(connections.reduce((sum, { mark }) => sum + mark, 0)).toBe(count("tx"));
  expect(count("stack") + count("tx") + count("drop")).toBe(packets.length * repeat);
  expect(result.workers).toBe(2);
});
