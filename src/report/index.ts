export { type BenchJsonRow, benchJson, benchMarkdown, benchText, replayMarkdown, replayText } from "./bench.ts";
export { conformanceText } from "./conformance.ts";
export { type ObjectParts, objectJson, objectText } from "./dumpObject.ts";
export { programWasm } from "./programWasm.ts";
