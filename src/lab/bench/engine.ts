import type { ObjectFile } from "../../bpf/elf/index.ts";
import type { MapSpec } from "../../bpf/spec.ts";
import {
  BPF_MAP_TYPE_ARRAY,
  BPF_MAP_TYPE_HASH,
  BPF_MAP_TYPE_LPM_TRIE,
  BPF_MAP_TYPE_LRU_HASH,
  BPF_MAP_TYPE_PERCPU_ARRAY,
  BPF_MAP_TYPE_PERCPU_HASH,
} from "../../layout/index.ts";
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
  /** The object's program of this name, ready for packets. */
  program(entry: string): LoadedForm;
  /** What the object's maps hold now, by name; of a per-CPU map one value for each CPU. Maps of devices, CPUs and sockets are left out. */
  dump(): ReadonlyMap<string, readonly DumpedEntry[]>;
}

export interface LoadedForm {
  on(packet: Uint8Array): PreparedRun;
}

export interface DumpedEntry {
  readonly key: Uint8Array;
  readonly values: readonly Uint8Array[];
}

const dumpedTypes: ReadonlySet<number> = new Set([
  BPF_MAP_TYPE_HASH,
  BPF_MAP_TYPE_ARRAY,
  BPF_MAP_TYPE_PERCPU_HASH,
  BPF_MAP_TYPE_PERCPU_ARRAY,
  BPF_MAP_TYPE_LRU_HASH,
  BPF_MAP_TYPE_LPM_TRIE,
]);

/** The map holds values of the program's, which mean the same in every engine. */
export const isDumped = ({ type }: MapSpec): boolean => dumpedTypes.has(type);
