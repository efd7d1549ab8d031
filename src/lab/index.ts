export { readCaptureBytes } from "./bench/captureBytes.node.ts";
export { type CompileBenchOptions, type CompileTimes, runCompileBench } from "./bench/compileTimes.ts";
export type { EngineName } from "./bench/engine.ts";
export { type BenchMachine, describeMachine } from "./bench/machine.node.ts";
export type { Measurement } from "./bench/measure.ts";
export { type Ratios, ratiosOf, type Verdict, verdictOf } from "./bench/ratios.ts";
export { type ReplayBenchOptions, type ReplayRate, runReplayBench } from "./bench/replayRates.node.ts";
export { type BenchOptions, type BenchResult, benchProgramNames, runBench } from "./bench/suite.node.ts";
export { type CaseEngine, type ConformanceReport, readCaseFile, runConformance, runPlugin } from "./conformance/index.ts";
