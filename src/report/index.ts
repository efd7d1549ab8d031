export { type BenchJsonRow, benchJson, benchMarkdown, benchText } from "./bench.ts";
