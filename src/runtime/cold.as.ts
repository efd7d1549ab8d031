import {
  CpuBlock_arguments,
  CpuBlock_program,
  CpuBlock_program_stats,
  CpuBlock_result,
  ProgramStats_cold_calls,
  ProgramStats_SIZE,
} from "../layout/layout.generated.as";
import { cpu } from "./cpu.as";

/** The one way from WebAssembly to TypeScript: runs helper `id`, whose arguments and result stand in the CPU block at `block`. */
declare function slow(id: u32, block: u32): void;

/** Entry of every cold helper: r1..r5 go to the CPU block as 64-bit words, so that no BigInt crosses the border. The call counts in the program's statistics. */
export function cold(id: u32, r1: u64, r2: u64, r3: u64, r4: u64, r5: u64): u64 {
  const block = cpu;
  store<u64>(block, r1, CpuBlock_arguments);
  store<u64>(block, r2, CpuBlock_arguments + 8);
  store<u64>(block, r3, CpuBlock_arguments + 16);
  store<u64>(block, r4, CpuBlock_arguments + 24);
  store<u64>(block, r5, CpuBlock_arguments + 32);
  const stats = load<u32>(block, CpuBlock_program_stats) + load<u32>(block, CpuBlock_program) * ProgramStats_SIZE;
  store<u64>(stats, load<u64>(stats, ProgramStats_cold_calls) + 1, ProgramStats_cold_calls);
  slow(id, block);
  return load<u64>(block, CpuBlock_result);
}
