import type { ObjectFile } from "../../bpf/elf/index.ts";
import type { MapContents } from "./contents.ts";

export type EngineName = "interp" | "jit" | "kernel";

/** What runs in a row on one packet came to. The packet is not restored in between, so bench forms restore it themselves. */
export interface RepeatedRun {
  /** Mean time of one run. */
  readonly nanoseconds: number;
  /** What the last run returned, unsigned. */
  readonly returned: number;
  /** The packet after the last run. */
  readonly packet: Uint8Array;
}

/** A program and a packet, ready to be run again and again in one engine. */
export interface PreparedRun {
  run(repeat: number): RepeatedRun;
}

/** A place to run programs in. An object's maps are made once, so all its programs share them. */
export interface BenchEngine {
  readonly name: EngineName;
  load(object: ObjectFile, contents: readonly MapContents[]): LoadedObject;
}

export interface LoadedObject {
  /** The object's program of this name on this packet. */
  prepare(entry: string, packet: Uint8Array): PreparedRun;
}
