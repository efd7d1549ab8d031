export { readCaseFile } from "./caseFiles.node.ts";
export type { CaseEngine } from "./engine.ts";
export { runPlugin } from "./plugin.ts";
export type { ConformanceReport } from "./report.ts";
export { runConformance, runRecordings } from "./suite.ts";
