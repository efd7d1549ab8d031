import type { MapSpec, ProgramSpec } from "../../src/bpf/spec.ts";
import type { Kernel, KernelMap, KernelProgram } from "../../src/kernel/index.ts";
import * as uapi from "../../src/layout/index.ts";
import type { ProblemError } from "../../src/problem/index.ts";
import { innerName, type LearntEntry } from "./contents.ts";
import type { Answer } from "./simulated.ts";

const u32 = (value: number): Uint8Array => new Uint8Array(Uint32Array.of(value).buffer);

/** One object's maps and programs in the live kernel. */
export class LiveObject {
  readonly maps = new Map<string, KernelMap>();
  readonly #kernel: Kernel;
  readonly #programs = new Map<string, KernelProgram>();

  constructor(kernel: Kernel, specs: readonly MapSpec[]) {
    this.#kernel = kernel;
    for (const spec of specs) this.maps.set(spec.name, kernel.createMap(spec));
    for (const spec of specs) {
      if (spec.type === uapi.BPF_MAP_TYPE_PROG_ARRAY) continue;
      for (const { index, target } of spec.slots ?? []) this.maps.get(spec.name)!.update(u32(index), u32(this.maps.get(target)!.fd));
    }
  }

  write({ map: name, key, value }: LearntEntry): number {
    const map = this.maps.get(name);
    if (map === undefined) return -uapi.EINVAL;
    if (value !== "inner") return map.update(key, map.perCpu ? repeated(value, map.valueSize) : value);
    if (map.spec.inner === undefined) return -uapi.EINVAL;
    const inner = this.#kernel.createMap({ ...map.spec.inner, name: innerName(name, key) });
    this.maps.set(inner.spec.name, inner);
    return map.update(key, u32(inner.fd));
  }

  /** 0 or a negative errno. */
  setProgram(map: string, index: number, program: KernelProgram): number {
    return this.maps.get(map)!.update(u32(index), u32(program.fd));
  }

  /** Loads a program, once. Throws a ProblemError, with the end of the verifier's log as the hint, for one that is rejected. */
  load(spec: ProgramSpec): KernelProgram {
    const known = this.#programs.get(spec.name);
    if (known !== undefined) return known;
    const program = this.#kernel.loadProgram(spec, this.maps);
    this.#programs.set(spec.name, program);
    return program;
  }

  run(program: KernelProgram, packet: Uint8Array): Answer {
    const { error, returned, packet: left } = program.run({ packet });
    return error < 0 ? { failed: `errno ${-error}` } : { returned, packet: left };
  }

  [Symbol.dispose](): void {
    for (const program of this.#programs.values()) program.close();
    for (const map of this.maps.values()) map.close();
  }
}

/** Per-CPU values: the same for every CPU, each padded to 8 bytes. */
function repeated(value: Uint8Array, size: number): Uint8Array {
  const all = new Uint8Array(size);
  const slice = (value.length + 7) & ~7;
  for (let at = 0; at < size; at += slice) all.set(value, at);
  return all;
}

/** A verifier's rejection in one line: the last that says something. */
export function rejection(error: ProblemError): string {
  const lines = (error.problem.hint ?? "")
    .split("\n")
    .filter((line) => line !== "" && !/^(processed|verification time|stack depth|max_)/.test(line));
  return `${error.problem.message.slice(0, 120)} | ${(lines.at(-1) ?? "").slice(0, 160)}`;
}
