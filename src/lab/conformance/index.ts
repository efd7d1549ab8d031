export { readCaseFile } from "./caseFiles.node.ts";
export type { Difference } from "./compare.ts";
export type { EngineName } from "./engine.ts";
export type { ConformanceReport, FeatureCounts, Verdict } from "./report.ts";
export { type ConformanceOptions, runConformance } from "./suite.ts";
