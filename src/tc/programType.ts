import { helperTable, type ProgramType } from "../bpf/spec.ts";
import { SkBuff } from "../layout/index.ts";
import { tcHelperRows } from "./helpers.ts";

/** BPF_PROG_TYPE_SCHED_CLS: cls_bpf and tcx. */
export const tcProgramType: ProgramType = {
  name: "sched_cls",
  number: 3,
  context: SkBuff,
  contextSize: 192,
  helpers: helperTable(tcHelperRows),
  packetLoad: { entry: "skbPacketLoad", parameters: ["i32", "i32", "i32"], result: "i64" },
};
