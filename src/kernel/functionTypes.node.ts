import { type BtfType, writeBtf } from "../bpf/btf/index.ts";
import type { ProgramSpec } from "../bpf/spec.ts";
import { BPF_BTF_LOAD } from "./commands.ts";
import type { Libc } from "./libc.node.ts";

const LD_IMM64 = 0x18;
const CALL = 0x85;
const BPF_PSEUDO_CALL = 1;
const BPF_PSEUDO_FUNC = 4;
/** struct bpf_func_info: first instruction, type id. include/uapi/linux/bpf.h. */
export const FUNC_INFO_SIZE = 8;
/** enum btf_func_linkage. */
const STATIC = 0;
const GLOBAL = 1;

/** Type information for a program's functions, loaded: its descriptor (to be closed), and the records that say which function has which type. */
export interface FunctionTypes {
  readonly fd: number;
  readonly records: Uint8Array;
}

/**
 * Types that the kernel asks for where a program has callbacks: every function is `static int f(void)`, the exception callback `int f(u64)` and global, which
 * a declaration tag on the program names. Undefined for programs that do without, and when the kernel does not take the types.
 */
export function loadFunctionTypes(libc: Libc, spec: ProgramSpec): FunctionTypes | undefined {
  const { starts, callbacks } = functionStarts(spec);
  if (!callbacks && spec.exceptionCallback === undefined) return undefined;
  const types: BtfType[] = [
    { kind: "void" },
    { kind: "int", name: "int", size: 4, bits: 32, bitOffset: 0, signed: true, char: false, bool: false },
    { kind: "int", name: "unsigned long", size: 8, bits: 64, bitOffset: 0, signed: false, char: false, bool: false },
    { kind: "func_proto", result: 1, parameters: [] },
    { kind: "func_proto", result: 1, parameters: [{ name: "cookie", type: 2 }] },
  ];
  const firstId = types.length;
  for (const start of starts) {
    const caught = start === spec.exceptionCallback;
    types.push({ kind: "func", name: `function_${start}`, type: caught ? 4 : 3, linkage: caught ? GLOBAL : STATIC });
  }
  if (spec.exceptionCallback !== undefined)
    types.push({ kind: "decl_tag", name: `exception_callback:function_${spec.exceptionCallback}`, type: firstId, component: -1 });
  const bytes = writeBtf(types, true);
  libc.begin();
  const at = libc.reserve(32);
  libc.view.setBigUint64(at, libc.address(libc.place(bytes)), true);
  libc.view.setUint32(at + 16, bytes.length, true);
  const fd = libc.bpf(BPF_BTF_LOAD, at, 32);
  if (fd < 0) return undefined;
  const words = starts.flatMap((start, index) => [start, firstId + index]);
  return { fd, records: new Uint8Array(Uint32Array.from(words).buffer) };
}

/** First instructions of the functions, ascending, and whether any is a callback. */
function functionStarts({ instructions, exceptionCallback }: ProgramSpec): { starts: number[]; callbacks: boolean } {
  const view = new DataView(instructions.buffer, instructions.byteOffset, instructions.byteLength);
  const starts = new Set([0, ...(exceptionCallback === undefined ? [] : [exceptionCallback])]);
  let callbacks = false;
  for (let at = 0; at < instructions.length; at += 8) {
    const [code, source] = [instructions[at]!, instructions[at + 1]! >> 4];
    const reference = code === LD_IMM64 && source === BPF_PSEUDO_FUNC;
    if (reference || (code === CALL && source === BPF_PSEUDO_CALL)) starts.add(at / 8 + 1 + view.getInt32(at + 4, true));
    callbacks ||= reference;
    if (code === LD_IMM64) at += 8;
  }
  return { starts: [...starts].sort((a, b) => a - b), callbacks };
}
