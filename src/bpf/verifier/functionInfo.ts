import type { Instruction } from "../isa/index.ts";
import type { ProgramSpec } from "../spec.ts";
import type { FunctionRange } from "./functions.ts";
import { Rejected } from "./rejection.ts";

/** include/uapi/linux/bpf.h: BPF_FUNC_tail_call. */
const TAIL_CALL = 12;

/**
 * With BTF every function has a type; without, functions behind the first may neither give themselves up by a tail call nor return early by LD_ABS.
 * kernel/bpf/verifier.c: check_btf_func, check_abnormal_return.
 */
export function checkFunctionInfo(
  spec: ProgramSpec,
  functions: readonly FunctionRange[],
  instructions: readonly (Instruction | undefined)[],
): void {
  const typed = spec.functions.filter(({ typeId }) => typeId !== undefined).length;
  if (typed > 0) {
    if (typed !== functions.length) throw new Rejected("function_info_count", undefined, { typed, count: functions.length });
    return;
  }
  for (const { start, end } of functions.slice(1)) {
    const own = instructions.slice(start, end);
    const legacy = own.find((instruction) => instruction?.row.kind === "legacy_load");
    if (legacy !== undefined) throw new Rejected("legacy_load_in_function", legacy.index);
    const tailCall = own.find(
      (instruction) => instruction?.row.kind === "call" && instruction.row.callee === "helper" && instruction.imm === TAIL_CALL,
    );
    if (tailCall !== undefined) throw new Rejected("tail_call_in_function", tailCall.index);
  }
}
