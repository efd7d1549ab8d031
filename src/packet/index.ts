export type { PacketSource, ReleaseWindows, SourceInterface } from "./source.ts";
