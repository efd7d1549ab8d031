import { expect, test } from "vitest";
import { type CompiledMap, locateTrap } from "../../../src/bpf/jit/index.ts";
import type { HelperSpec } from "../../../src/bpf/spec.ts";
import {
  BPF_MAP_TYPE_ARRAY,
  BPF_MAP_TYPE_HASH,
  BPF_MAP_TYPE_PERCPU_ARRAY,
  BPF_MAP_TYPE_PROG_ARRAY,
  TRAP_BUDGET,
  TRAP_HELPER,
} from "../../../src/layout/index.ts";
import { Machine, programSpec } from "./machine.ts";

const helper = (id: number, entry: string, parameters: ("i32" | "i64")[], result: HelperSpec["call"]["result"], more = {}): HelperSpec => ({
  id,
  name: `bpf_${entry}`,
  call: { entry, parameters, result },
  ...more,
});
const table = (...helpers: HelperSpec[]) => new Map(helpers.map((row) => [row.id, row]));

const map = (fields: Partial<CompiledMap>): CompiledMap => ({
  address: 4096,
  type: BPF_MAP_TYPE_ARRAY,
  keySize: 4,
  valueSize: 8,
  maxEntries: 4,
  stride: 8,
  elements: 0,
  cpuStride: 0,
  flags: 0,
  ...fields,
});

const lookup = helper(1, "lookup", ["i32", "i32"], "u32");
const tailCall = helper(12, "tailCall", [], "none");

/** The stack of the error that a run ends with. */
function trapOf(run: () => unknown): string {
  try {
    run();
  } catch (error) {
    expect(error).toBeInstanceOf(WebAssembly.RuntimeError);
    return (error as Error).stack!;
  }
  throw new Error("the run did not trap");
}

test("arguments are passed and results widened as the helper's signature says", () => {
  const seen: unknown[] = [];
  const machine = new Machine({
    narrow: (...args: unknown[]) => seen.push(args) && -1,
    wide: (...args: unknown[]) => seen.push(args) && -1n,
    nothing: () => {},
  });
  const helpers = table(
    helper(70, "narrow", ["i32", "i64"], "u32"),
    helper(71, "narrow", ["i32", "i64"], "s32"),
    helper(72, "wide", ["i64"], "i64"),
    helper(73, "nothing", [], "none"),
  );
  const call = (id: number) => machine.run(machine.load(programSpec(`r1 = -2\nr2 = -3\ncall ${id}\nexit`), { helpers }));
  expect(call(70)).toBe(0xffffffffn);
  expect(call(71)).toBe(0xffffffffffffffffn);
  expect(call(72)).toBe(0xffffffffffffffffn);
  expect(call(73)).toBe(0n);
  expect(seen).toEqual([[-2, -3n], [-2, -3n], [-2n]]);
});

test("pointers into the frame are passed as the addresses they are", () => {
  const seen: number[] = [];
  const machine = new Machine({ narrow: (address: number) => seen.push(machine.memory.view.getUint32(address, true)) });
  const helpers = table(helper(70, "narrow", ["i32"], "u32"));
  machine.run(
    machine.load(programSpec("*(u32 *)(r10 -20) = 77\nr1 = r10\nr1 += -20\ncall 70\nr1 = r10\nr1 += -24\nr1 += 4\ncall 70\nexit"), {
      helpers,
    }),
  );
  expect(seen).toEqual([77, 77]);
});

test("subprograms get r1 to r5 and a frame of their own, and keep their caller's r6 to r9", () => {
  const machine = new Machine();
  const text = `
    *(u64 *)(r10 -8) = 5
    r6 = 100
    r1 = 1
    r2 = 2
    r3 = 3
    r4 = 4
    r5 = 5
    call sum
    r0 += r6
    r1 = *(u64 *)(r10 -8)
    r0 += r1
    exit
sum:
    *(u64 *)(r10 -8) = 1000
    r6 = 0
    r0 = r1
    r0 += r2
    r0 += r3
    r0 += r4
    r0 += r5
    exit`;
  const program = machine.load(programSpec(text, {}, [{ instruction: 12, name: "sum" }]));
  expect(machine.run(program)).toBe(120n);
});

test("a callback runs in the frame below its parent's, and reaches the parent's through its context", () => {
  const machine: Machine = new Machine({
    repeat: (count: number, slot: bigint, context: bigint) => {
      for (let i = 0; i < count; i++)
        (machine.runtime.table.get(Number(slot)) as (...args: bigint[]) => bigint)(BigInt(i), context, 0n, 0n, 0n);
      return count;
    },
  });
  const helpers = table(helper(181, "repeat", ["i32", "i64", "i64"], "u32", { callback: true }));
  const text = `
    *(u64 *)(r10 -8) = 0
    r1 = 10
    r2 = subprog[add]
    r3 = r10
    r3 += -8
    r4 = 0
    call 181
    r0 = *(u64 *)(r10 -8)
    exit
add:
    *(u64 *)(r10 -8) = r1
    r3 = *(u64 *)(r2 +0)
    r4 = *(u64 *)(r10 -8)
    r3 += r4
    *(u64 *)(r2 +0) = r3
    r0 = 0
    exit`;
  const program = machine.load(programSpec(text, {}, [{ instruction: 10, name: "add" }]), { helpers });
  expect(program.slots).toBe(2);
  expect(machine.run(program)).toBe(45n);
  // Ten calls of seven instructions each; what calls back burns by itself what it costs.
  expect(1_000_000n - machine.fuel).toBe(70n);
});

test("tail calls: past the end, into an empty slot and after 33 calls they fall through", () => {
  const machine = new Machine();
  const elements = machine.memory.allocate("program", 16, 8, "programs");
  const programs = map({ type: BPF_MAP_TYPE_PROG_ARRAY, maxEntries: 4, elements });
  const environment = { maps: [programs], helpers: table(tailCall) };
  const jump = (index: string) => `r6 = r1\nr2 = map[0]\nr3 = ${index} ll\nr0 = 9\ncall 12\nr0 += 1\nexit`;
  expect(machine.run(machine.load(programSpec(jump("4")), environment))).toBe(10n);
  expect(machine.run(machine.load(programSpec(jump("1")), environment))).toBe(10n);
  const target = machine.load(programSpec("r0 = *(u32 *)(r1 +0)\nexit"));
  machine.memory.view.setUint32(elements + 4, target.slot, true);
  machine.memory.view.setUint32(elements + 12, 1234, true);
  const context = elements + 12;
  // The index is taken as 32 bits.
  expect(machine.run(machine.load(programSpec(jump("0xffffffff00000001")), environment), context)).toBe(1234n);
  expect(machine.read("tail_calls")).toBe(1);
  // A program that calls itself counts in its context how often it ran: once, and 33 times more.
  const counter = machine.memory.allocate("program", 8, 8, "context");
  const itself = machine.load(
    programSpec("r2 = *(u32 *)(r1 +0)\nr2 += 1\n*(u32 *)(r1 +0) = r2\nr2 = map[0]\nr3 = 2\ncall 12\nr0 = 55\nexit"),
    environment,
  );
  machine.memory.view.setUint32(elements + 8, itself.slot, true);
  expect(machine.run(itself, counter)).toBe(55n);
  expect(machine.memory.view.getUint32(counter, true)).toBe(34);
});

test("a tail call from a subprogram returns to the subprogram's caller", () => {
  const machine = new Machine();
  const elements = machine.memory.allocate("program", 16, 8, "programs");
  const environment = { maps: [map({ type: BPF_MAP_TYPE_PROG_ARRAY, maxEntries: 4, elements })], helpers: table(tailCall) };
  const target = machine.load(programSpec("*(u64 *)(r10 -8) = 0\nr0 = 40\nexit"));
  machine.memory.view.setUint32(elements, target.slot, true);
  const text = `
    *(u64 *)(r10 -8) = 2
    call jump
    r1 = *(u64 *)(r10 -8)
    r0 += r1
    exit
jump:
    r2 = map[0]
    r3 = 0
    call 12
    r0 = 0
    exit`;
  expect(machine.run(machine.load(programSpec(text, {}, [{ instruction: 5, name: "jump" }]), environment))).toBe(42n);
});

/** Looks keys up in an array of four values, 100 to 103, and returns the value or -1. */
function lookUp(fields: Partial<CompiledMap>, key: string, cpu = 0): bigint {
  const machine = new Machine({ lookup: () => 0 });
  machine.write("id", cpu);
  const elements = machine.memory.allocate("program", 4096, 8, "elements");
  for (let i = 0; i < 512; i++) machine.memory.view.setBigUint64(elements + 8 * i, BigInt(100 + i), true);
  const text = `
    ${key}
    r2 = r10
    r2 += -4
    r1 = map[0]
    call 1
    if r0 == 0 goto missing
    r0 = *(u64 *)(r0 +0)
    exit
missing:
    r0 = -1
    exit`;
  return machine.run(machine.load(programSpec(text), { maps: [map({ elements, ...fields })], helpers: table(lookup) }), 2);
}

test("array lookups are an index: the key a constant, a register, or unknown; the stride a power of two or not", () => {
  const missing = 0xffffffffffffffffn;
  for (const stride of [8, 24]) {
    const words = BigInt(stride / 8);
    expect(lookUp({ stride }, "*(u32 *)(r10 -4) = 3")).toBe(100n + 3n * words);
    expect(lookUp({ stride }, "*(u32 *)(r10 -4) = 4")).toBe(missing);
    expect(lookUp({ stride }, "*(u32 *)(r10 -4) = r1")).toBe(100n + 2n * words);
    expect(lookUp({ stride }, "r1 <<= 40\n*(u32 *)(r10 -4) = r1")).toBe(100n);
    expect(lookUp({ stride }, "*(u32 *)(r10 -4) = 1\nr1 += 7\n*(u8 *)(r10 -4) = r1")).toBe(missing);
    expect(lookUp({ stride }, "*(u32 *)(r10 -4) = 0\n*(u8 *)(r10 -4) = r1")).toBe(100n + 2n * words);
    expect(lookUp({ stride }, "*(u32 *)(r10 -4) = -1")).toBe(missing);
  }
});

test("a lookup compared with NULL either way, right behind the call or later", () => {
  const machine = new Machine({ lookup: () => 0 });
  const elements = machine.memory.allocate("program", 64, 8, "elements");
  for (let i = 0; i < 4; i++) machine.memory.view.setBigUint64(elements + 8 * i, BigInt(100 + i), true);
  const environment = { maps: [map({ elements })], helpers: table(lookup) };
  const start = "r6 = 7\n*(u32 *)(r10 -4) = r1\nr2 = r10\nr2 += -4\nr1 = map[0]\ncall 1\n";
  const ends = [
    "if r0 != 0 goto found\nr0 += 1\nexit\nfound:\nr0 = *(u64 *)(r0 +0)\nexit",
    "if r0 == 0 goto missed\nr0 = *(u64 *)(r0 +0)\nexit\nmissed:\nr0 += 1\nexit",
    "r7 = r0\nr0 = 1\nif r7 == 0 goto missed\nr0 = *(u64 *)(r7 +0)\nmissed:\nexit",
    "if r0 == 0 goto join\nr0 = *(u64 *)(r0 +0)\nr0 += -1\njoin:\nr0 += 1\nexit",
    "if r0 != 0 goto join\nr0 = r10\nr0 += -8\n*(u64 *)(r0 +0) = 1\njoin:\nr0 = *(u64 *)(r0 +0)\nexit",
  ];
  for (const end of ends) {
    const program = machine.load(programSpec(start + end), environment);
    expect([0, 3, 4].map((key) => machine.run(program, key))).toEqual([100n, 103n, 1n]);
  }
});

test("a per-CPU array gives this CPU's value", () => {
  const perCpu = { type: BPF_MAP_TYPE_PERCPU_ARRAY, cpuStride: 800 };
  expect(lookUp(perCpu, "*(u32 *)(r10 -4) = 3", 0)).toBe(103n);
  expect(lookUp(perCpu, "*(u32 *)(r10 -4) = 3", 2)).toBe(303n);
  expect(lookUp(perCpu, "*(u32 *)(r10 -4) = r1", 2)).toBe(302n);
});

test("a stored key is not believed any more once something may have written over it", () => {
  const machine: Machine = new Machine({
    lookup: () => 0,
    scribble: (address: number) => machine.memory.view.setUint32(address, 2, true) ?? 0,
  });
  const elements = machine.memory.allocate("program", 64, 8, "elements");
  for (let i = 0; i < 4; i++) machine.memory.view.setBigUint64(elements + 8 * i, BigInt(100 + i), true);
  const lookupAndExit = "r2 = r10\nr2 += -4\nr1 = map[0]\ncall 1\nr0 = *(u64 *)(r0 +0)\nexit";
  const helpers = table(lookup, helper(70, "scribble", ["i32"], "u32"));
  const run = (text: string) => machine.run(machine.load(programSpec(`${text}\n${lookupAndExit}`), { maps: [map({ elements })], helpers }));
  expect(run("*(u32 *)(r10 -4) = 1\nr1 = r10\nr1 += -4\ncall 70")).toBe(102n);
  // Through a pointer that is not known any more: r10 & -1.
  expect(run("*(u32 *)(r10 -4) = 1\nr1 = r10\nr1 &= -1\n*(u32 *)(r1 -4) = 3")).toBe(103n);
  expect(run("r3 = 0\n*(u32 *)(r10 -4) = r3\nagain:\nr3 += 1\nif r3 > 3 goto done\n*(u32 *)(r10 -4) = r3\ngoto again\ndone:")).toBe(103n);
});

test("a helper may have a cheaper function for the very map that it is called on", () => {
  const machine = new Machine({ lookup: () => 1, hash16: () => 2 });
  const environment = {
    maps: [map({ type: BPF_MAP_TYPE_HASH, keySize: 16 }), map({ type: BPF_MAP_TYPE_HASH, keySize: 12 })],
    helpers: table(lookup),
    mapOperation: (id: number, { keySize }: CompiledMap) => (id === 1 && keySize === 16 ? { ...lookup.call, entry: "hash16" } : undefined),
  };
  const call = (text: string) => machine.run(machine.load(programSpec(`${text}\nr2 = r10\ncall 1\nexit`), environment));
  expect(call("r1 = map[0]")).toBe(2n);
  expect(call("r1 = map[1]")).toBe(1n);
  expect(call("r3 = map[0]\nr1 = r3")).toBe(2n);
  expect(call("if r1 == 0 goto one\nr1 = map[0]\ngoto join\none:\nr1 = map[1]\njoin:")).toBe(1n);
});

test("unknown, unbuilt and poisoned calls trap and name what was called, and where", () => {
  const machine = new Machine({ lookup: () => 0 });
  const calls = [
    { text: "call 9999", detail: 9999 },
    { text: "call bpf_rare#4321", detail: 4321 },
    { text: "call 1", detail: 1, poisoned: new Map([[2, "a type that the kernel has not"]]) },
  ];
  for (const { text, detail, poisoned } of calls) {
    const spec = { ...programSpec(`r0 = 0\nr6 = 1\n${text}\nexit`), ...(poisoned && { poisoned }) };
    const program = machine.load(spec, { helpers: table(lookup) });
    const stack = trapOf(() => machine.run(program));
    expect(machine.read("trap")).toBe(TRAP_HELPER);
    expect(machine.read("trap_detail")).toBe(detail);
    expect(locateTrap(program.name, program.traps, stack)).toBe(2);
  }
});

test("an access outside of the memory traps, and the stack tells the instruction, in the main function and in others", () => {
  const machine = new Machine();
  const program = machine.load(programSpec("r1 = 0xfffffff0 ll\nr0 = *(u64 *)(r1 +0)\nexit"));
  expect(
    locateTrap(
      program.name,
      program.traps,
      trapOf(() => machine.run(program)),
    ),
  ).toBe(2);
  const nested = machine.load(
    programSpec("call deref\nexit\nderef:\nr1 = 0xfffffff0 ll\nr2 = 1\n*(u64 *)(r1 +4) = r2\nexit", {}, [
      { instruction: 2, name: "deref" },
    ]),
  );
  expect(
    locateTrap(
      nested.name,
      nested.traps,
      trapOf(() => machine.run(nested)),
    ),
  ).toBe(5);
});

test("an endless loop ends when the fuel does; calls burn it too, and what is left is handed on", () => {
  const machine = new Machine();
  const endless = machine.load(programSpec("r0 = 0\nagain:\nr0 += 1\nif r0 != 0 goto again\nexit"));
  trapOf(() => machine.run(endless, 0, 1000n));
  expect(machine.read("trap")).toBe(TRAP_BUDGET);
  const text = `
    r6 = 0
again:
    call nothing
    r6 += 1
    if r6 < 10 goto again
    r0 = r6
    exit
nothing:
    r0 = 0
    exit`;
  const calling = machine.load(programSpec(text, {}, [{ instruction: 6, name: "nothing" }]));
  // Ten rounds of call, addition and jump, and as often the two instructions that are called.
  expect(machine.run(calling, 0, 50n)).toBe(10n);
  expect(machine.fuel).toBe(0n);
  trapOf(() => machine.run(calling, 0, 49n));
  expect(machine.read("trap")).toBe(TRAP_BUDGET);
});

test("may_goto leaves a loop after 8,388,608 rounds", () => {
  const machine = new Machine();
  const program = machine.load(programSpec("r0 = 0\nagain:\nmay_goto out\nr0 += 1\ngoto again\nout:\nexit"));
  expect(machine.run(program, 0, 30_000_000n)).toBe(8_388_608n);
});

test("a packet load that fails ends the function with 0", () => {
  const machine = new Machine({ load2: (_: number, offset: number) => (offset < 14 ? BigInt(offset) : -1n) });
  const load = { entry: "load2", parameters: ["i32", "i32"], result: "i64" } as const;
  const environment = { legacyLoads: { 1: load, 2: load, 4: load } };
  const run = (text: string) => machine.run(machine.load(programSpec(`r6 = r1\nr7 = 4\n${text}\nr0 += 1000\nexit`), environment));
  expect(run("r0 = *(u16 *)skb[12]")).toBe(1012n);
  expect(run("r0 = *(u16 *)skb[r7 + 6]")).toBe(1010n);
  expect(run("r0 = *(u16 *)skb[14]")).toBe(0n);
});
