import { helperTable, kfuncTable, type ProgramType } from "../bpf/spec.ts";
import { XdpContext } from "../layout/index.ts";
import { generalHelpers, generalKfuncs } from "../runtime/index.ts";
import { xdpHelperRows } from "./helpers.ts";
import { xdpKfuncRows } from "./kfuncs.ts";

/** BPF_PROG_TYPE_XDP. */
export const xdpProgramType: ProgramType = {
  name: "xdp",
  number: 6,
  context: XdpContext,
  contextSize: 24,
  helpers: helperTable(generalHelpers, xdpHelperRows),
  kfuncs: kfuncTable(generalKfuncs, xdpKfuncRows),
};
