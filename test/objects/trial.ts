import { type ObjectFile, openObject, sizeMaps } from "../../src/bpf/elf/index.ts";
import type { MapSpec, ProgramSpec, ProgramTypeName } from "../../src/bpf/spec.ts";
import { type VerifiedProgram, verify } from "../../src/bpf/verifier/index.ts";
import { programTypes } from "../../src/dataplane/programTypes.ts";
import type { Kernel, KernelProgram } from "../../src/kernel/index.ts";
import * as uapi from "../../src/layout/index.ts";
import { ProblemError } from "../../src/problem/index.ts";
import type { LoadedProgram } from "../../src/runtime/index.ts";
import { frameDifference, liveSnapshot, mapDifference } from "./compare.ts";
import { LearntContents } from "./contents.ts";
import { LiveObject, rejection } from "./live.ts";
import { type Answer, learn, SimulatedObject, type TailCall, tailCalls } from "./simulated.ts";

/** What one object came to. Times in milliseconds. */
export interface Trial {
  readonly object: string;
  readonly programs: number;
  loaded: number;
  /** Instructions of the programs that were loaded. */
  instructions: number;
  /** Opening the file: parsing, linking, CO-RE. */
  openMs: number;
  /** Making the maps. */
  mapsMs: number;
  /** Checking all programs. */
  checkMs: number;
  /** Translating all programs to WebAssembly and having them compiled. */
  compileMs: number;
  /** From the file's bytes to the end of the first program's first packet, on a machine of its own. */
  firstPacketMs: number;
  wasmBytes: number;
  /** Frames that ran, over all programs. */
  frames: number;
  /** Of these, frames that ended with a trap. */
  trapped: number;
  /** Programs that the live kernel took too, and frames that were compared there. */
  live: number;
  compared: number;
  /** Of these, frames with the same verdict and bytes. */
  equal: number;
  /** Maps whose contents were compared behind all frames, and of these the same ones. */
  maps: number;
  equalMaps: number;
  /** Entries that "user space" made up. */
  entries: number;
  /** Maps that were made smaller than declared. */
  readonly resized: string[];
  /** Differences in objects whose programs ask for what only this kernel knows, and what that is. */
  readonly undetermined: string[];
  /** Different verdicts seen. */
  readonly verdicts: Set<number>;
  readonly differences: string[];
  /** What was refused here, and what Linux refused. */
  readonly refused: string[];
  readonly refusedByLinux: string[];
  /** Why frames trapped, and how many. */
  readonly traps: Map<string, number>;
}

/** Entries of a map whose size the object leaves to its user space. */
const UNSIZED_ENTRIES = 64;
/** Bytes of the largest map: several must fit into the simulated memory of 4 GiB. */
const MOST_BYTES = 512 * 1024 * 1024;
/** BPF_XDP_DEVMAP and BPF_XDP_CPUMAP. include/uapi/linux/bpf.h. */
const refusedByTestRun: ReadonlySet<number> = new Set([33, 35]);
/** Helpers whose answers come from a secret that the kernel drew when it booted, from when its first tick came, or from chance. */
const undeterminedHelpers: ReadonlyMap<number, string> = new Map([
  [7, "bpf_get_prandom_u32"],
  [34, "bpf_get_hash_recalc"],
  [46, "bpf_get_socket_cookie"],
  [100, "bpf_tcp_check_syncookie"],
  [110, "bpf_tcp_gen_syncookie"],
  [118, "bpf_jiffies64"],
  [204, "bpf_tcp_raw_gen_syncookie_ipv4"],
  [205, "bpf_tcp_raw_gen_syncookie_ipv6"],
  [206, "bpf_tcp_raw_check_syncookie_ipv4"],
  [207, "bpf_tcp_raw_check_syncookie_ipv6"],
]);
/** First bytes of a call and of ld_imm64. */
const CALL = 0x85;
const LD_IMM64 = 0x18;
/** Differences told of one program. */
const TOLD = 3;

const newTrial = (object: string, programs: number): Trial => ({
  object,
  programs,
  ...{ loaded: 0, instructions: 0, openMs: 0, mapsMs: 0, checkMs: 0, compileMs: 0, firstPacketMs: 0, wasmBytes: 0 },
  ...{ frames: 0, trapped: 0, live: 0, compared: 0, equal: 0, maps: 0, equalMaps: 0, entries: 0 },
  ...{
    resized: [],
    undetermined: [],
    verdicts: new Set<number>(),
    differences: [],
    refused: [],
    refusedByLinux: [],
    traps: new Map<string, number>(),
  },
});

const message = (error: unknown): string => {
  if (error instanceof ProblemError) return error.problem.message;
  throw error;
};

function timed<T>(trial: Trial, what: "openMs" | "mapsMs" | "checkMs" | "compileMs", action: () => T): T {
  const start = performance.now();
  try {
    return action();
  } finally {
    trial[what] += performance.now() - start;
  }
}

/** What user space knows and the object does not say. */
export interface Known {
  /** Program types by name of the program; "*" is all others. */
  readonly types?: Readonly<Record<string, ProgramTypeName>>;
  /** Programs of a PROG_ARRAY in order of their indices, by name of the map. */
  readonly slots?: Readonly<Record<string, readonly string[]>>;
}

/** Programs for our hooks: those whose section says so, those that no section names, classic TC actions. */
function runnable(object: ObjectFile, overrides: NonNullable<Known["types"]>): ProgramSpec[] {
  const types = new Set(object.programs.map(({ type }) => type));
  const usual = types.size === 1 ? [...types][0]! : "sched_cls";
  const more = object.otherPrograms.filter(({ type }) => type === null || type === "sched_act");
  const typed = more.map((program): ProgramSpec => {
    const { type, section, name } = program;
    if (section.startsWith("xdp")) return { ...program, type: "xdp" };
    const known = overrides[name] ?? overrides["*"] ?? (section.startsWith("tc") ? "sched_cls" : usual);
    return { ...program, type: type === null ? known : "sched_cls" };
  });
  return [...object.programs, ...typed];
}

/** The maps as user space would make them: those that the object leaves without a size get one, and those that 4 GiB cannot hold are made smaller. */
function sized(trial: Trial, object: ObjectFile, slots: NonNullable<Known["slots"]>): MapSpec[] {
  const filled = object.maps.map((spec): MapSpec => {
    const names = slots[spec.name];
    return names === undefined ? spec : { ...spec, slots: names.map((target, index) => ({ index, target })) };
  });
  return sizeMaps(filled, { cpus: 2 }).map((spec) => {
    if (spec.maxEntries === 0) return { ...spec, maxEntries: spec.type === uapi.BPF_MAP_TYPE_RINGBUF ? 4096 : UNSIZED_ENTRIES };
    const most = Math.floor(MOST_BYTES / (spec.keySize + spec.valueSize));
    if (spec.maxEntries <= most || spec.type === uapi.BPF_MAP_TYPE_RINGBUF) return spec;
    trial.resized.push(`${spec.name}: ${spec.maxEntries} to ${most} entries`);
    return { ...spec, maxEntries: most };
  });
}

/** Loads every program of an object, runs the frames through each with made-up map contents, and beside the live kernel where that takes the program. */
export function tryObject(
  name: string,
  bytes: Uint8Array,
  frames: readonly Uint8Array[],
  { kernel, known = {} }: { readonly kernel: Kernel | undefined; readonly known?: Known | undefined },
): Trial {
  const start = performance.now();
  const opened = openObject(bytes, { file: name });
  if (!opened.ok) {
    const trial = newTrial(name, 0);
    trial.refused.push(opened.problem.message);
    return trial;
  }
  const object = opened.value;
  const programs = runnable(object, known.types ?? {});
  const trial = newTrial(name, programs.length);
  trial.openMs = performance.now() - start;
  const specs = sized(trial, object, known.slots ?? {});
  const sizedPrograms = programs.map((spec): ProgramSpec => ({ ...spec, maps: specs }));
  try {
    run(trial, specs, sizedPrograms, frames, kernel, start);
  } catch (error) {
    trial.refused.push(message(error));
  }
  return trial;
}

function run(
  trial: Trial,
  specs: readonly MapSpec[],
  programs: readonly ProgramSpec[],
  frames: readonly Uint8Array[],
  kernel: Kernel | undefined,
  start: number,
): void {
  const machine = timed(trial, "mapsMs", () => new SimulatedObject(specs, "jit"));
  const loaded: VerifiedProgram[] = [];
  for (const spec of programs) {
    try {
      const checked = timed(trial, "checkMs", () => verify(spec, programTypes[spec.type]));
      if (!checked.accepted) throw new ProblemError(checked.problem);
      const program = timed(trial, "compileMs", () => machine.load(checked));
      if (loaded.length === 0) {
        machine.run(program, frames[0]!);
        trial.firstPacketMs = performance.now() - start;
      }
      loaded.push(checked);
      trial.loaded++;
      trial.instructions += spec.instructions.length / 8;
      trial.wasmBytes += program.wasmBytes;
    } catch (error) {
      trial.refused.push(`${spec.name}: ${message(error)}`);
    }
  }
  const contents = new LearntContents(1);
  learn(specs, loaded, frames, contents);
  trial.entries = contents.entries.length;

  const own = new SimulatedObject(specs, "jit");
  const lives: LiveObject[] = [];
  try {
    if (kernel !== undefined) {
      for (let copy = 0; copy < 2; copy++) lives.push(new LiveObject(kernel, specs));
    }
  } catch (error) {
    trial.refusedByLinux.push(`the maps: ${message(error)}`);
    for (const live of lives.splice(0)) live[Symbol.dispose]();
  }
  try {
    for (const entry of contents.entries) {
      const here = own.write(entry);
      const there = lives.map((live) => live.write(entry));
      if (there.some((error) => error !== here)) trial.differences.push(`writing ${entry.map}: ${there[0]} in Linux, here ${here}`);
    }
    const both = loaded.map((program) => ({ spec: program.spec, here: own.load(program), there: loadLive(trial, lives, program.spec) }));
    fillTailCalls(trial, own, lives, tailCalls(specs, loaded), both);
    for (const pair of both) if (pair.there.length > 0) compareFrames(trial, own, lives, pair, frames);
    // A run that trapped has left its maps half written.
    if (trial.live > 0 && trial.trapped === 0) compareMaps(trial, own, lives);
    runAlone(trial, specs, contents, loaded, both, frames);
    const asked = [...new Set(loaded.flatMap(({ spec }) => undetermined(spec)))];
    if (asked.length === 0) return;
    const excused = trial.differences.filter((difference) => !difference.includes("trap: "));
    trial.undetermined.push(...excused.map((difference) => `${asked.join(", ")}: ${difference}`));
    trial.differences.splice(0, trial.differences.length, ...trial.differences.filter((difference) => !excused.includes(difference)));
  } finally {
    for (const live of lives) live[Symbol.dispose]();
  }
}

/** What a program calls of `undeterminedHelpers`. */
function undetermined({ instructions }: ProgramSpec): string[] {
  const view = new DataView(instructions.buffer, instructions.byteOffset, instructions.byteLength);
  const called: string[] = [];
  for (let at = 0; at < instructions.length; at += instructions[at] === LD_IMM64 ? 16 : 8) {
    const helper =
      instructions[at] === CALL && instructions[at + 1]! >> 4 === 0 ? undeterminedHelpers.get(view.getInt32(at + 4, true)) : undefined;
    if (helper !== undefined) called.push(helper);
  }
  return called;
}

interface Pair {
  readonly spec: ProgramSpec;
  readonly here: LoadedProgram;
  readonly there: readonly KernelProgram[];
}

function loadLive(trial: Trial, lives: readonly LiveObject[], spec: ProgramSpec): KernelProgram[] {
  try {
    return lives.map((live) => live.load(spec));
  } catch (error) {
    if (!(error instanceof ProblemError)) throw error;
    trial.refusedByLinux.push(`${spec.name}: ${rejection(error)}`);
    return [];
  }
}

function fillTailCalls(
  trial: Trial,
  own: SimulatedObject,
  lives: readonly LiveObject[],
  slots: readonly TailCall[],
  both: readonly Pair[],
): void {
  for (const { map, index, program } of slots) {
    const { here, there } = both.find(({ spec }) => spec === program.spec)!;
    const errors = lives.map((live, copy) => (there[copy] === undefined ? "not loaded" : live.setProgram(map, index, there[copy])));
    if (errors.every((error) => error === 0)) own.setProgram(map, index, here);
    else trial.refusedByLinux.push(`${map}[${index}] = ${program.spec.name}: ${errors[0]}`);
  }
}

/** Programs that Linux does not take, on a machine where they leave nothing behind for those that are compared, with all tail calls. */
function runAlone(
  trial: Trial,
  specs: readonly MapSpec[],
  contents: LearntContents,
  programs: readonly VerifiedProgram[],
  both: readonly Pair[],
  frames: readonly Uint8Array[],
): void {
  if (both.every(({ there }) => there.length > 0)) return;
  const machine = new SimulatedObject(specs, "jit");
  for (const entry of contents.entries) machine.write(entry);
  for (const { map, index, program } of tailCalls(specs, programs)) machine.setProgram(map, index, machine.load(program));
  for (const [at, { there }] of both.entries()) {
    if (there.length > 0) continue;
    const program = machine.load(programs[at]!);
    for (const frame of frames) note(trial, machine.run(program, frame));
  }
}

function compareFrames(
  trial: Trial,
  own: SimulatedObject,
  lives: readonly LiveObject[],
  { spec, here, there }: Pair,
  frames: readonly Uint8Array[],
): void {
  trial.live++;
  // BPF_PROG_TEST_RUN refuses programs of devmap and cpumap entries. net/bpf/test_run.c: bpf_prog_test_run_xdp.
  const compared = !refusedByTestRun.has(spec.expectedAttachType);
  const times: bigint[] = [];
  const answers = lives.map((live, copy) =>
    compared
      ? frames.map((frame, at) => {
          if (copy === 0) times[at] = process.hrtime.bigint();
          return live.run(there[copy]!, frame);
        })
      : [],
  );
  const found: string[] = [];
  for (const [at, frame] of frames.entries()) {
    const ours = own.run(here, frame, times[at]);
    note(trial, ours);
    if (!compared) continue;
    trial.compared++;
    const difference = frameDifference({ first: answers[0]![at]!, second: answers[1]![at]! }, ours);
    if (difference === undefined) trial.equal++;
    else found.push(`${spec.name}, frame ${at}: ${difference}`);
  }
  // Those that trapped first: nothing excuses them.
  found.sort((a, b) => Number(b.includes("trap: ")) - Number(a.includes("trap: ")));
  trial.differences.push(...found.slice(0, TOLD));
  if (found.length > TOLD) trial.differences.push(`${spec.name}: ${found.length - TOLD} more frames, the last: ${found.at(-1)}`);
}

function note(trial: Trial, answer: Answer): void {
  trial.frames++;
  if (!("failed" in answer)) {
    trial.verdicts.add(answer.returned | 0);
    return;
  }
  if (!answer.failed.startsWith("trap")) return;
  trial.trapped++;
  trial.traps.set(answer.failed, (trial.traps.get(answer.failed) ?? 0) + 1);
}

function compareMaps(trial: Trial, own: SimulatedObject, lives: readonly LiveObject[]): void {
  for (const [name, map] of own.maps) {
    const [first, second] = lives.map((live) => liveSnapshot(live.maps.get(name)!));
    if (first === undefined || second === undefined) continue;
    const difference = mapDifference({ first, second }, map);
    trial.maps++;
    if (difference === undefined) trial.equalMaps++;
    else trial.differences.push(difference);
  }
}
