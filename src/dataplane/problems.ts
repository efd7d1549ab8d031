import { defineProblems } from "../problem/index.ts";

export const problems = defineProblems({
  device_host_unknown: { message: "device {name} belongs to host {host}, which is not declared", exit: 2 },
  device_peer: {
    message: "device {name} has the peer {peer}, which is no other device whose peer is {name}",
    hint: "the two ends of a veth pair name each other",
    exit: 2,
  },
  device_twice: { message: "two devices have the {what} {value}", hint: "give each device its own name and ifindex", exit: 2 },
  worker_not_built: { message: "the worker's file is not there", hint: "run npm run build" },
  dataplane_setting: { message: "{what} is {value}, expected {expected}", exit: 2 },
  workers_silent: {
    message: "the workers did not come to the end of a window within {seconds} seconds",
    hint: "a program that runs for very long holds them up: lower the fuel",
  },
  memory_spoiled: {
    message: "programs wrote over the state of their packets, and the run cannot go on",
    hint: "Linux's verifier would refuse such programs; loaded are {programs}",
  },
  ring_taken: { message: "map {map} has a consumer already", hint: "close it first", exit: 2 },
  ring_kind: { message: "map {map} is a {type}, expected a {expected}", exit: 2 },
  record_type: { message: "map {map}: the object has no type {type} that records could be read by", exit: 2 },
  record_short: { message: "map {map}: a record has {given} bytes, and {type} has {expected}" },
  program_missing: { message: "the object has no program {program}; it has {names}", exit: 2 },
  skeleton_stage: { message: "{file}: {what} cannot be used: the object is {stage}", exit: 2 },
  map_missing: { message: "the object has no map {map}; it has {names}", exit: 2 },
  program_in_use: { message: "program {program} cannot be unloaded: it is attached or stands in a map ({where})", exit: 2 },
  link_detached: { message: "program {program} is not attached at {hook} any more", exit: 2 },
  program_type_wrong: { message: "program {program} is of type {type}, and hook {hook} takes {expected}", exit: 2 },
  map_entry_program: { message: "{path}: there is no program {program} to put there" },
  map_entry_inner: {
    message: "{path}: the map cannot hold {inner}: there is no such map, or it does not resemble the declared inner map",
  },
  map_entry_form: { message: "{path}: {given} is not {expected}" },
  map_entry_refused: {
    message: "{path}: the map refuses the entry: {reason}",
    hint: "the map holds {limit} entries at most; dump OBJECT --maps shows its type, sizes and flags",
  },
  map_pin_differs: {
    message: "map {map} is pinned by name with {what} {there} by an object before, and this one declares {here}",
    hint: "objects that share a pinned map must declare it alike",
  },
  repeat_needs_resident: {
    message: "{source} cannot be repeated: it is not held in memory",
    hint: "repeat a file of at most the size that fits the memory, not standard input",
    exit: 2,
  },
});
