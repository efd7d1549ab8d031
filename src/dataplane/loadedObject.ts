import type { PlainValue } from "../bpf/btf/index.ts";
import { findProgram, type ObjectFile, sizeMaps } from "../bpf/elf/index.ts";
import type { MapSpec, ProgramSpec } from "../bpf/spec.ts";
import { type VerifiedProgram, verify } from "../bpf/verifier/index.ts";
import { BPF_MAP_TYPE_PROG_ARRAY } from "../layout/index.ts";
import { ProblemError } from "../problem/index.ts";
import { type BpfMap, createMap, type Engine, type LoadedProgram, type MapHost, type ProgramLoader, TypedMap } from "../runtime/index.ts";
import { problems } from "./problems.ts";
import { programTypes } from "./programTypes.ts";

/** What loading needs of the machine. */
export interface LoadingPlace {
  readonly host: MapHost;
  readonly loader: ProgramLoader;
  readonly engine: Engine;
  readonly cpus: number;
  /** Maps that objects share by name, as files under /sys/fs/bpf do. */
  readonly pinned: Map<string, BpfMap>;
  /** Makes what a program's kfuncs need of the machine. */
  readonly prepare: (spec: ProgramSpec) => void;
  /** Told of every program that was loaded. */
  readonly loaded: (program: LoadedProgram) => void;
  /** Whether a program that was loaded has not been unloaded since. */
  readonly holds: (program: LoadedProgram) => boolean;
}

/** The program, checked; a rejection is thrown as a ProblemError. */
export function checkProgram(spec: ProgramSpec): VerifiedProgram {
  const verified = verify(spec, programTypes[spec.type]);
  if (!verified.accepted) throw new ProblemError(verified.problem);
  return verified;
}

/** Checks a program, compiles it and puts it into the function table. A program that is rejected is thrown as a ProblemError. */
export function loadProgram(place: LoadingPlace, spec: ProgramSpec, maps: readonly BpfMap[]): LoadedProgram {
  const checked = checkProgram(spec);
  place.prepare(spec);
  const loaded = place.loader.load(checked, maps, place.engine);
  place.loaded(loaded);
  return loaded;
}

/** The map that an object before pinned under the name. It must be what this one declares. libbpf: map_is_reuse_compat. */
function sharedMap(pinned: ReadonlyMap<string, BpfMap>, spec: MapSpec): BpfMap | undefined {
  const map = pinned.get(spec.name);
  if (map === undefined) return undefined;
  const differing = (["type", "keySize", "valueSize", "maxEntries", "flags", "mapExtra"] as const).find(
    (field) => BigInt(map.spec[field] ?? 0) !== BigInt(spec[field] ?? 0),
  );
  if (differing === undefined) return map;
  const [here, there] = [spec[differing] ?? 0, map.spec[differing] ?? 0];
  throw new ProblemError(problems.map_pin_differs({ map: spec.name, what: pinnedFields[differing], here, there }));
}

const pinnedFields = {
  ...{ type: "type", keySize: "key_size", valueSize: "value_size", maxEntries: "max_entries", flags: "map_flags", mapExtra: "map_extra" },
} as const;

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
    const own = new Set<BpfMap>();
    this.maps = sizeMaps(object.maps, { cpus: place.cpus }).map((spec) => {
      const shared = spec.pinByName === true ? sharedMap(place.pinned, spec) : undefined;
      if (shared !== undefined) return shared;
      const map = createMap(place.host, spec);
      own.add(map);
      if (spec.pinByName === true) place.pinned.set(spec.name, map);
      return map;
    });
    // Who finds a pinned map takes it as it is.
    for (const map of own) this.#fillInner(map);
  }

  map(name: string): BpfMap | undefined {
    return this.maps.find((map) => map.name === name);
  }

  /** A map of the object with typed keys and values. Throws a Problem that lists the maps when there is none of that name. */
  typedMap<K = PlainValue, V = PlainValue>(name: string): TypedMap<K, V> {
    const map = this.map(name);
    if (map !== undefined) return new TypedMap<K, V>(map);
    const names = this.maps.map((one) => one.name).join(", ") || "none";
    throw new ProblemError(problems.map_missing({ map: name, names }));
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
