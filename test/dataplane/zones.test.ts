import { expect, test } from "vitest";
import { BPF_MAP_TYPE_ARRAY, PROGRAM_ZONE } from "../../src/layout/index.ts";
import { udp } from "../../src/packet/index.ts";
import { spec, TestMachine } from "./machine.ts";

const packet = (kind: number) => udp({ from: "10.0.0.9:4000", to: "10.0.0.1:53", payload: Uint8Array.of(kind) });

/** Does something wrong when the packet's last byte is 1, and returns 0 otherwise. r6 is the context. */
const wrongFor1 = (type: "xdp" | "sched_cls", wrong: string) =>
  spec(
    "wrong",
    `r6 = r1
    r2 = *(u32 *)(r1 + ${type === "xdp" ? 4 : 80})
    r2 += -1
    r2 = *(u8 *)(r2 + 0)
    r0 = 0
    if r2 != 1 goto out
    ${wrong}
    out: exit`,
    type,
  );

const engines = `r7 = ${PROGRAM_ZONE - 4096} ll\n`;

/** What would change the engine's own memory, by a store or through a helper that is told where to write. */
const wrongs: readonly (readonly [string, "xdp" | "sched_cls", string])[] = [
  ["a store", "xdp", `${engines}*(u64 *)(r7 + 8) = r6`],
  ["a store of a constant", "xdp", `${engines}*(u8 *)(r7 - 8) = 1`],
  ["an atomic addition", "xdp", `${engines}lock *(u64 *)(r7 + 0) += r6`],
  ["a store with release", "xdp", `${engines}store_release((u32 *)(r7 + 0), r6)`],
  ["a store to NULL", "xdp", "r7 = 0\n*(u32 *)(r7 + 16) = r6"],
  ["bytes loaded to a wrong place", "sched_cls", `${engines}r1 = r6\nr2 = 0\nr3 = r7\nr4 = 8\ncall 26\nr0 = 0`],
  ["a context that is none", "xdp", `${engines}r1 = r7\nr2 = -4\ncall 44\nr0 = 0`],
  ["a context that lies in the stack", "xdp", "r1 = r10\nr1 += -256\nr2 = -4\ncall 44\nr0 = 0"],
  ["a map that is none", "xdp", `${engines}r1 = r7\nr2 = r10\nr2 += -8\nr3 = r2\nr4 = 0\ncall 2\nr0 = 0`],
  ["a map that lies in the stack", "xdp", "r1 = r10\nr1 += -512\nr2 = r10\nr2 += -8\nr3 = r2\nr4 = 0\ncall 2\nr0 = 0"],
  ["a lock that is none", "xdp", `${engines}r1 = r7\ncall 93\nr0 = 0`],
];

test.each(wrongs)("%s ends the run before anything is written", async (_, type, wrong) => {
  for (const engine of ["jit", "interp"] as const) {
    const machine = new TestMachine({ engine });
    machine.attach(type === "xdp" ? "xdp" : "ingress", wrongFor1(type, wrong));
    const { memory } = machine.dataplane;
    const before = memory.bytes.slice(PROGRAM_ZONE - 8192, PROGRAM_ZONE);
    const { outcomes, result } = await machine.replay([packet(0), packet(1), packet(2)]);
    expect(outcomes.map(({ reason }) => reason === "memory")).toEqual([false, true, false]);
    expect(result.traps).toMatchObject([{ reason: "memory", packets: 1 }]);
    expect(memory.bytes.slice(PROGRAM_ZONE - 8192, PROGRAM_ZONE)).toEqual(before);
  }
});

test("a helper that fills far more than the program has spoils the program's zone only, and the replay ends", async () => {
  const machine = new TestMachine();
  // Stacks and frames stand in front of it, so that the fill finds memory for all of its length.
  machine.map({ name: "large", type: BPF_MAP_TYPE_ARRAY, valueSize: 1 << 20, maxEntries: 128 });
  machine.attach("ingress", wrongFor1("sched_cls", `r1 = r6\nr2 = 0\nr3 = r10\nr3 += -64\nr4 = ${64 << 20}\ncall 26\nr0 = 0`));
  const { result } = await machine.replay([packet(0), packet(1), packet(2), packet(1), packet(0)]);
  expect(result.packets).toBe(5);
});

test("a program that waits for a lock that nobody will release, again and again, runs out of fuel", async () => {
  const machine = new TestMachine({ fuel: 1n << 22n });
  const locks = (word: number) =>
    `r9 = 1000\nagain: *(u32 *)(r10 - 64) = ${word}\nr1 = r10\nr1 += -64\ncall 93\nr9 += -1\nif r9 > 0 goto again\nr0 = 2`;
  machine.attach("xdp", wrongFor1("xdp", locks(7)));
  expect((await machine.replay([packet(0), packet(1), packet(1), packet(0)])).outcomes.map(({ reason }) => reason)).toEqual([
    ...["xdp_aborted", "budget", "budget", "xdp_aborted"],
  ]);
  // The first CPU's own mark: it would wait for itself.
  const own = new TestMachine({ fuel: 1n << 22n });
  own.attach("xdp", wrongFor1("xdp", locks(1)));
  expect((await own.replay([packet(1)])).outcomes[0]!.reason).toBe("memory");
});

/** Writes its packet's bytes on beyond the frame's end: over the headers of the frames behind it, up to the last of the pool. */
const flooding = (result: number) => `
    r7 = *(u32 *)(r6 + 4)
    r8 = 0
    flood: *(u64 *)(r7 + 8) = ${result}
    r7 += 8
    r8 += 1
    if r8 < 200000 goto flood
    r0 = 4
    r1 = r6
    r2 = 0
    call 23`;

test.each([0, 1, 64])(
  "a program that floods the headers of frames that wait (%i) ends its own run, or the replay by name",
  async (word) => {
    const machine = new TestMachine({ devices: [{ name: "eth0" }, { name: "eth1" }] });
    machine.attach(
      "xdp",
      spec(
        "floods",
        `r6 = r1\nr1 = 3\nr2 = 0\ncall 23\nr9 = r0\nr2 = *(u32 *)(r6 + 4)\nr2 += -1\nr2 = *(u8 *)(r2 + 0)\nif r2 != 1 goto out\n${flooding(word)}\nout: r0 = r9\nexit`,
      ),
    );
    const packets = Array.from({ length: 40 }, (_, index) => packet(index === 20 ? 1 : 0));
    const ended = await machine.replay(packets).then(
      ({ result }) => result.packets,
      (error: unknown) => (error as { problem?: { code: string } }).problem?.code,
    );
    expect([40, "memory_spoiled"]).toContain(ended);
  },
);
