import { helperTable, kfuncTable, type ProgramType, type RuntimeFunction } from "../bpf/spec.ts";
import { SkBuff } from "../layout/index.ts";
import { generalHelpers, generalKfuncs } from "../runtime/index.ts";
import { tcHelperRows } from "./helpers.ts";
import { tcKfuncRows } from "./kfuncs.ts";

const legacyLoad = (entry: string): RuntimeFunction => ({ entry, parameters: ["i32", "i32"], result: "i64" });

/** BPF_PROG_TYPE_SCHED_CLS: cls_bpf and tcx. */
export const tcProgramType: ProgramType = {
  name: "sched_cls",
  number: 3,
  context: SkBuff,
  contextSize: 192,
  helpers: helperTable(generalHelpers, tcHelperRows),
  kfuncs: kfuncTable(generalKfuncs, tcKfuncRows),
  legacyLoads: { 1: legacyLoad("skbLegacyLoad8"), 2: legacyLoad("skbLegacyLoad16"), 4: legacyLoad("skbLegacyLoad32") },
};
