import { findProgram, type ObjectFile, sizeMaps } from "../bpf/elf/index.ts";
import type { ProgramSpec } from "../bpf/spec.ts";
import { verify } from "../bpf/verifier/index.ts";
import { BPF_MAP_TYPE_PROG_ARRAY } from "../layout/index.ts";
import { ProblemError } from "../problem/index.ts";
import { type BpfMap, createMap, type Engine, type LoadedProgram, type MapHost, type ProgramLoader } from "../runtime/index.ts";
import { problems } from "./problems.ts";
import { programTypes } from "./programTypes.ts";

/** What loading needs of the machine. */
export interface LoadingPlace {
  readonly host: MapHost;
  readonly loader: ProgramLoader;
  readonly engine: Engine;
  readonly cpus: number;
  /** Told of every program that was loaded. */
  readonly loaded: (program: LoadedProgram) => void;
  /** Whether a program that was loaded has not been unloaded since. */
  readonly holds: (program: LoadedProgram) => boolean;
}

/** Checks a program, compiles it and puts it into the function table. A program that is rejected is thrown as a ProblemError. */
export function loadProgram(place: LoadingPlace, spec: ProgramSpec, maps: readonly BpfMap[]): LoadedProgram {
  const verified = verify(spec, programTypes[spec.type]);
  if (!verified.accepted) throw new ProblemError(verified.problem);
  const loaded = place.loader.load(verified, maps, place.engine);
  place.loaded(loaded);
  return loaded;
}

/**
 * An object file in the machine: all its maps are made when it is opened here; a program is loaded when somebody asks for it, and with it those that
 * its PROG_ARRAYs name.
 */
export class LoadedObject {
  readonly object: ObjectFile;
  /** In the order of the object's. */
  readonly maps: readonly BpfMap[];
  readonly #place: LoadingPlace;
  readonly #programs = new Map<string, LoadedProgram>();

  constructor(place: LoadingPlace, object: ObjectFile) {
    this.#place = place;
    this.object = object;
    this.maps = sizeMaps(object.maps, { cpus: place.cpus }).map((spec) => createMap(place.host, spec));
    for (const map of this.maps) this.#fillInner(map);
  }

  map(name: string): BpfMap | undefined {
    return this.maps.find((map) => map.name === name);
  }

  /** Loads a program of the object, once; also while packets flow. */
  load(spec: ProgramSpec): LoadedProgram {
    const known = this.#programs.get(spec.name);
    if (known !== undefined && this.#place.holds(known)) return known;
    const program = loadProgram(this.#place, spec, this.maps);
    this.#programs.set(spec.name, program);
    for (const map of this.maps) this.#fillPrograms(map, spec);
    return program;
  }

  /** Programs loaded so far. */
  get programs(): readonly LoadedProgram[] {
    return [...this.#programs.values()].filter((program) => this.#place.holds(program));
  }

  /** Static slots of a PROG_ARRAY that `user` refers to: each names a program of its type. */
  #fillPrograms(map: BpfMap, user: ProgramSpec): void {
    if (map.type !== BPF_MAP_TYPE_PROG_ARRAY || map.spec.slots === undefined) return;
    for (const { index, target } of map.spec.slots) {
      const found = findProgram(this.object, target);
      if (!found.ok) throw new ProblemError(problems.map_entry_program({ path: `${map.name}[${index}]`, program: target }));
      map.setProgram(index, this.load({ ...found.value, type: user.type }).slot);
    }
  }

  #fillInner(map: BpfMap): void {
    if (map.type === BPF_MAP_TYPE_PROG_ARRAY || map.spec.slots === undefined) return;
    for (const { index, target } of map.spec.slots) {
      const inner = this.map(target);
      const key = new Uint8Array(map.spec.keySize);
      new DataView(key.buffer).setUint32(0, index, true);
      if (inner === undefined || map.setInner(key, inner) < 0) {
        throw new ProblemError(problems.map_entry_inner({ path: `${map.name}[${index}]`, inner: target }));
      }
    }
  }
}
