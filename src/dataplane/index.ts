export type { Fate, Outcome, OutcomeStep } from "./outcome.ts";
export type { FateCount, ProgramResult, QueueResult, RunResult, TrapResult } from "./result.ts";
