import { expect, test } from "vitest";
import { assemble } from "../../../src/bpf/isa/index.ts";
import type { MapSpec, ProgramSpec } from "../../../src/bpf/spec.ts";
import { type Rejection, type VerifiedProgram, verify } from "../../../src/bpf/verifier/index.ts";
import { tcProgramType } from "../../../src/tc/index.ts";
import { xdpProgramType } from "../../../src/xdp/index.ts";

const array: MapSpec = { name: "config", type: 2, keySize: 4, valueSize: 16, maxEntries: 1, flags: 0 };

const program = (text: string, more: Partial<ProgramSpec> = {}): ProgramSpec => ({
  name: "prog",
  section: "xdp",
  type: "xdp",
  expectedAttachType: 0,
  flags: 0,
  license: "GPL",
  instructions: assemble(text),
  maps: [array],
  functions: [],
  lines: [],
  ...more,
});

const rejected = (text: string, more: Partial<ProgramSpec> = {}): Rejection => {
  const result = verify(program(text, more), xdpProgramType);
  if (result.accepted) throw new Error("the program was accepted");
  return result;
};
const accepted = (text: string, more: Partial<ProgramSpec> = {}): VerifiedProgram => {
  const result = verify(program(text, more), more.type === "sched_cls" ? tcProgramType : xdpProgramType);
  if (!result.accepted) throw new Error(result.problem.message);
  return result;
};

const chain = (depth: number) =>
  `call f1\nexit\n${Array.from({ length: depth }, (_, at) => `f${at + 1}: ${at + 1 < depth ? `call f${at + 2}` : "r0 = 0"}\nexit`).join("\n")}`;

test.each<[string, string, number, string]>([
  ["no instruction", "", 7, "program of 0 instructions: from 1 to 1000000 are allowed"],
  ["an opcode that does not exist", "r0 = 0\n.8byte 0x00000000000000ff\nexit", 22, "unknown opcode ff"],
  ["a call past the end", "call pc+7\nexit", 22, "call to invalid destination"],
  ["a call before the start", "call pc-3\nexit", 22, "call to invalid destination"],
  ["a jump past the end", "r0 = 0\ngoto +5\nexit", 22, "jump out of range from insn 1 to 7"],
  ["a jump before the start", "r0 = 0\ngoto -5\nexit", 22, "jump out of range from insn 1 to -3"],
  ["a jump into another function", "call sub\ngoto sub\nexit\nsub: exit", 22, "jump out of range from insn 1 to 3"],
  ["a long jump past the end", "gotol +70000\nexit", 22, "jump out of range from insn 0 to 70001"],
  ["a last instruction that goes on", "exit\nr0 = 0", 22, "last insn is not an exit or jmp"],
  ["a function that runs into the next", "call sub\nr0 = 1\nsub: exit", 22, "last insn is not an exit or jmp"],
  ["a jump into ld_imm64", "if r1 == 0 goto +1\nr0 = 5 ll\nexit", 22, "jump into the middle of ldimm64 insn 1"],
  ["half a ld_imm64", ".8byte 0x0000000000000018\nexit", 22, "invalid bpf_ld_imm64 insn"],
  ["a kind of ld_imm64 that does not exist", ".8byte 0x0000000000007018\n.8byte 0x0\nr0 = 0\nexit", 22, "unrecognized bpf_ld_imm64 insn"],
  ["a map by index", "r1 = map[idx:0]\nr0 = 0\nexit", 71, "fd_idx without fd_array is invalid"],
  ["a map that is not there", "r1 = map[1]\nr0 = 0\nexit", 9, "fd 1 is not pointing to valid bpf_map"],
  ["a value beyond its map's", "r1 = map[0][0]+16\nr0 = 0\nexit", 22, "invalid access to map value pointer, value_size=16 off=16"],
  ["an instruction that nothing reaches", "r0 = 0\ngoto out\nr0 = 1\nout: exit", 22, "unreachable insn 2"],
  ["a loop without end behind the exit", "r0 = 0\nexit\nloop: goto loop", 22, "unreachable insn 2"],
  ["a write to the frame pointer", "r10 = 0\nexit", 13, "frame pointer is read only"],
  ["a fetch into the frame pointer", "r10 = atomic64_xchg((u64 *)(r10 -8), r10)\nexit", 13, "frame pointer is read only"],
  ["a register that does not exist", "r0 = r11\nexit", 22, "R11 is invalid"],
  ["a move with src and immediate", ".8byte 0x00000001000000bf\nexit", 22, "BPF_MOV uses reserved fields"],
  ["a division by 0", "r0 = 1\nr0 /= 0\nexit", 22, "div by zero"],
  ["a shift by the width", "w0 = 1\nw0 <<= 32\nexit", 22, "invalid shift 32"],
  ["a byte swap of 8 bits", ".8byte 0x00000008000000d4\nexit", 22, "BPF_END uses reserved fields"],
  ["an atomic of 2 bytes", "r0 = 0\n.8byte 0x00000001fff80acb\nexit", 22, "invalid atomic operand size"],
  ["an atomic operation that does not exist", "r0 = 0\n.8byte 0x00000077fff80adb\nexit", 22, "BPF_ATOMIC uses invalid atomic opcode 77"],
  ["LD_ABS in an XDP program", "r6 = r1\nr0 = *(u8 *)skb[0]\nexit", 22, "BPF_LD_[ABS|IND] instructions not allowed for this program type"],
  ["nine functions deep", chain(8), 7, "the call stack of 9 frames is too deep"],
  ["a function that calls itself", "call sub\nexit\nsub: call sub\nexit", 7, "the call stack of 9 frames is too deep"],
])("%s is rejected as Linux rejects it", (_what, text, errno, message) => {
  const result = rejected(text);
  expect({ errno: result.errno, message: result.problem.message, exit: result.problem.exit }).toEqual({ errno, message, exit: 4 });
  expect(result.problem.hint).toBeTruthy();
});

test("a function without BTF may not give itself up", () => {
  const tail = "call sub\nexit\nsub: call 12\nexit";
  expect(rejected(tail).problem.message).toBe("tail_call is not allowed in subprogs without BTF");
  const typed = [
    { instruction: 0, name: "prog", typeId: 1 },
    { instruction: 2, name: "sub", typeId: 2 },
  ];
  expect(accepted(tail, { functions: typed }).functions).toHaveLength(2);
  expect(rejected(tail, { functions: typed.slice(1) }).problem.message).toBe(
    "number of funcs in func_info doesn't match number of subprogs",
  );
});

test("a rejection names instruction, source line and what to do", () => {
  const lines = [
    { instruction: 0, file: "drop.c", line: 4, column: 1, text: "int drop(struct xdp_md *ctx)" },
    { instruction: 1, file: "drop.c", line: 7, column: 3, text: "  return 1 / 0;" },
  ];
  expect(rejected("r0 = 1\nr0 /= 0\nexit", { lines })).toEqual({
    accepted: false,
    errno: 22,
    line: "  return 1 / 0;",
    problem: {
      code: "verifier_division_by_zero",
      message: "div by zero",
      hint: "the divisor is the constant 0",
      at: { program: "prog", instruction: 1, source: "drop.c:7" },
      exit: 4,
    },
  });
});

test("eight functions may be active", () => {
  expect(accepted(chain(7)).functions).toHaveLength(8);
});

test("a fault that a way leads around is no rejection: it traps where it is reached", () => {
  const { unbuilt, instructions } = accepted("r0 = 1\nr2 = *(u32 *)(r1 +12)\nif r2 == 1 goto out\nr10 = 5\nout: exit");
  expect([...unbuilt]).toEqual([[3, "frame pointer is read only"]]);
  expect(instructions[3]?.row.kind).toBe("alu64");
});

test("a fault behind a call that must be made is a rejection", () => {
  expect(rejected("call sub\nexit\nsub: r0 = 1\nr0 <<= 64\nexit").problem.message).toBe("invalid shift 64");
});

test("a verified program knows its functions, loops, maps and helpers", () => {
  const verified = accepted(
    `r6 = r1
     r1 = 4
     r2 = subprog[each]
     r3 = 0
     r4 = 0
     call 181
     call 5
     call 9999
     call sub
     exit
     sub: r1 = map[0]
     again: r0 += 1
     if r0 < 5 goto again
     exit
     each: r0 = 0
     exit`,
    {
      functions: [
        { instruction: 0, name: "prog" },
        { instruction: 11, name: "sub" },
      ],
    },
  );
  expect(verified.functions).toEqual([
    { start: 0, end: 11, name: "prog", callback: false, calls: new Set([11]), loops: false },
    { start: 11, end: 16, name: "sub", callback: false, calls: new Set(), loops: true },
    { start: 16, end: 18, name: "subprog_2", callback: true, calls: new Set(), loops: false },
  ]);
  expect(verified.callbacks).toEqual([16]);
  expect(verified.loops).toBe(true);
  expect([...verified.maps]).toEqual([0]);
  expect(verified.unbuilt.get(8)).toBe("helper 9999");
});

test("a poisoned relocation, a kfunc and a kernel variable wait until they are reached", () => {
  const { unbuilt } = accepted("call 195896080\ncall kfunc #77\nr1 = variable[5]\nr0 = 0\nexit", {
    poisoned: new Map([[0, "a is not known"]]),
    kfuncs: new Map([[77, "bpf_unheard_of"]]),
  });
  expect([...unbuilt]).toEqual([
    [0, "a is not known"],
    [1, "kfunc bpf_unheard_of"],
    [2, "variable 5 of the kernel"],
  ]);
});

test("LD_ABS is a TC program's right", () => {
  expect(accepted("r6 = r1\nr0 = *(u8 *)skb[0]\nexit", { type: "sched_cls" }).unbuilt.size).toBe(0);
});
