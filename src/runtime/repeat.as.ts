import { runProgram } from "./run.as";

/**
 * Runs the program in table slot `id` so many times in a row on one context, as BPF_PROG_TEST_RUN with `repeat` does: context and packet are not
 * restored in between. Gives the last return value; 0 for no runs.
 */
export function repeatProgram(id: u32, context: u32, repeat: u32): u64 {
  let result: u64 = 0;
  for (let run: u32 = 0; run < repeat; run++) result = runProgram(id, context);
  return result;
}
