import { expect, test } from "vitest";
import { InterpreterTrap, installInterpreted, interpretProgram } from "../../../src/bpf/interp/index.ts";
import type { HelperSpec, MapSpec, ProgramType } from "../../../src/bpf/spec.ts";
import { BPF_MAP_TYPE_ARRAY, BPF_MAP_TYPE_PROG_ARRAY, TRAP_BUDGET, TRAP_HELPER } from "../../../src/layout/index.ts";
import { TestMachine, verified, xdpSpec, xdpType } from "../../differential/machine.ts";

const tailCall: HelperSpec = { id: 12, name: "bpf_tail_call", call: { entry: "", parameters: [], result: "none" } };
const type: ProgramType = { ...xdpType, helpers: new Map([...xdpType.helpers, [12, tailCall]]) };
const counter: MapSpec = { name: "counter", type: BPF_MAP_TYPE_ARRAY, keySize: 4, valueSize: 8, maxEntries: 1, flags: 0 };
const programs: MapSpec = { name: "programs", type: BPF_MAP_TYPE_PROG_ARRAY, keySize: 4, valueSize: 4, maxEntries: 2, flags: 0 };
const packet = Uint8Array.from({ length: 64 }, (_, at) => at);

function run(text: string, maps: readonly MapSpec[] = [], machine = new TestMachine(maps)) {
  machine.interpret(verified(xdpSpec(text, maps), type), 1);
  return machine.run(1, packet);
}

test("a program reads its packet through the context, and writes it", () => {
  const { returned, packet: out } = run(`
    r2 = *(u32 *)(r1 +0)
    r3 = *(u32 *)(r1 +4)
    r4 = r2
    r4 += 14
    if r4 > r3 goto short
    r0 = *(u16 *)(r2 +12)
    *(u8 *)(r2 +0) = 255
    exit
    short: r0 = -1
    exit`);
  expect(returned).toBe(0x0d0cn);
  expect(out.slice(0, 4)).toBe("ff01");
});

test("a subprogram has registers and a frame of its own", () => {
  const { returned } = run(`
    r6 = 7
    *(u64 *)(r10 -8) = 100
    r1 = r10
    r1 += -8
    r2 = 20
    call sub
    r1 = *(u64 *)(r10 -8)
    r0 += r1
    r0 += r6
    exit
    sub: r6 = 1000
    *(u64 *)(r10 -8) = 5000
    r3 = *(u64 *)(r1 +0)
    r3 += r2
    *(u64 *)(r1 +0) = r3
    r0 = 3
    exit`);
  expect(returned).toBe(130n);
});

test("a map value is found, changed in place and by helper", () => {
  const { returned, maps } = run(
    `*(u32 *)(r10 -4) = 0
     r1 = map[0]
     r2 = r10
     r2 += -4
     call 1
     if r0 == 0 goto out
     r1 = 5
     lock *(u64 *)(r0 +0) += r1
     r1 = map[0][0]+1
     *(u8 *)(r1 +0) = 2
     r0 = 0
     out: exit`,
    [counter],
  );
  expect(returned).toBe(0n);
  expect(maps).toEqual(["00000000=0502000000000000"]);
});

test("a helper's negative result is sign-extended", () => {
  const { returned } = run(
    `*(u64 *)(r10 -8) = 9
     r1 = map[0]
     r2 = r10
     r2 += -8
     r3 = r2
     r4 = 0
     call 2
     exit`,
    [counter],
  );
  expect(returned).toBe(BigInt.asUintN(64, -7n));
});

const tail = (index: number) => `r2 = map[0]\nr3 = ${index}\ncall 12\nr0 = 99\nexit`;

test("a tail call gives the program up for another, with its context", () => {
  const machine = new TestMachine([programs]);
  machine.maps[0]!.setProgram(1, 2);
  machine.interpret(verified(xdpSpec("r1 = *(u32 *)(r1 +12)\nr0 = r1\nr0 += 40\nexit", [programs]), type), 2);
  expect(run(tail(1), [programs], machine).returned).toBe(41n);
});

test("a tail call to an empty slot or past the end goes on", () => {
  expect([run(tail(0), [programs]).returned, run(tail(2), [programs]).returned]).toEqual([99n, 99n]);
});

test("the 34th tail call of a run goes on", () => {
  const maps = [programs, counter];
  const machine = new TestMachine(maps);
  machine.maps[0]!.setProgram(0, 1);
  const { returned, maps: left } = run(`r4 = map[1][0]\nr5 = 1\nlock *(u64 *)(r4 +0) += r5\n${tail(0)}`, maps, machine);
  expect(returned).toBe(99n);
  expect(left[1]).toBe("00000000=2200000000000000");
});

test("a callback stands in the table behind its program, and runs on the frame below its parent's", () => {
  const machine = new TestMachine([]);
  // The test is the helper: it calls the callback that r1 names twice, with r2 as its second argument.
  const spec: HelperSpec = {
    id: 900,
    name: "call_twice",
    call: { entry: "callTwice", parameters: ["i32", "i64"], result: "s32" },
    callback: true,
  };
  const callTwice = (slot: number, context: bigint) => {
    const callback = machine.runtime.table.get(slot) as (...given: bigint[]) => bigint;
    return Number(callback(1n, context, 0n, 0n, 0n) + callback(2n, context, 0n, 0n, 0n));
  };
  const program = verified(
    xdpSpec(`
      *(u64 *)(r10 -8) = 1000
      r1 = subprog[each]
      r2 = r10
      r2 += -8
      call 900
      r1 = *(u64 *)(r10 -8)
      r0 += r1
      exit
      each: *(u64 *)(r10 -8) = 7
      r3 = *(u64 *)(r2 +0)
      r3 += r1
      *(u64 *)(r2 +0) = r3
      r0 = r1
      exit`),
    { ...type, helpers: new Map([...type.helpers, [900, spec]]) },
  );
  const exports = { ...machine.runtime.exports, callTwice: callTwice as WebAssembly.ExportValue };
  installInterpreted(interpretProgram(program, { slot: 1, maps: [] }, { ...machine.runtime, exports }), machine.runtime.table);
  expect(machine.run(1, packet).returned).toBe(1006n);
});

test("an access outside the memory is a trap, and names its instruction", () => {
  const machine = new TestMachine([]);
  const program = interpretProgram(
    verified(xdpSpec("r1 = 0xfffffff8 ll\nr0 = *(u64 *)(r1 +8)\nexit")),
    { slot: 1, maps: [] },
    machine.runtime,
  );
  expect(() => program.run(0n)).toThrow(InterpreterTrap);
  expect(() => program.run(0n)).toThrow(expect.objectContaining({ program: "generated", instruction: 2 }));
  installInterpreted(program, machine.runtime.table);
  expect(machine.run(1, packet)).toMatchObject({ returned: undefined, trap: -1 });
});

test("an address is a register's low half, and a negative offset wraps", () => {
  expect(run("r2 = r10\nr2 += 16\n*(u64 *)(r10 -8) = 5\nr3 = 0x700000000 ll\nr2 |= r3\nr0 = *(u64 *)(r2 -24)\nexit").returned).toBe(5n);
});

test("what never ends burns its fuel", () => {
  expect(run("loop: goto loop").trap).toBe(TRAP_BUDGET);
});

test("may_goto leaves a loop in the end", () => {
  const machine = new TestMachine([]);
  machine.interpret(verified(xdpSpec("r0 = 0\nloop: may_goto out\nr0 += 1\ngoto loop\nout: exit"), type), 1);
  expect(machine.run(1, packet, 30_000_000n).returned).toBe(8_388_608n);
});

test("a helper that is not built traps when it is reached, not before", () => {
  expect(run("r0 = 1\nif r0 == 1 goto out\ncall 5000\nout: exit").returned).toBe(1n);
  expect(run("call 5000\nexit").trap).toBe(TRAP_HELPER);
});

test("LD_ABS and LD_IND read what the type's function gives, and a negative answer returns 0", () => {
  const machine = new TestMachine([]);
  const legacyLoads = { 1: byte(1), 2: byte(2), 4: byte(4) };
  const load = (size: number) => (_context: number, offset: number) => (offset < 0 || offset > 60 ? -1n : BigInt(offset * 10 + size));
  const exports = { ...machine.runtime.exports };
  for (const size of [1, 2, 4]) Object.assign(exports, { [`load${size}`]: load(size) });
  const returned = (text: string) => {
    const program = verified(xdpSpec(text), { ...type, legacyLoads });
    installInterpreted(interpretProgram(program, { slot: 1, maps: [] }, { ...machine.runtime, exports }), machine.runtime.table);
    return machine.run(1, packet).returned;
  };
  expect(returned("r6 = r1\nr0 = *(u16 *)skb[12]\nexit")).toBe(122n);
  expect(returned("r6 = r1\nr7 = 10\nr0 = *(u8 *)skb[r7 + 4]\nexit")).toBe(141n);
  expect(returned("r6 = r1\nr7 = 10\nr0 = *(u32 *)skb[r7 + -4]\nr0 += 1\nexit")).toBe(65n);
  expect(returned("r6 = r1\nr0 = *(u32 *)skb[61]\nr0 = 5\nexit")).toBe(0n);
});

const byte = (size: number) => ({ entry: `load${size}`, parameters: ["i32", "i32"], result: "i64" }) as const;

test("a wrong program spoils its own run and nothing else", () => {
  const machine = new TestMachine([counter]);
  machine.interpret(verified(xdpSpec("call sub\nexit\nsub: call deeper\nexit\ndeeper: r1 = -1\nr0 = *(u64 *)(r1 +0)\nexit")), 1);
  expect(machine.run(1, packet).trap).toBe(-1);
  machine.interpret(verified(xdpSpec("r0 = 2\nexit")), 1);
  expect(machine.run(1, packet).returned).toBe(2n);
});
