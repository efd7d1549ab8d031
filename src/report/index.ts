export { type BenchJsonRow, benchJson, benchMarkdown, benchText, replayMarkdown, replayText } from "./bench.ts";
export { conformanceText } from "./conformance.ts";
export { type ObjectParts, objectJson, objectText } from "./dumpObject.ts";
export { mapContentsText } from "./mapContents.ts";
export { OutcomeCapture } from "./outcomeCapture.ts";
export { programWasm } from "./programWasm.ts";
export { duration } from "./quantity.ts";
export { runJson } from "./runJson.ts";
export { type LoadedLine, loadedLines, type MapFilling, mapLines, runNotes, summaryText } from "./summary.ts";
