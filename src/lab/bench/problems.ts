import { defineProblems } from "../../problem/index.ts";

export const benchProblems = defineProblems({
  bench_map_unknown: { message: "the object has no map {name}" },
  bench_program_missing: { message: "{object} has no program {entry}", hint: "rebuild it with programs/build.sh" },
  bench_unequal_runs: {
    message: "{engine}: {program} on {packet} gave another result after {runs} runs than at first: {what}",
    hint: "a bench form must leave the packet as it found it",
    exit: 1,
  },
  bench_engines_differ: { message: "{program} on {packet}: {first} and {second} differ in {what}", exit: 1 },
  bench_map_fill: { message: "{engine} did not take an entry of {map}: errno {errno}" },
  bench_network: { message: "the network namespace for bpf_fib_lookup could not be set up: {command}", hint: "{detail}" },
});
