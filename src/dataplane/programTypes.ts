import { helperTable, type ProgramType, type ProgramTypeName } from "../bpf/spec.ts";
import { generalHelpers } from "../runtime/index.ts";
import { socketFilterType } from "../stack/index.ts";
import { tcProgramType } from "../tc/index.ts";
import { xdpProgramType } from "../xdp/index.ts";

const withGeneralHelpers = (type: ProgramType): ProgramType => ({ ...type, helpers: helperTable(generalHelpers, type.helpers) });

/** The program types that run here, each with the helpers it may call. */
export const programTypes: Readonly<Record<ProgramTypeName, ProgramType>> = {
  xdp: withGeneralHelpers(xdpProgramType),
  sched_cls: withGeneralHelpers(tcProgramType),
  socket_filter: withGeneralHelpers(socketFilterType),
};

/** Name of a helper of any type; its number where none has it. */
export function helperName(id: number): string {
  for (const { helpers } of Object.values(programTypes)) {
    const helper = helpers.get(id);
    if (helper !== undefined) return helper.name;
  }
  return String(id);
}
