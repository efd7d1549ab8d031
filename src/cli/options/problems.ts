import { defineProblems } from "../../problem/index.ts";

export const problems = defineProblems({
  option_value: {
    message: "{option} {value}: {reason}",
    hint: "{expected}",
    exit: 2,
  },
  option_device_twice: {
    message: "--dev {name} is given twice",
    hint: "give each device one --dev; options that follow it belong to it",
    exit: 2,
  },
  map_file_unreadable: {
    message: "--map {option}: cannot read {path}: {reason}",
    hint: "--map NAME=FILE, --map 'NAME={\"key\": value}', or --map FILE with an object from map names to contents",
  },
  map_file_syntax: {
    message: "not JSON or YAML: {reason}",
    hint: "write a list of { key, value } or an object from keys to values",
  },
  map_file_form: {
    message: "{file} does not hold an object from map names to contents",
    hint: "give the map's name with --map NAME={file}, or put the contents under its name",
  },
  option_file_unreadable: { message: "{option} {path} cannot be read: {reason}" },
  skeleton_name: { message: "--name {name} is no name for a type", hint: "letters and digits, a letter first", exit: 2 },
  dump_wasm_none: {
    message: "{name} of {file} is not an XDP or TC program: only those are compiled",
    hint: "dump shows the types of all programs",
    exit: 2,
  },
  dump_unknown: {
    message: "this is neither a BPF object nor a pcap or pcapng capture: it begins with {bytes}",
    hint: "give an object that clang --target=bpf has made, or convert a capture with editcap -F pcapng IN OUT",
  },
  dump_option: { message: "{option} is for {wanted}, and this is {given}", exit: 2 },
  conformance_no_file: {
    message: "conformance was given no file",
    hint: "name files of recorded cases, or give --plugin to be a plugin of the bpf_conformance suite",
    exit: 2,
  },
  plugin_arguments: {
    message: "--plugin takes one argument, the memory, and was given {count}",
    hint: "put the hex digits of the memory in quotes",
    exit: 2,
  },
  conformance_no_case: {
    message: "no case was run: {files} hold none {which}",
    hint: "without --feature the table names the features that the cases use",
  },
  event_ring: {
    message: "--event-type {option}: no object has such a ring buffer or perf event array",
    hint: "the rings are {names}; --event-type MAP=TYPE, or --event-type TYPE for all",
    exit: 2,
  },
  map_unknown: {
    message: "no object has a map {map}",
    hint: "the maps are {names}",
  },
  table_unreadable: {
    message: "the entries of {option} cannot be read: {reason}",
    hint: "{option} ENTRY, or {option} @FILE with what the host's own tool prints",
  },
  filter_unreadable: {
    message: "the filter cannot be read: {reason}",
    hint: "--filter EXPRESSION, or --filter @FILE with an expression or what tcpdump -ddd prints",
  },
  dump_nothing: {
    message: "dump has nothing to show",
    hint: "name an object or a capture, or give --filter to see its code",
    exit: 2,
  },
  object_unreadable: {
    message: "the object cannot be read: {reason}",
    hint: "name a file that clang --target=bpf has made, as FILE.o or FILE.o:PROGRAM",
  },
  option_both_standard_output: {
    message: "{first} and {second} both write to standard output",
    hint: "give one of them a file, or leave it out",
    exit: 2,
  },
  option_same_file: {
    message: "{first} and {second} name the same file",
    hint: "give each a file of its own: an output replaces what its file held",
    exit: 2,
  },
  program_unbuilt: {
    message: "{program} uses what xdplane has not built: {what}",
    hint: "without --strict the program runs, and a packet that reaches such an instruction is aborted",
    exit: 4,
  },
  output_unwritable: {
    message: "the output cannot be written: {reason}",
  },
});
