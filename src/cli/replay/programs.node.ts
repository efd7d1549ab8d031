import { basename } from "node:path";
import { type ObjectFile, selectProgram } from "../../bpf/elf/index.ts";
import type { VerifiedProgram } from "../../bpf/verifier/index.ts";
import { type ContentsPlace, type Dataplane, dumpMap, fillMap, type LoadedObject } from "../../dataplane/index.ts";
import { ProblemError, type Result } from "../../problem/index.ts";
import type { LoadedLine, MapFilling } from "../../report/index.ts";
import type { BpfMap } from "../../runtime/index.ts";
import type { MapContentsRequest } from "../options/mapContents.node.ts";
import { type ObjectOpener, readObject } from "../options/objects.node.ts";
import { problems } from "../options/problems.ts";
import type { NamedMap, RingFigures } from "./events.node.ts";
import type { Attachment } from "./request.ts";

/** The objects of a replay: each file is opened once, so that its programs share its maps. */
export class ReplayPrograms {
  readonly #dataplane: Dataplane;
  readonly #opener: ObjectOpener;
  readonly #strict: boolean;
  readonly #objects = new Map<string, { readonly loaded: LoadedObject; readonly type: Attachment["type"] }>();
  readonly #lines: LoadedLine[] = [];

  /** `strict`: programs with instructions that would trap for want of what they ask for are refused. */
  constructor(dataplane: Dataplane, { opener, strict }: { readonly opener: ObjectOpener; readonly strict: boolean }) {
    this.#dataplane = dataplane;
    this.#opener = opener;
    this.#strict = strict;
  }

  /** One line for each attached program. */
  get lines(): readonly LoadedLine[] {
    return this.#lines;
  }

  /** Checks, compiles and attaches a program. Throws a Problem with the object's path. */
  attach({ device: name, hook, type, program: { path, program: wanted } }: Attachment): void {
    const started = performance.now();
    const loaded = this.#open(path, type);
    const spec = taken(selectProgram(loaded.object, { type, ...(wanted === undefined ? {} : { name: wanted }) }));
    const program = inFile(path, () => loaded.load(spec));
    const unbuilt = [...new Set(program.verified.unbuilt.values())];
    if (this.#strict && unbuilt.length > 0) throw unbuiltRefused(path, program.verified);
    const device = this.#dataplane.device(name)!;
    this.#dataplane.attach(device, hook, program);
    const elapsedNs = (performance.now() - started) * 1e6;
    this.#lines.push({
      name: `${basename(path)}:${spec.name}`,
      program: spec.name,
      device: name,
      hook: hook === "xdp" ? (device.mode === "generic" ? "xdp generic" : "xdp") : `clsact/${hook}`,
      where: hook === "xdp" ? `xdp, ${device.mode} on ${name}` : `clsact ${hook} on ${name}`,
      instructions: program.verified.instructions.length,
      wasmBytes: program.wasmBytes,
      elapsedNs,
      engine: program.engine,
      unbuilt,
    });
  }

  /** Fills a map of the objects with what the user wrote. */
  fill({ map: name, contents, place }: MapContentsRequest): void {
    const owners = [...this.#objects.values()].filter(({ loaded }) => loaded.map(name) !== undefined);
    if (owners.length === 0) {
      const names = [...this.#objects.values()].flatMap(({ loaded }) => loaded.maps.map((map) => map.name));
      throw new ProblemError(problems.map_unknown({ map: name, names: names.join(", ") || "none" }, place()));
    }
    const filled = new Set<unknown>();
    for (const { loaded, type } of owners) {
      // Objects that share a pinned map give it its contents once.
      if (filled.has(loaded.map(name)) || !filled.add(loaded.map(name))) continue;
      const around: ContentsPlace = {
        object: loaded,
        programType: type,
        ifindex: (device) => this.#dataplane.device(device)?.ifindex,
        socket: (text) => this.#dataplane.socketNumber(text),
        cgroup: (path) => this.#dataplane.cgroups.idOf(path),
      };
      inContents(place, () => fillMap(around, loaded.map(name)!, contents));
    }
  }

  /** Contents of all maps by name; those of objects that share a name carry the object's too. */
  dump(): Record<string, unknown> {
    return Object.fromEntries(this.maps().map(({ name, map }) => [name, dumpMap(map)]));
  }

  /** All maps, each once, with the name that it is shown by: where objects share one, all but the first's carry the object's too, or its path. */
  maps(): NamedMap[] {
    const named = new Map<string, BpfMap>();
    const seen = new Set<BpfMap>();
    for (const [path, { loaded }] of this.#objects) {
      for (const map of loaded.maps.filter((one) => !seen.has(one) && seen.add(one)))
        named.set([map.name, `${basename(path)}:${map.name}`].find((name) => !named.has(name)) ?? `${path}:${map.name}`, map);
    }
    return [...named].map(([name, map]) => ({ name, map }));
  }

  /** What each map holds in the end, for the summary; of those that were listened to, what came out of them. */
  fillings(heard: ReadonlyMap<BpfMap, RingFigures>): MapFilling[] {
    return this.maps().map(({ name, map }) => {
      const figures = heard.get(map);
      if (figures !== undefined) return { name, ...figures };
      return map.records === undefined
        ? { name, used: map.used, limit: map.spec.maxEntries }
        : { name, records: map.records.length, lost: map.lost };
    });
  }

  /** What came out of the rings that were listened to, by name. */
  figures(heard: ReadonlyMap<BpfMap, RingFigures>): Record<string, RingFigures> {
    return Object.fromEntries(this.maps().flatMap(({ name, map }) => (heard.has(map) ? [[name, heard.get(map)!]] : [])));
  }

  #open(path: string, type: Attachment["type"]): LoadedObject {
    const known = this.#objects.get(path);
    if (known !== undefined) return known.loaded;
    const object = this.#opener.open(readObject(path), path);
    const loaded = inFile(path, () => this.#dataplane.open(object), mapsOffset(object));
    this.#objects.set(path, { loaded, type });
    return loaded;
  }
}

/** What --strict says of a program, at the first instruction that would trap. */
function unbuiltRefused(file: string, { spec, unbuilt }: VerifiedProgram): ProblemError {
  const instruction = Math.min(...unbuilt.keys());
  const line = spec.lines.findLast((entry) => entry.instruction <= instruction);
  const at = { file, program: spec.name, instruction, ...(line === undefined ? {} : { source: `${line.file}:${line.line}` }) };
  return new ProblemError(problems.program_unbuilt({ program: spec.name, what: [...new Set(unbuilt.values())].join(", ") }, at));
}

/** Where an object declares its maps. */
const mapsOffset = ({ sections }: ObjectFile): number | undefined =>
  sections.find(({ name }) => name === ".maps" || name === "maps")?.fileOffset;

/** Adds the file, and a place in it if there is one, to a problem that does not know it. */
function inFile<T>(file: string, work: () => T, offset?: number): T {
  try {
    return work();
  } catch (error) {
    if (!(error instanceof ProblemError) || error.problem.at.file !== undefined) throw error;
    throw new ProblemError({ ...error.problem, at: { ...(offset === undefined ? {} : { offset }), ...error.problem.at, file } });
  }
}

/** Adds to a problem with a map's contents the line where they stand. */
function inContents<T>(place: MapContentsRequest["place"], work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (!(error instanceof ProblemError) || error.problem.at.file !== undefined) throw error;
    throw new ProblemError({ ...error.problem, at: { ...place(error.problem.at.path), ...error.problem.at } });
  }
}

function taken<T>(result: Result<T>): T {
  if (!result.ok) throw new ProblemError(result.problem);
  return result.value;
}
