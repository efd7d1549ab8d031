import { defineProblems } from "../../problem/index.ts";

export const problems = defineProblems({
  topology_malformed: { message: "this line is no recorded topology: {what}" },
  topology_program_unknown: { message: "topology {row} uses the program {program}, which programs.jsonl does not have" },
  topology_map_unknown: { message: "program {program} of topology {row} uses the map {map}, which the row does not have" },
});
