import { helperTable, type ProgramType, type RuntimeFunction } from "../bpf/spec.ts";
import { SkBuff } from "../layout/index.ts";
import { generalHelpers } from "../runtime/index.ts";
import { tcHelperRows } from "./helpers.ts";

const legacyLoad = (entry: string): RuntimeFunction => ({ entry, parameters: ["i32", "i32"], result: "i64" });

/** BPF_PROG_TYPE_SCHED_CLS: cls_bpf and tcx. */
export const tcProgramType: ProgramType = {
  name: "sched_cls",
  number: 3,
  context: SkBuff,
  contextSize: 192,
  helpers: helperTable(generalHelpers, tcHelperRows),
  legacyLoads: { 1: legacyLoad("skbLegacyLoad8"), 2: legacyLoad("skbLegacyLoad16"), 4: legacyLoad("skbLegacyLoad32") },
};
