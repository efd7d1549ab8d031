import { expect, test } from "vitest";
import { udp } from "../../src/packet/index.ts";
import { returns, spec, TestMachine } from "./machine.ts";

const packet = (kind: number) => udp({ from: "10.0.0.9:4000", to: "10.0.0.1:53", payload: Uint8Array.of(kind) });

/** Does something wrong when the packet's last byte is 1, and returns `good` otherwise. */
const wrongFor1 = (good: number, wrong: string, type: "xdp" | "sched_cls" = "xdp") =>
  spec(
    "wrong",
    `r6 = r1
    r2 = *(u32 *)(r1 + ${type === "xdp" ? 4 : 80})
    r2 += -1
    r2 = *(u8 *)(r2 + 0)
    r0 = ${good}
    if r2 == 1 goto wrong
    exit
    wrong:
    ${wrong}
    exit`,
    type,
  );

test.each([
  ["a load outside the memory", "r1 = 0xfffffff0\nr0 = *(u64 *)(r1 + 0)", "memory", 8],
  ["a loop without end", "again: r0 += 1\nif r0 != 0 goto again\nr0 = 2", "budget", undefined],
])("%s loses its packet, and the loop goes on with the next", async (_, wrong, reason, instruction) => {
  const machine = new TestMachine({ fuel: 100_000n });
  machine.attach("xdp", wrongFor1(2, wrong));
  const { outcomes, result } = await machine.replay([packet(0), packet(1), packet(2), packet(1), packet(3)]);
  expect(outcomes.map(({ fate, reason: why, steps }) => [fate, why, steps[0]!.verdict])).toEqual([
    ["stack", null, "XDP_PASS"],
    ["aborted", reason, "XDP_ABORTED"],
    ["stack", null, "XDP_PASS"],
    ["aborted", reason, "XDP_ABORTED"],
    ["stack", null, "XDP_PASS"],
  ]);
  expect(result.traps).toMatchObject([{ program: "wrong", reason, packets: 2, ...(instruction === undefined ? {} : { instruction }) }]);
  expect(result.programs).toMatchObject([{ name: "wrong", runs: 5, traps: 2 }]);
  expect(result.devices.eth0).toMatchObject({ rx_packets: 5, xdp_pass: 3, xdp_exception: 2 });
});

test("a trap in generic mode moves no counter of the device", async () => {
  const machine = new TestMachine({ devices: [{ name: "eth0", mode: "generic" }] });
  machine.attach("xdp", wrongFor1(2, "r1 = 0xfffffff0\nr0 = *(u64 *)(r1 + 0)"));
  const { outcomes, result } = await machine.replay([packet(1)]);
  expect(outcomes).toMatchObject([{ fate: "aborted", reason: "memory" }]);
  expect(result.devices.eth0).toEqual({ rx_packets: 1, rx_bytes: 43 });
});

test("a call of a helper that XDP does not have is named", async () => {
  const machine = new TestMachine();
  machine.attach("xdp", wrongFor1(2, "call 9"));
  const { outcomes, result } = await machine.replay([packet(1), packet(0)]);
  expect(outcomes.map(({ fate }) => fate)).toEqual(["aborted", "stack"]);
  expect(outcomes[0]!.reason).toMatch(/^helper /);
  expect(result.traps[0]!.reason).toBe(outcomes[0]!.reason);
});

test("at TC a trap is a drop", async () => {
  const machine = new TestMachine();
  machine.attach("ingress", wrongFor1(0, "r1 = 0xfffffff0\nr0 = *(u64 *)(r1 + 0)", "sched_cls"));
  const { outcomes } = await machine.replay([packet(1), packet(0)]);
  expect(outcomes).toMatchObject([{ fate: "drop", reason: "memory", steps: [{ verdict: "TC_ACT_SHOT" }] }, { fate: "stack" }]);
});

test("a trap in a program that clone_redirect ran ends both packets", async () => {
  const machine = new TestMachine({ devices: [{ name: "eth0" }, { name: "eth1" }] });
  machine.attach("ingress", spec("mirror", "r2 = 3\nr3 = 0\ncall 13\nr0 = 0\nexit", "sched_cls"));
  machine.attach("egress", wrongFor1(0, "r1 = 0xfffffff0\nr0 = *(u64 *)(r1 + 0)", "sched_cls"), "eth1");
  const { outcomes } = await machine.replay([packet(1), packet(0)]);
  expect(outcomes.map(({ id, fate, reason }) => [id, fate, reason])).toEqual([
    [1, "drop", "memory"],
    ["1.1", "drop", "memory"],
    [2, "stack", null],
    ["2.1", "redirect", null],
  ]);
});

test("a program that spoils its context spoils its own packet only", async () => {
  const machine = new TestMachine();
  machine.attach("xdp", wrongFor1(3, "r2 = 0x7fffffff\n*(u32 *)(r6 + 4) = r2\nr0 = 2"));
  const { outcomes } = await machine.replay([packet(1), packet(0), packet(1), packet(2)]);
  expect(outcomes.map(({ fate, reason }) => [fate, reason])).toEqual([
    ["aborted", "memory"],
    ["tx", null],
    ["aborted", "memory"],
    ["tx", null],
  ]);
});

test("interpreted programs give the same outcomes as compiled ones", async () => {
  const replays = await Promise.all(
    (["jit", "interp"] as const).map(async (engine) => {
      const machine = new TestMachine({ engine, fuel: 100_000n });
      machine.attach("xdp", wrongFor1(2, "r1 = 0xfffffff0\nr0 = *(u64 *)(r1 + 0)"));
      machine.attach("ingress", returns(2, "sched_cls"));
      const { outcomes, result } = await machine.replay([packet(0), packet(1)]);
      return { outcomes, traps: result.traps };
    }),
  );
  expect(replays[1]).toEqual(replays[0]);
});

test("a run that used up its fuel leaves its CPU a tank of a sixteenth; another replay begins with a full one", async () => {
  const machine = new TestMachine({ fuel: 1n << 22n });
  const finite = "again: r4 += 1\nif r4 < 50000 goto again\nr0 = 2";
  const loops = `r4 = 0
    if r2 == 1 goto endless
    ${finite}
    exit
    endless: if r0 != 0 goto endless`;
  const program = spec("wrong", `r2 = *(u32 *)(r1 + 4)\nr2 += -1\nr2 = *(u8 *)(r2 + 0)\nr0 = 1\n${loops}\nexit`);
  machine.attach("xdp", program);
  const kinds = [0, 1, 0, 0, 0];
  const fates = async () => (await machine.replay(kinds.map(packet))).outcomes.map(({ fate }) => fate);
  // 100,000 instructions each: a tank of 4,194,304, then one of 262,144 that begins with 65,536 and gets as much with each packet, then one of 65,536.
  const expected = ["stack", "aborted", "stack", "aborted", "aborted"];
  expect(await fates()).toEqual(expected);
  expect(await fates()).toEqual(expected);
});
