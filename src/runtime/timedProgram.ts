import { CpuBlock, ProgramStats } from "../layout/index.ts";
import { CodeWriter, type FunctionType, ModuleWriter } from "../wasm/index.ts";
import type { RuntimeInstance } from "./instance.ts";

const PROGRAM: FunctionType = { parameters: ["i64"], results: ["i64"] };

/** The host's clock, nanoseconds. */
const now = (): bigint => BigInt(Math.round(performance.now() * 1e6));

/**
 * Puts a function in front of the program in table slot `slot` that adds the time of each run to the program's statistics on the current CPU. A tail call goes
 * through uncounted: its time is part of the run that made it. A run that traps adds nothing.
 */
export function timeProgram(slot: number, { memory, table, exports }: RuntimeInstance): void {
  const writer = new ModuleWriter("timed");
  writer.importMemory("env", "memory", { minimum: 1, maximum: 65536, shared: true });
  const run = writer.importFunction("timed", "run", PROGRAM);
  const clock = writer.importFunction("timed", "now", { parameters: [], results: ["i64"] });
  const cpu = writer.importGlobal("runtime", "cpu", "i32", true);
  const code = new CodeWriter(["context"]);
  const start = code.local("i64", "start");
  const result = code.local("i64", "result");
  const stats = code.local("i32", "stats");
  code.globalGet(cpu);
  code.memory("i32.load", CpuBlock.at.tail_calls);
  code.if();
  code.get(0);
  code.returnCall(run);
  code.end();
  code.call(clock);
  code.set(start);
  code.get(0);
  code.call(run);
  code.set(result);
  code.globalGet(cpu);
  code.memory("i32.load", CpuBlock.at.program_stats);
  code.tee(stats);
  code.get(stats);
  const at = slot * ProgramStats.size + ProgramStats.at.run_time_ns;
  code.memory("i64.load", at);
  code.call(clock);
  code.get(start);
  code.op("i64.sub");
  code.op("i64.add");
  code.memory("i64.store", at);
  code.get(result);
  const timed = writer.declare("timed", PROGRAM);
  writer.define(timed, code);
  writer.exportFunction("run", timed);
  const module = new WebAssembly.Module(writer.finish().bytes as Uint8Array<ArrayBuffer>);
  const imports = { env: { memory }, timed: { run: table.get(slot), now }, runtime: exports };
  table.set(slot, new WebAssembly.Instance(module, imports).exports.run);
}
