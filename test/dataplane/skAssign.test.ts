import { expect, test } from "vitest";
import { fillMap } from "../../src/dataplane/mapContents.ts";
import { BPF_MAP_TYPE_CGROUP_ARRAY } from "../../src/layout/index.ts";
import { tcp } from "../../src/packet/index.ts";
import { parseSocket } from "../../src/stack/index.ts";
import { spec, TestMachine } from "./machine.ts";

// The listener's address and port: 10.0.0.1:80. The source plays no part.
const assigns = `
  r6 = r1
  *(u32 *)(r10 -12) = 0
  *(u32 *)(r10 -8) = 0x0100000a
  *(u32 *)(r10 -4) = 0x50000000
  r2 = r10
  r2 += -12
  r3 = 12
  r4 = -1
  r5 = 0
  call 84
  r7 = r0
  r0 = 2
  if r7 == 0 goto out
  r1 = r6
  r2 = r7
  r3 = 0
  call 124
  r1 = r7
  r7 = r0
  call 86
  r0 = r7
  if r0 != 0 goto out
  r0 = -1
out: exit`;

test("a program at ingress gives a packet to a listener, and the next filter asks whose it is", async () => {
  const socket = parseSocket("tcp listen 10.0.0.1:80 uid 1000");
  if (!socket.ok) throw new Error(socket.problem.message);
  const machine = new TestMachine({ sockets: [socket.value] });
  const asks =
    "r6 = r1\ncall 47\nr7 = r0\nr1 = r6\ncall 46\nr1 = r0\nr0 = 2\nif r7 != 1000 goto out\nif r1 != 1 goto out\nr0 = 0\nout: exit";
  machine.attach("ingress", spec("assigns", assigns, "sched_cls"));
  machine.attach("ingress", spec("asks", asks, "sched_cls"));
  const { outcomes } = await machine.replay([tcp({ from: "10.0.0.9:4000", to: "10.0.0.1:8080" })]);
  expect(outcomes).toMatchObject([{ fate: "stack", steps: [{ verdict: "TC_ACT_UNSPEC" }, { verdict: "TC_ACT_OK" }] }]);
});

test("whose packet it is says its cgroup too", async () => {
  const socket = parseSocket("tcp listen 10.0.0.1:80 cgroup /web/front");
  if (!socket.ok) throw new Error(socket.problem.message);
  const results = [
    ["call 79", 3],
    ["r2 = 0\ncall 83", 1],
    ["r2 = 1\ncall 83", 2],
    ["r2 = 2\ncall 83", 3],
    ["r2 = 3\ncall 83", 0],
    ["w2 = -1\ncall 83", 0],
    ["r2 = map[0]\nr3 = 0\ncall 33", 1],
    ["r2 = map[0]\nr3 = 1\ncall 33", 1],
    ["r2 = map[0]\nr3 = 2\ncall 33", 0],
    ["r2 = map[0]\nr3 = 3\ncall 33", -11],
    ["r2 = map[0]\nr3 = 4\ncall 33", -7],
    ["r1 = map[0]\nr2 = 0\ncall 37", 1],
    ["r1 = map[0]\nr2 = 1\ncall 37", 0],
    ["r1 = map[0]\nr2 = 3\ncall 37", -11],
    ["r1 = map[0]\nr2 = 4\ncall 37", -7],
  ] as const;
  for (const engine of ["jit", "interp"] as const) {
    const machine = new TestMachine({ sockets: [socket.value], engine });
    const groups = machine.map({ name: "groups", type: BPF_MAP_TYPE_CGROUP_ARRAY, keySize: 4, valueSize: 4, maxEntries: 4 });
    const { dataplane } = machine;
    const place = {
      object: undefined as never,
      programType: "sched_cls",
      ifindex: () => undefined,
      cgroup: (path: string) => dataplane.cgroups.idOf(path),
    } as const;
    fillMap(place, groups, { 0: "/", 1: "/web", 2: "/web/back" });
    expect([...groups.entries()].map(([, value]) => (value as Uint8Array)[0])).toEqual([1, 2, 4]);
    // The second filter stops at the first wrong answer and gives its number; 100 when all are right.
    const asks = results.map(([text, answer], index) => `r7 = ${index + 10}\nr1 = r6\n${text}\nif r0 != ${answer} goto out`).join("\n");
    machine.attach("ingress", spec("assigns", assigns, "sched_cls"));
    machine.attach("ingress", spec("asks", `r6 = r1\n${asks}\nr7 = 100\nout: r0 = r7\nexit`, "sched_cls", [groups.spec]), "eth0", [groups]);
    const { outcomes } = await machine.replay([tcp({ from: "10.0.0.9:4000", to: "10.0.0.1:8080" })]);
    expect(outcomes).toMatchObject([{ steps: [{ verdict: "TC_ACT_UNSPEC" }, { verdict: "100" }] }]);
  }
});
