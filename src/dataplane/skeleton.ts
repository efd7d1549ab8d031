import { decodePlain, encodePlain } from "../bpf/btf/index.ts";
import { type ObjectFile, openObject, withMaps } from "../bpf/elf/index.ts";
import type { MapSpec, ProgramSpec } from "../bpf/spec.ts";
import { decodeBase64 } from "../layout/index.ts";
import type { Device, XdpMode } from "../nic/index.ts";
import { ProblemError, type Result } from "../problem/index.ts";
import { type LoadedProgram, TypedMap } from "../runtime/index.ts";
import type { Dataplane } from "./dataplane.ts";
import type { Hook, Link } from "./link.ts";
import type { LoadedObject } from "./loadedObject.ts";
import { problems } from "./problems.ts";

/** Variables of a section by name: what is read is a copy, what is assigned is written whole. */
export type Globals<Variables> = { [Name in keyof Variables]: Variables[Name] };

/**
 * An object file with its maps, programs and global variables by name and type, as libbpf's skeletons are in C; `xdplane skeleton` writes the types. Global data
 * are properties by section (`rodata`, `data`, `bss`, `data_hot`, …).
 *
 *   open    the first values of all variables, .rodata's too, and the maps' sizes may be set
 *   load    maps are made, programs checked and compiled; from now on variables are those that programs see, and .rodata cannot be changed
 *   attach  programs go to hooks; variables and maps may be used while packets flow
 */
export type Skeleton<Maps, Program extends string, Sections = unknown> = SkeletonObject<Maps, Program> & {
  readonly [Section in keyof Sections]: Globals<Sections[Section]>;
};

class SkeletonObject<Maps, Program extends string> {
  #object: ObjectFile;
  #loaded: LoadedObject | undefined;
  #dataplane: Dataplane | undefined;
  readonly #links: Link[] = [];

  constructor(object: ObjectFile) {
    this.#object = { ...object, maps: object.maps };
    for (const [index, spec] of object.maps.entries()) {
      const section = spec.btf?.types[spec.valueTypeId ?? 0];
      if (section?.kind === "datasec")
        Object.defineProperty(this, sectionProperty(spec.name), { value: this.#variables(index), enumerable: true });
    }
  }

  /** The object, with what was set so far. */
  get object(): ObjectFile {
    return this.#object;
  }

  /** Its maps, once it is loaded: typed ones where the object gives types, else by bytes. */
  get maps(): Maps {
    const named = this.#whenLoaded("maps").maps.map(
      (map) => [sectionProperty(map.name), isTyped(map.spec) ? new TypedMap(map) : map] as const,
    );
    return Object.fromEntries(named) as Maps;
  }

  /** Its programs that are loaded. */
  get progs(): Readonly<Record<Program, LoadedProgram>> {
    return Object.fromEntries(this.#whenLoaded("progs").programs.map((program) => [program.name, program])) as Record<
      Program,
      LoadedProgram
    >;
  }

  /** Its programs at hooks, in the order of attaching. */
  get links(): readonly Link[] {
    return this.#links.filter(({ program }) => program !== undefined);
  }

  /** Before loading: gives a map room for so many entries. */
  setMaxEntries(map: string, maxEntries: number): void {
    const index = this.#object.maps.findIndex(({ name }) => name === map);
    if (index < 0) throw new ProblemError(problems.map_missing({ map, names: this.#object.maps.map(({ name }) => name).join(", ") }));
    this.#change(index, { ...this.#object.maps[index]!, maxEntries });
  }

  /** Makes the maps and loads the programs; of those that `only` names, or of all. Throws a Problem when one is refused. */
  load(dataplane: Dataplane, { only }: { readonly only?: readonly Program[] } = {}): void {
    if (this.#loaded !== undefined)
      throw new ProblemError(problems.skeleton_stage({ file: this.#object.file, what: "load", stage: "loaded already" }));
    const loaded = dataplane.open(this.#object);
    for (const spec of this.#object.programs) if (only === undefined || only.includes(spec.name as Program)) loaded.load(spec);
    this.#loaded = loaded;
    this.#dataplane = dataplane;
  }

  /** Attaches one of its programs, to the hook that its section names unless another is given. It is loaded first if it was not. */
  attach(name: Program, device: Device, hook?: Hook, mode?: XdpMode): Link {
    const loaded = this.#whenLoaded("attach");
    const spec = this.#object.programs.find((program) => program.name === name);
    if (spec === undefined) {
      const names = this.#object.programs.map((program) => program.name).join(", ");
      throw new ProblemError(problems.program_missing({ program: name, names: names || "none" }));
    }
    const link = this.#dataplane!.attach(device, hook ?? hookOf(spec), loaded.load(spec), mode);
    this.#links.push(link);
    return link;
  }

  /** Detaches its programs, and unloads them. Maps keep what they hold. */
  destroy(): void {
    const loaded = this.#whenLoaded("destroy");
    for (const link of this.#links.splice(0)) link.detach();
    for (const program of loaded.programs) this.#dataplane!.unload(program);
  }

  #whenLoaded(what: string): LoadedObject {
    if (this.#loaded === undefined)
      throw new ProblemError(problems.skeleton_stage({ file: this.#object.file, what, stage: "not loaded yet" }));
    return this.#loaded;
  }

  #change(index: number, spec: MapSpec): void {
    if (this.#loaded !== undefined)
      throw new ProblemError(problems.skeleton_stage({ file: this.#object.file, what: spec.name, stage: "loaded already" }));
    this.#object = withMaps(this.#object, this.#object.maps.with(index, spec));
  }

  /** The variables of data section `index` as properties. */
  #variables(index: number): object {
    const { btf, valueTypeId, name: section } = this.#object.maps[index]!;
    const type = btf!.types[valueTypeId!]!;
    const variables = {};
    for (const { type: id, offset, size } of type.kind === "datasec" ? type.variables : []) {
      const variable = btf!.types[id];
      if (variable?.kind !== "var") continue;
      const path = `${section}.${variable.name}`;
      Object.defineProperty(variables, variable.name, {
        enumerable: true,
        get: () => taken(decodePlain(btf!, variable.type, this.#read(index, offset, size), path)),
        set: (value: unknown) => this.#write(index, offset, taken(encodePlain(btf!, variable.type, value, path))),
      });
    }
    return Object.seal(variables);
  }

  #read(index: number, offset: number, size: number): Uint8Array {
    if (this.#loaded !== undefined) return this.#loaded.maps[index]!.section.read(offset, size);
    const { contents } = this.#object.maps[index]!;
    return contents?.slice(offset, offset + size) ?? new Uint8Array(size);
  }

  #write(index: number, offset: number, bytes: Uint8Array): void {
    if (this.#loaded !== undefined) {
      this.#loaded.maps[index]!.section.write(offset, bytes);
      return;
    }
    const spec = this.#object.maps[index]!;
    const contents = spec.contents?.slice() ?? new Uint8Array(spec.valueSize);
    contents.set(bytes, offset);
    this.#change(index, { ...spec, contents });
  }
}

/** Whether a map's keys or values have types: else it is handed out by bytes. */
export const isTyped = ({ btf, keyTypeId, valueTypeId }: MapSpec): boolean => btf !== undefined && Boolean(keyTypeId || valueTypeId);

/** A map's or section's name as a property: `.rodata.str1.1` is `rodata_str1_1`, as in bpftool's skeletons. */
export const sectionProperty = (name: string): string => name.replace(/^\./, "").replaceAll(/[^\w$]/g, "_");

function hookOf({ type, section }: ProgramSpec): Hook {
  if (type === "xdp") return "xdp";
  if (section === "tcx/ingress" || section === "tcx/egress") return section;
  return section.includes("egress") ? "egress" : "ingress";
}

/** Opens the bytes of an object as a skeleton. Throws a Problem where they are none. `bytes` may be base64, as generated modules carry them. */
export function openSkeleton<Maps, Program extends string, Sections>(
  bytes: Uint8Array | string,
  file: string,
): Skeleton<Maps, Program, Sections> {
  const object = typeof bytes === "string" ? decodeBase64(bytes) : bytes;
  return new SkeletonObject<Maps, Program>(taken(openObject(object, { file }))) as unknown as Skeleton<Maps, Program, Sections>;
}

function taken<T>(result: Result<T>): T {
  if (!result.ok) throw new ProblemError(result.problem);
  return result.value;
}
