import * as alu from "./alu.ts";
import type { BranchRow, CallRow, ExitRow, JumpRow } from "./row.ts";

/** A condition in its four codes: 64 and 32 bits, immediate and register. RFC 9669, section 4.3. */
function branch(operation: keyof typeof alu, code: number, sign: string, condition: BranchRow["condition"]): BranchRow[] {
  const common = { operation, condition, writes: [] } as const;
  return [
    { ...common, code: code | 0x05, kind: "branch64", operand: "imm", text: `if {dst} ${sign} {imm} goto {goto}`, reads: ["dst"] },
    { ...common, code: code | 0x0d, kind: "branch64", operand: "src", text: `if {dst} ${sign} {src} goto {goto}`, reads: ["dst", "src"] },
    { ...common, code: code | 0x06, kind: "branch32", operand: "imm", text: `if {wdst} ${sign} {imm} goto {goto}`, reads: ["dst"] },
    { ...common, code: code | 0x0e, kind: "branch32", operand: "src", text: `if {wdst} ${sign} {wsrc} goto {goto}`, reads: ["dst", "src"] },
  ];
}

const call = (src: number, callee: CallRow["callee"], text: string): CallRow => ({
  code: 0x85,
  src,
  kind: "call",
  callee,
  text,
  objdump: "call {imm}",
  reads: ["r1", "r2", "r3", "r4", "r5"],
  writes: ["r0", "r1", "r2", "r3", "r4", "r5"],
});

export const controlRows: readonly (BranchRow | JumpRow | CallRow | ExitRow)[] = [
  { code: 0x05, kind: "jump", distance: "offset", text: "goto {goto}", reads: [], writes: [] },
  { code: 0x06, kind: "jump", distance: "imm", text: "gotol {gotol}", reads: [], writes: [] },
  ...branch("jeq", 0x10, "==", alu.jeq),
  ...branch("jgt", 0x20, ">", alu.jgt),
  ...branch("jge", 0x30, ">=", alu.jge),
  ...branch("jset", 0x40, "&", alu.jset),
  ...branch("jne", 0x50, "!=", alu.jne),
  ...branch("jsgt", 0x60, "s>", alu.jsgt),
  ...branch("jsge", 0x70, "s>=", alu.jsge),
  ...branch("jlt", 0xa0, "<", alu.jlt),
  ...branch("jle", 0xb0, "<=", alu.jle),
  ...branch("jslt", 0xc0, "s<", alu.jslt),
  ...branch("jsle", 0xd0, "s<=", alu.jsle),
  call(0, "helper", "call {call}"),
  call(1, "function", "call {function}"),
  call(2, "kfunc", "call kfunc {kfunc}"),
  { code: 0x95, kind: "exit", text: "exit", reads: ["r0"], writes: [] },
  // include/uapi/linux/bpf.h: BPF_JCOND with BPF_MAY_GOTO as src.
  { code: 0xe5, src: 0, kind: "may_goto", distance: "offset", text: "may_goto {goto}", reads: [], writes: [] },
];
