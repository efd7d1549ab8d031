import { defineProblems } from "../../problem/index.ts";

export const problems = defineProblems({
  case_malformed: {
    message: "this line is no recorded case: {what}",
    hint: "a case is one JSON object a line, with id, prog_type, insns, maps and accepted",
  },
  case_file_unreadable: { message: "the file cannot be read: {why}", hint: "recorded cases are JSON lines, plain or gzipped" },
  case_map_update: {
    message: "{map} ({type}) refuses its first contents with errno {errno}, which Linux took",
  },
  plugin_program: {
    message: "standard input holds no program: {bytes} bytes in hex",
    hint: "give instructions of 8 bytes each, as pairs of hex digits",
  },
  plugin_memory: { message: "the memory is not given in hex", hint: "give bytes as pairs of hex digits: '00 0a ff'" },
  plugin_trap: { message: "the program ended with a trap: {reason}" },
});
