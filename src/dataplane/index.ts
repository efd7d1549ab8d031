export { Dataplane, type DataplaneDevice, type DataplaneOptions } from "./dataplane.ts";
export type { ExpandedOutcome } from "./expand.ts";
export type { Hook, Link } from "./link.ts";
export { LoadedObject } from "./loadedObject.ts";
export { type ContentsPlace, dumpMap, fillMap } from "./mapContents.ts";
export type { Fate, Outcome, OutcomeStep } from "./outcome.ts";
export type { OpenPool, WorkerPool, WorkerThread } from "./pool.ts";
export type { FateCount, ProgramResult, QueueResult, RunResult, TrapResult } from "./result.ts";
export type { FinishedWindow, RunOptions } from "./run.ts";
