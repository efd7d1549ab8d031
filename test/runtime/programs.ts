import { assemble } from "../../src/bpf/isa/index.ts";
import { helperTable, type MapSpec, type ProgramSpec, type ProgramType } from "../../src/bpf/spec.ts";
import { type VerifiedProgram, verify } from "../../src/bpf/verifier/index.ts";
import { XdpContext } from "../../src/layout/index.ts";
import { generalHelpers } from "../../src/runtime/index.ts";

/** A program type with the general helpers only. */
export const plainType: ProgramType = {
  name: "xdp",
  number: 6,
  context: XdpContext,
  contextSize: 24,
  helpers: helperTable(generalHelpers),
};

const helperNumbers = new Map([...generalHelpers].map(([id, { name }]) => [name, id]));

/** A program from its text; `functions` gives the first instructions of those behind the first. */
export function programSpec(text: string, maps: readonly MapSpec[] = [], functions: readonly number[] = []): ProgramSpec {
  return {
    name: "under_test",
    section: "xdp",
    type: "xdp",
    expectedAttachType: 0,
    flags: 0,
    license: "GPL",
    instructions: assemble(text, { helpers: helperNumbers, maps: new Map(maps.map(({ name }, index) => [name, index])) }),
    maps,
    functions: [
      { instruction: 0, name: "under_test" },
      ...functions.map((instruction) => ({ instruction, name: `function${instruction}` })),
    ],
    lines: [],
  };
}

export function verified(spec: ProgramSpec): VerifiedProgram {
  const program = verify(spec, plainType);
  if (!program.accepted) throw new Error(program.problem.message);
  return program;
}
