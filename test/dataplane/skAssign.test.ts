import { expect, test } from "vitest";
import { tcp } from "../../src/packet/index.ts";
import { parseSocket } from "../../src/stack/index.ts";
import { spec, TestMachine } from "./machine.ts";

test("a program at ingress gives a packet to a listener, and the next filter asks whose it is", async () => {
  const socket = parseSocket("tcp listen 10.0.0.1:80 uid 1000");
  if (!socket.ok) throw new Error(socket.problem.message);
  const machine = new TestMachine({ sockets: [socket.value] });
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
  const asks =
    "r6 = r1\ncall 47\nr7 = r0\nr1 = r6\ncall 46\nr1 = r0\nr0 = 2\nif r7 != 1000 goto out\nif r1 != 1 goto out\nr0 = 0\nout: exit";
  machine.attach("ingress", spec("assigns", assigns, "sched_cls"));
  machine.attach("ingress", spec("asks", asks, "sched_cls"));
  const { outcomes } = await machine.replay([tcp({ from: "10.0.0.9:4000", to: "10.0.0.1:8080" })]);
  expect(outcomes).toMatchObject([{ fate: "stack", steps: [{ verdict: "TC_ACT_UNSPEC" }, { verdict: "TC_ACT_OK" }] }]);
});
