import { defineProblems } from "../problem/index.ts";

export const problems = defineProblems({
  map_refused: {
    message: "map {map} ({type}): {reason}; the kernel refuses to create it with -{errno}",
    hint: "change the map's declaration",
  },
  map_type_unsupported: {
    message: "map {map} is a {type}, which xdplane does not have",
  },
  map_update_failed: {
    message: "map {map}: the entry with key {key} cannot be written: -{errno}",
  },
  map_size_wrong: {
    message: "map {map}: {part} has {given} bytes, expected {expected}",
  },
  program_table_full: {
    message: "program {program} finds no room in the function table, which holds {limit} programs and callbacks",
  },
  map_use_wrong: { message: "map {map} is a {type}: {why}", exit: 2 },
  map_access: {
    message: "map {map}: user space may not {what} it ({why}): -1 (EPERM)",
    hint: "BPF_F_WRONLY and BPF_F_RDONLY in map_flags say what user space may do with a map, freezing that it may only read it",
    exit: 2,
  },
  arena_fault: { message: "arena {map}: address {at} {why}", exit: 2 },
  map_frozen: {
    message: "map {map} is frozen: its contents come from the object file and cannot be changed",
    hint: "change a global variable before loading with --set NAME=VALUE",
  },
});
