import { ProblemError } from "../../problem/index.ts";
import type { Btf } from "../btf/index.ts";
import type { ElfFunction } from "./functions.ts";
import { elfProblems } from "./problems.ts";

/** What the name of a declaration tag on a program begins with that names its exception callback: `__exception_cb(NAME)` of bpf_experimental.h. */
const TAG = "exception_callback:";

/** The function that bpf_throw ends a program with, as a declaration tag on the program names it. Throws a ProblemError when it is not there. */
export function exceptionCallbackOf(btf: Btf | null, functions: readonly ElfFunction[], program: ElfFunction): ElfFunction | undefined {
  for (const tag of btf?.types ?? []) {
    if (tag.kind !== "decl_tag" || !tag.name.startsWith(TAG)) continue;
    const tagged = btf?.types[tag.type];
    if (tagged?.kind !== "func" || tagged.name !== program.name) continue;
    const name = tag.name.slice(TAG.length);
    const callback = functions.find((one) => one.name === name && !one.static);
    if (callback !== undefined) return callback;
    throw new ProblemError(
      elfProblems.elf_exception_callback_missing({ program: program.name, name }, program.section.data.place(program.from)),
    );
  }
  return undefined;
}
