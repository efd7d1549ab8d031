import { CpuBlock, helperNames, TRAP_BUDGET, TRAP_DEPTH, TRAP_HELPER, TRAP_MAP_ACCESS } from "../../layout/index.ts";
import type { RuntimeInstance, SimulatedMemory } from "../../runtime/index.ts";

/** Why a run was ended by a trap. */
export interface TrapReason {
  readonly text: string;
  /** It called what is not built: nothing is said about what is. */
  readonly unbuilt: boolean;
}

/** Why the run on the runtime's current CPU threw `error`. */
export function trapReason(memory: SimulatedMemory, runtime: RuntimeInstance, error: Error): TrapReason {
  const cpu = (runtime.exports.cpu as WebAssembly.Global).value as number;
  const detail = CpuBlock.read(memory.view, cpu, "trap_detail");
  switch (CpuBlock.read(memory.view, cpu, "trap")) {
    case TRAP_HELPER:
      return { text: `${helperNames.get(detail) ?? `helper or kfunc ${detail}`} is not built`, unbuilt: true };
    case TRAP_BUDGET:
      return { text: "the run used up its fuel", unbuilt: false };
    case TRAP_DEPTH:
      return { text: "nested too deeply", unbuilt: false };
    case TRAP_MAP_ACCESS:
      return { text: `write into map ${detail} forbidden`, unbuilt: false };
    default:
      return { text: error.message, unbuilt: false };
  }
}
