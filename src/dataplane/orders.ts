import { verify } from "../bpf/verifier/index.ts";
import { ProblemError } from "../problem/index.ts";
import { installPortable, type PortableProgram, type RuntimeInstance, uninstallProgram } from "../runtime/index.ts";
import { programTypes } from "./programTypes.ts";
import type { ListenedRing } from "./ringRecords.ts";

/** What the main thread asks of every worker between two windows. layout/window.ts: ControlBlock has the protocol. */
export type Order =
  | { readonly kind: "install"; readonly program: PortableProgram }
  | { readonly kind: "remove"; readonly slot: number; readonly slots: number }
  /** Empty these rings, and no others, at the windows' ends. */
  | { readonly kind: "listen"; readonly rings: readonly ListenedRing[] }
  /** Nothing but to say that this point was passed: what was unpublished before is not in use any more. */
  | { readonly kind: "pass" };

/** Puts a program into a thread's table. An interpreted one is checked again there: what the check finds out cannot be posted. */
export function installProgramIn(runtime: RuntimeInstance, program: PortableProgram): void {
  if (program.engine === "jit") {
    installPortable(program, runtime);
    return;
  }
  const verified = verify(program.spec, programTypes[program.spec.type]);
  if (!verified.accepted) throw new ProblemError(verified.problem);
  installPortable({ ...program, verified }, runtime);
}

/** What orders change in a worker. */
export interface WorkerState {
  readonly runtime: RuntimeInstance;
  /** Those that its table holds. */
  readonly programs: PortableProgram[];
  rings: readonly ListenedRing[];
}

/** Carries out an order in a worker. */
export function carryOut(order: Order, state: WorkerState): void {
  const { runtime, programs } = state;
  switch (order.kind) {
    case "install":
      installProgramIn(runtime, order.program);
      programs.push(order.program);
      return;
    case "remove": {
      uninstallProgram(order, runtime);
      const index = programs.findIndex(({ slot }) => slot === order.slot);
      if (index >= 0) programs.splice(index, 1);
      return;
    }
    case "listen":
      state.rings = order.rings;
      return;
    case "pass":
      return;
  }
}
