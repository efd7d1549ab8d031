export { parsePrograms, type RowProgram, type TopologyRow } from "./row.ts";
export { runTopology } from "./run.ts";
