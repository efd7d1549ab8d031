import { failure, type Result, success } from "../../problem/index.ts";
import { encode, instructionRows, type SlotFields } from "../isa/index.ts";
import type { ProgramSpec } from "../spec.ts";
import { type CheckedClassic, targetOfJump } from "./check.ts";
import {
  type Ancillary,
  ARPHRD_ETHER,
  ancillaryAt,
  type BranchRow,
  type ClassicInstruction,
  type ClassicRow,
  type OperationRow,
  type PacketLoadRow,
  SCRATCH_WORDS,
} from "./instruction.ts";
import { refusedLoad } from "./interpret.ts";
import { problems } from "./problems.ts";

/** Where Linux keeps the two registers, what it needs beside them, and the context. include/linux/filter.h: BPF_REG_A, _X, _TMP, _CTX. */
const A = 0;
const X = 7;
const TMP = 2;
const CTX = 6;
const FP = 10;

/** Fields of struct __sk_buff. include/uapi/linux/bpf.h. */
const skb = {
  len: 0,
  pkt_type: 4,
  mark: 8,
  queue_mapping: 12,
  protocol: 16,
  vlan_present: 20,
  vlan_tci: 24,
  vlan_proto: 28,
  ifindex: 40,
  hash: 68,
};
/** bpf_get_prandom_u32 and bpf_get_smp_processor_id. */
const PRANDOM = 7;
const PROCESSOR = 8;

/** An eBPF instruction; a jump has the classic instruction it leads to, or how many of its own it skips. */
type Emitted = SlotFields & { readonly to?: number };

/** The codes of the instructions that are used, by their text in the table. */
const codes = new Map(instructionRows.map(({ text, code, imm }) => [text, { code, imm: imm ?? 0 }]));

function emit(text: string, fields: Partial<Emitted> = {}): Emitted {
  const row = codes.get(text);
  if (row === undefined) throw new TypeError(`no instruction ${text}`);
  const { dst = 0, src = 0, offset = 0, imm = row.imm, to } = fields;
  return { code: row.code, dst, src, offset, imm: imm | 0, high: 0, ...(to === undefined ? {} : { to }) };
}

const move = (dst: number, src: number) => emit("{dst} = {src}", { dst, src });
const exit = () => emit("exit");
const clear = (dst: number) => emit("{wdst} ^= {wsrc}", { dst, src: dst });
const fromContext = (dst: number, offset: number) => emit("{dst} = *(u32 *)({src}{off})", { dst, src: CTX, offset });

/**
 * The same program in eBPF, as Linux makes it (net/core/filter.c: bpf_convert_filter): A in r0, X in r7, the context in r6, M[] at the frame's end; packet loads stay
 * LD_ABS and LD_IND, which end the program with 0 outside of the packet, as a division by zero does. What Linux reads from its struct sk_buff is read from
 * struct __sk_buff, so that the result is a program of type socket_filter that any Linux loads; and what is never reached, which classic programs may have and
 * verified ones may not, is left out.
 */
export function translateClassic(program: CheckedClassic, name = "filter"): Result<ProgramSpec> {
  const { instructions, rows } = program;
  const refused = refusedLoad(program);
  if (refused !== undefined) return failure(refused);
  const backwards = rows.findIndex((row, index) => row.kind === "jump" && targetOfJump(instructions[index]!, index) <= index);
  if (backwards >= 0) {
    const target = targetOfJump(instructions[backwards]!, backwards);
    return failure(problems.classic_jump({ target, last: rows.length - 1 }, { instruction: backwards }));
  }
  const emitted: Emitted[] = [clear(A), clear(X), move(CTX, 1)];
  const reachable = reachableIn(program);
  const starts = instructions.map((instruction, index) => {
    const start = emitted.length;
    if (reachable[index]) emitted.push(...translated(instruction, rows[index]!, index));
    return start;
  });
  const placed = emitted.map(({ to, ...fields }, index) => (to === undefined ? fields : { ...fields, offset: starts[to]! - index - 1 }));
  return success({
    name,
    section: "socket",
    type: "socket_filter",
    expectedAttachType: 0,
    flags: 0,
    license: "GPL",
    instructions: encode(placed),
    maps: [],
    functions: [],
    lines: [],
  });
}

/** The instructions that some way leads to. Jumps only lead forward. */
function reachableIn({ instructions, rows }: CheckedClassic): boolean[] {
  const reachable = instructions.map((_, index) => index === 0);
  for (const [index, instruction] of instructions.entries()) {
    const row = rows[index]!;
    if (!reachable[index] || row.kind === "return") continue;
    if (row.kind === "jump") reachable[targetOfJump(instruction, index)] = true;
    else if (row.kind === "branch") {
      reachable[index + 1 + instruction.jt] = true;
      reachable[index + 1 + instruction.jf] = true;
    } else reachable[index + 1] = true;
  }
  return reachable;
}

function translated(instruction: ClassicInstruction, row: ClassicRow, index: number): Emitted[] {
  const { k } = instruction;
  switch (row.kind) {
    case "packet_load": {
      const name = row.mode === "abs" ? ancillaryAt(k) : undefined;
      return name === undefined ? [packetLoad(row, k)] : ancillaryLoad(name);
    }
    case "header_length":
      // The load goes through A, which waits in X meanwhile.
      return [
        move(X, A),
        emit("r0 = *(u8 *)skb[{imm}]", { imm: k }),
        emit("{wdst} &= {imm}", { dst: A, imm: 15 }),
        emit("{wdst} <<= {imm}", { dst: A, imm: 2 }),
        move(TMP, X),
        move(X, A),
        move(A, TMP),
      ];
    case "load_length":
      return [fromContext(register(row.register), skb.len)];
    case "load_immediate":
      return [emit("{wdst} = {imm}", { dst: register(row.register), imm: k })];
    case "load_scratch":
      return [emit("{dst} = *(u32 *)({src}{off})", { dst: register(row.register), src: FP, offset: scratchOffset(k) })];
    case "store":
      return [emit("*(u32 *)({dst}{off}) = {src}", { dst: FP, src: register(row.register), offset: scratchOffset(k) })];
    case "operation":
      return operation(row, k);
    case "negate":
      return [emit("{wdst} = -{wdst}", { dst: A })];
    case "jump":
      return [emit("goto {goto}", { to: targetOfJump(instruction, index) })];
    case "branch":
      return branch(instruction, row, index);
    case "return":
      return row.value === "a" ? [exit()] : [emit("{wdst} = {imm}", { dst: A, imm: k }), exit()];
    case "move":
      return [row.to === "x" ? move(X, A) : move(A, X)];
  }
}

const register = (name: "a" | "x"): number => (name === "a" ? A : X);
const scratchOffset = (k: number): number => -4 * (SCRATCH_WORDS - k);

const packetLoad = ({ mode, size }: PacketLoadRow, k: number): Emitted =>
  mode === "abs"
    ? emit(`r0 = *(u${size * 8} *)skb[{imm}]`, { imm: k })
    : emit(`r0 = *(u${size * 8} *)skb[{src} + {imm}]`, { src: X, imm: k });

function ancillaryLoad(name: Ancillary): Emitted[] {
  const inHostOrder = (offset: number) => [fromContext(A, offset), emit("{dst} = be16 {dst}", { dst: A, imm: 16 })];
  switch (name) {
    case "proto":
      return inHostOrder(skb.protocol);
    case "vlan_tpid":
      return inHostOrder(skb.vlan_proto);
    case "type":
      return [fromContext(A, skb.pkt_type)];
    case "ifidx":
      return [fromContext(A, skb.ifindex)];
    case "mark":
      return [fromContext(A, skb.mark)];
    case "queue":
      return [fromContext(A, skb.queue_mapping)];
    case "rxhash":
      return [fromContext(A, skb.hash)];
    case "vlan_tci":
      return [fromContext(A, skb.vlan_tci)];
    case "vlanp":
      return [fromContext(A, skb.vlan_present)];
    case "hatype":
      return [emit("{wdst} = {imm}", { dst: A, imm: ARPHRD_ETHER })];
    case "cpu":
      return [emit("call {call}", { imm: PROCESSOR })];
    case "random":
      return [emit("call {call}", { imm: PRANDOM })];
    case "xor_x":
      return [emit("{wdst} ^= {wsrc}", { dst: A, src: X })];
    case "nla":
    case "nlan":
    case "poff":
      throw new TypeError(`${name} is refused before`);
  }
}

const signs = { add: "+=", sub: "-=", mul: "*=", div: "/=", mod: "%=", or: "|=", and: "&=", xor: "^=", lsh: "<<=", rsh: ">>=" } as const;

function operation({ operation: name, operand }: OperationRow, k: number): Emitted[] {
  if (operand === "k") return [emit(`{wdst} ${signs[name]} {imm}`, { dst: A, imm: k })];
  const compute = emit(`{wdst} ${signs[name]} {wsrc}`, { dst: A, src: X });
  if (name !== "div" && name !== "mod") return [compute];
  return [emit("if {dst} != {imm} goto {goto}", { dst: X, imm: 0, offset: 2 }), clear(A), exit(), compute];
}

const conditions = { jeq: "==", jgt: ">", jge: ">=", jset: "&" } as const;
/** What to test where only the false branch jumps. */
const inverse = { jeq: "!=", jgt: "<=", jge: "<" } as const;

function branch({ k, jt, jf }: ClassicInstruction, { relation, operand }: BranchRow, index: number): Emitted[] {
  const onTrue = index + 1 + jt;
  const onFalse = index + 1 + jf;
  // An immediate is extended with its sign to 64 bits; a constant with its top bit set must not be.
  const wide = operand === "k" && k > 0x7fffffff;
  const prefix = wide ? [emit("{wdst} = {imm}", { dst: TMP, imm: k })] : [];
  const compare = (sign: string, to: number): Emitted => {
    if (operand === "k" && !wide) return emit(`if {dst} ${sign} {imm} goto {goto}`, { dst: A, imm: k, to });
    return emit(`if {dst} ${sign} {src} goto {goto}`, { dst: A, src: wide ? TMP : X, to });
  };
  if (jt === 0 && relation !== "jset") return [...prefix, compare(inverse[relation], onFalse)];
  if (jf === 0) return [...prefix, compare(conditions[relation], onTrue)];
  return [...prefix, compare(conditions[relation], onTrue), emit("goto {goto}", { to: onFalse })];
}
