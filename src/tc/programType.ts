import { helperTable, kfuncTable, type ProgramType, type RuntimeFunction } from "../bpf/spec.ts";
import { SkBuff } from "../layout/index.ts";
import { generalHelpers, generalKfuncs } from "../runtime/index.ts";
import { tcHelperRows } from "./helpers.ts";
import { tcKfuncRows } from "./kfuncs.ts";

const legacyLoad = (entry: string): RuntimeFunction => ({ entry, parameters: ["i32", "i32"], result: "i64" });

/** skb->queue_mapping is one more than the queue's number; 0xffff would be none. include/linux/netdevice.h: NO_QUEUE_MAPPING. */
const NO_QUEUE_MAPPING = 0xffff;

/** BPF_PROG_TYPE_SCHED_CLS: cls_bpf and tcx. */
export const tcProgramType: ProgramType = {
  name: "sched_cls",
  number: 3,
  context: SkBuff,
  contextSize: 192,
  // net/core/filter.c: tc_cls_act_convert_ctx_access, bpf_convert_ctx_access.
  shortFields: new Map([
    [SkBuff.at.queue_mapping, { limit: NO_QUEUE_MAPPING }],
    [SkBuff.at.tc_index, {}],
    [SkBuff.at.tc_classid, {}],
  ]),
  helpers: helperTable(generalHelpers, tcHelperRows),
  kfuncs: kfuncTable(generalKfuncs, tcKfuncRows),
  legacyLoads: { 1: legacyLoad("skbLegacyLoad8"), 2: legacyLoad("skbLegacyLoad16"), 4: legacyLoad("skbLegacyLoad32") },
};
