import { type CheckedClassic, classicInitialisers, classicListing, classicNumbers, translateClassic } from "../bpf/classic/index.ts";
import { listInstructions } from "../bpf/isa/index.ts";
import { helperNames } from "../layout/index.ts";
import { ProblemError } from "../problem/index.ts";

/** Forms that a filter's code is printed in: tcpdump's -d, -dd and -ddd, and the eBPF that it becomes. */
export const filterForms = ["d", "dd", "ddd", "ebpf"] as const;
export type FilterForm = (typeof filterForms)[number];

/** A filter's code as text. */
export function filterListing(program: CheckedClassic, form: FilterForm): string {
  switch (form) {
    case "d":
      return classicListing(program.instructions);
    case "dd":
      return classicInitialisers(program.instructions);
    case "ddd":
      return classicNumbers(program.instructions);
    case "ebpf":
      return translated(program);
  }
}

function translated(program: CheckedClassic): string {
  const spec = translateClassic(program);
  if (!spec.ok) throw new ProblemError(spec.problem);
  return listInstructions(spec.value.instructions, "verifier", { helpers: helperNames })
    .map(({ index, text }) => `${String(index).padStart(4)}: ${text}\n`)
    .join("");
}
