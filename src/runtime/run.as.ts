import {
  CpuBlock_depth,
  CpuBlock_fp,
  CpuBlock_program,
  CpuBlock_program_stats,
  CpuBlock_stacks,
  CpuBlock_tail_calls,
  CpuBlock_trap,
  MAX_BPF_STACK,
  MAX_CALL_FRAMES,
  ProgramStats_run_count,
  ProgramStats_SIZE,
  RUN_FUEL,
  TRAP_DEPTH,
} from "../layout/layout.generated.as";
import { cpu } from "./cpu.as";
import { burnFuel, fillFuel } from "./fuel.as";
import { context as currentContext, setContext } from "./zone.as";

/** Bytes of stack that one program and all it calls may use. */
const RUN_STACK: u32 = MAX_BPF_STACK * MAX_CALL_FRAMES;

/** Runs the program in table slot `id` on the context with a full tank of fuel, and gives its return value: for those who run one without a packet loop. */
export function runProgram(id: u32, context: u32): u64 {
  fillFuel();
  return runOnFuel(id, context);
}

/**
 * Runs the program in table slot `id` on the context, on the fuel that is left, and gives its return value. Safe while another program runs on this CPU (a
 * helper that runs programs): stack, tail-call count and program are put back. After a trap `takeTrap` puts the CPU to rest.
 */
export function runOnFuel(id: u32, context: u32): u64 {
  return load<u32>(cpu, CpuBlock_depth) == 0 ? runOutermost(id, context) : runNested(id, context);
}

/** Adds to the runs that the program's statistics show. */
export function countRuns(block: u32, id: u32, runs: u32): void {
  const stats = load<u32>(block, CpuBlock_program_stats) + id * ProgramStats_SIZE;
  store<u64>(stats, load<u64>(stats, ProgramStats_run_count) + u64(runs), ProgramStats_run_count);
}

/** No program runs on this CPU: nothing is to be kept, and `fp` stands at the outermost frame, where a tail call leaves it too. */
function runOutermost(id: u32, context: u32): u64 {
  const block = cpu;
  beginRuns(block, id);
  countRuns(block, id, 1);
  burnFuel(RUN_FUEL);
  const result = runAgain(block, id, context);
  endRuns(block);
  return result;
}

/**
 * Makes `id` the outermost program of the CPU at `block`, to be run with `runAgain` as often as is wanted until `endRuns`. Whoever does this counts the runs
 * himself.
 */
export function beginRuns(block: u32, id: u32): void {
  store<u32>(block, id, CpuBlock_program);
  store<u32>(block, 1, CpuBlock_depth);
}

/** One run of the program that `beginRuns` named. The packet that it runs on has brought more than RUN_FUEL. */
export function runAgain(block: u32, id: u32, context: u32): u64 {
  store<u32>(block, 0, CpuBlock_tail_calls);
  setContext(context);
  return call_indirect<u64>(id, u64(context));
}

export function endRuns(block: u32): void {
  store<u32>(block, 0, CpuBlock_depth);
  store<u32>(block, 0, CpuBlock_program);
}

function runNested(id: u32, context: u32): u64 {
  const block = cpu;
  const program = load<u32>(block, CpuBlock_program);
  const tailCalls = load<u32>(block, CpuBlock_tail_calls);
  const fp = load<u32>(block, CpuBlock_fp);
  const depth = load<u32>(block, CpuBlock_depth);
  const nested = fp - RUN_STACK;
  if (nested < load<u32>(block, CpuBlock_stacks) + RUN_STACK) {
    store<u32>(block, TRAP_DEPTH, CpuBlock_trap);
    unreachable();
  }
  store<u32>(block, nested, CpuBlock_fp);
  store<u32>(block, id, CpuBlock_program);
  store<u32>(block, 0, CpuBlock_tail_calls);
  store<u32>(block, depth + 1, CpuBlock_depth);
  countRuns(block, id, 1);
  burnFuel(RUN_FUEL);
  const outer = currentContext;
  setContext(context);
  const result = call_indirect<u64>(id, u64(context));
  setContext(outer);
  store<u32>(block, depth, CpuBlock_depth);
  store<u32>(block, fp, CpuBlock_fp);
  store<u32>(block, tailCalls, CpuBlock_tail_calls);
  store<u32>(block, program, CpuBlock_program);
  return result;
}
