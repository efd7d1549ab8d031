import { helperTable, type ProgramType, type RuntimeFunction } from "../bpf/spec.ts";
import { SkBuff } from "../layout/index.ts";

const packetLoad = (entry: string): RuntimeFunction => ({ entry, parameters: ["i32", "i32"], result: "i64" });

/** BPF_PROG_TYPE_SOCKET_FILTER: what classic BPF becomes on a packet socket. General helpers are added by who runs it. */
export const socketFilterType: ProgramType = {
  name: "socket_filter",
  number: 1,
  context: SkBuff,
  contextSize: 192,
  helpers: helperTable(),
  legacyLoads: { 1: packetLoad("skbLegacyLoad8"), 2: packetLoad("skbLegacyLoad16"), 4: packetLoad("skbLegacyLoad32") },
};
