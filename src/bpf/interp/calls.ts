import {
  BPF_MAP_TYPE_PROG_ARRAY,
  CpuBlock,
  MAP_MAGIC,
  MAX_BPF_STACK,
  MAX_CALL_FRAMES,
  MAX_TAIL_CALL_CNT,
  MapHeader,
  PROGRAM_ZONE,
  RUN_FUEL,
  TRAP_DEPTH,
  TRAP_HELPER,
} from "../../layout/index.ts";
import type { HelperSpec, KfuncSpec, PointerKind, RuntimeFunction } from "../spec.ts";
import { type Frame, type Machine, RETURN, type Step } from "./machine.ts";

/** include/uapi/linux/bpf.h: BPF_FUNC_tail_call. */
const TAIL_CALL = 12;

/** The runtime's way to helpers written in TypeScript. */
const cold: RuntimeFunction = { entry: "cold", parameters: ["i32", "i64", "i64", "i64", "i64", "i64"], result: "i64" };

const argumentsOf = ({ registers }: Frame): bigint[] => Array.from(registers.subarray(1, 6));

/** r0 = helper(r1, …, r5). */
export function helperStep(machine: Machine, helper: HelperSpec, next: number): Step {
  if (helper.id === TAIL_CALL) return tailCallStep(machine, next);
  return calledStep(machine, helper.cold ? { ...helper, cold: helper.id } : { ...helper, cold: undefined }, next);
}

/** r0 = kfunc(r1, …, r5). */
export function kfuncStep(machine: Machine, kfunc: KfuncSpec, next: number): Step {
  if (kfunc.throws === true) return throwStep(machine);
  return calledStep(machine, { ...kfunc, cold: kfunc.cold }, next);
}

/** A call of the runtime; `cold` is the number of what is written in TypeScript. */
function calledStep(
  machine: Machine,
  called: { readonly call: RuntimeFunction; readonly cold: number | undefined; readonly callback?: boolean },
  next: number,
): Step {
  if (called.cold !== undefined) {
    const call = machine.runtimeFunction(cold);
    const number = BigInt(called.cold);
    return (frame) => {
      frame.registers[0] = call([number, ...argumentsOf(frame)]);
      return next;
    };
  }
  const call = machine.runtimeFunction(called.call);
  const { pointers } = called.call;
  return (frame) => {
    for (const [index, kind] of pointers?.entries() ?? [])
      if (kind !== undefined) checkPointer(machine, low32(frame.registers[index + 1]!), kind);
    // A callback's frame lies below that of the function that made the call.
    if (called.callback === true) CpuBlock.write(machine.memory.view, machine.cpu(), "callback_fp", frame.fp - MAX_BPF_STACK);
    frame.registers[0] = call(argumentsOf(frame));
    return called.callback === true && machine.thrown() ? RETURN : next;
  };
}

/** Ends the run, as a wrong access does, where the runtime would write through an address that is not the program's to pass. */
function checkPointer(machine: Machine, at: number, kind: PointerKind): void {
  if (!mayHave(machine, at, kind)) throw new RangeError(`${at} is no address that a ${kind} may have`);
}

function mayHave({ memory, context, callbacks }: Machine, at: number, kind: PointerKind): boolean {
  switch (kind) {
    case "context":
      return at === context();
    case "map":
      return at < PROGRAM_ZONE && MapHeader.read(memory.view, at, "magic") === MAP_MAGIC;
    case "callback":
      return at >= callbacks.first && at < callbacks.first + callbacks.count;
    case "written":
      return at >= PROGRAM_ZONE;
    case "written or NULL":
      return at >= PROGRAM_ZONE || at === 0;
  }
}

/** bpf_throw(cookie): ends this function and all that called it, up to the program, which ends with its exception callback. */
function throwStep(machine: Machine): Step {
  return ({ registers }) => {
    const { view } = machine.memory;
    CpuBlock.write(view, machine.cpu(), "exception", 1);
    CpuBlock.writeBig(view, machine.cpu(), "exception_cookie", registers[1]!);
    registers[0] = 0n;
    return RETURN;
  };
}

/**
 * bpf_tail_call(ctx, map, index): gives this function up for the program in the slot. Goes on, with nothing changed, when the index (its low 32 bits) is past
 * the end, the slot is empty, or 33 tail calls were made. arch/x86/net/bpf_jit_comp.c: emit_bpf_tail_call_indirect.
 */
function tailCallStep(machine: Machine, next: number): Step {
  return ({ registers, fp }) => {
    const { view } = machine.memory;
    const cpu = machine.cpu();
    const map = low32(registers[2]!);
    const index = low32(registers[3]!);
    checkPointer(machine, map, "map");
    if (MapHeader.read(view, map, "type") !== BPF_MAP_TYPE_PROG_ARRAY)
      machine.trap(TRAP_HELPER, TAIL_CALL, "tail call through no program array");
    if (index >= MapHeader.read(view, map, "max_entries")) return next;
    const made = CpuBlock.read(view, cpu, "tail_calls");
    if (made >= MAX_TAIL_CALL_CNT) return next;
    const slot = view.getUint32(MapHeader.read(view, map, "elements") + index * 4, true);
    if (slot === 0) return next;
    machine.burn(RUN_FUEL);
    // The callers of a function that gives itself up keep their frames: a chain of such programs could run off the CPU's stacks.
    const lowest = CpuBlock.read(view, cpu, "stacks") + MAX_CALL_FRAMES * MAX_BPF_STACK;
    if (fp < lowest) machine.trap(TRAP_DEPTH, 0, "the stacks of this CPU are used up");
    CpuBlock.write(view, cpu, "tail_calls", made + 1);
    CpuBlock.write(view, cpu, "fp", fp);
    const program = machine.table.get(slot) as ((context: bigint) => bigint) | null;
    if (program === null) machine.trap(TRAP_HELPER, TAIL_CALL, `no program in slot ${slot}`);
    registers[0] = program(registers[1]!);
    return RETURN;
  };
}

/** r0 = the function that begins at `target`, with r1..r5. */
export function functionCallStep(machine: Machine, target: number, next: number): Step {
  return (frame) => {
    frame.registers[0] = machine.callFunction(target, frame);
    return machine.thrown() ? RETURN : next;
  };
}

export const low32 = (value: bigint): number => Number(BigInt.asUintN(32, value));
