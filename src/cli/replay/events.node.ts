import { decodeValue } from "../../bpf/btf/index.ts";
import { type Dataplane, type FinishedWindow, type FoundRecordType, recordType } from "../../dataplane/index.ts";
import { BPF_MAP_TYPE_PERF_EVENT_ARRAY } from "../../layout/index.ts";
import { ProblemError } from "../../problem/index.ts";
import type { BpfMap } from "../../runtime/index.ts";
import { problems } from "../options/problems.ts";
import { OutputFile } from "./outputFile.node.ts";

/** What --events and the options that belong to it say. */
export interface EventsRequest {
  /** The file, or - for standard output. */
  readonly file: string;
  /** Types to read records by: TYPE, or MAP=TYPE. */
  readonly types: readonly string[];
  /** Pages of each CPU's perf ring. */
  readonly pages: number;
}

/** A map of the run with the name that it is shown by. */
export interface NamedMap {
  readonly name: string;
  readonly map: BpfMap;
}

/** What came out of one ring. */
export interface RingFigures {
  readonly read: number;
  readonly lost: number;
}

/** A ring that is listened to. */
interface Listened extends NamedMap {
  readonly type: { readonly name: string; readonly found: FoundRecordType } | undefined;
  read: number;
  lost(): number;
}

/**
 * Listens to every ring buffer and perf event array of a run, and writes a line of JSON for each record, and for each loss that a perf ring tells. Rings are read at the end
 * of every window of packets, so a line says behind which packet that was. No more than one window's records are held.
 */
export class EventOutput {
  readonly #file: OutputFile;
  readonly #rings: Listened[] = [];
  /** Lines of the window that is being finished: what it ends with is not known yet. */
  #waiting: Record<string, unknown>[] = [];
  #last: FinishedWindow["last"] = null;

  /** Throws a Problem where a type is not known, or the file cannot be written. `maps`: those of all objects; the rings among them are listened to. */
  constructor(dataplane: Dataplane, maps: readonly NamedMap[], { file, types, pages }: EventsRequest) {
    const rings = maps.filter(({ map }) => isRing(map));
    const typed = typesOf(rings, types);
    this.#file = new OutputFile(file);
    for (const { name, map } of rings) this.#listen(dataplane, { name, map }, typed.get(map), pages);
  }

  /** Names of the rings, and what came out of each. */
  get figures(): ReadonlyMap<BpfMap, RingFigures> {
    return new Map(this.#rings.map((ring) => [ring.map, { read: ring.read, lost: ring.lost() }]));
  }

  /** To be told of every window, behind its records. */
  finished({ last }: FinishedWindow): void {
    this.#last = last;
    this.#flush();
  }

  /** Writes what is left, and closes the file. */
  close(): void {
    try {
      this.#flush();
      for (const ring of this.#rings) {
        // Who lost a record of a ring buffer was told so; only the sum is known here.
        if (ring.map.type !== BPF_MAP_TYPE_PERF_EVENT_ARRAY && ring.lost() > 0) this.#file.writeJson({ map: ring.name, lost: ring.lost() });
      }
    } finally {
      this.#file.close();
    }
  }

  #flush(): void {
    const { id = null, ts = null } = this.#last ?? {};
    for (const { map, cpu, ...line } of this.#waiting)
      this.#file.writeJson({ map, ...(cpu === undefined ? {} : { cpu }), after: id, ts, ...line });
    this.#waiting = [];
  }

  #listen(dataplane: Dataplane, { name, map }: NamedMap, type: Listened["type"], pages: number): void {
    const record = (bytes: Uint8Array, cpu?: number) => {
      ring.read++;
      this.#waiting.push({
        map: name,
        ...(cpu === undefined ? {} : { cpu }),
        data: Buffer.from(bytes).toString("hex"),
        ...typedValue(type, bytes),
      });
    };
    const ring: Listened = { name, map, type, read: 0, lost: () => buffer.lost };
    const buffer =
      map.type === BPF_MAP_TYPE_PERF_EVENT_ARRAY
        ? dataplane.perfBuffer(map, { pages, onSample: record, onLost: (lost, cpu) => this.#waiting.push({ map: name, cpu, lost }) })
        : dataplane.ringBuffer(map, { onRecord: (bytes) => record(bytes) });
    this.#rings.push(ring);
  }
}

const isRing = ({ type, records }: BpfMap): boolean => type === BPF_MAP_TYPE_PERF_EVENT_ARRAY || records !== undefined;

/** The record as its type has it; nothing for one that is shorter. */
function typedValue(type: Listened["type"], bytes: Uint8Array): { readonly type?: string; readonly value?: unknown } {
  if (type === undefined || bytes.length < type.found.size) return {};
  const { btf, id, size } = type.found;
  const decoded = decodeValue(btf, id, bytes.subarray(0, size));
  return decoded.ok ? { type: type.name, value: decoded.value } : {};
}

/** The type of each ring's records, as far as --event-type names one. A type without a map is that of all rings whose object has it. */
function typesOf(rings: readonly NamedMap[], texts: readonly string[]): Map<BpfMap, Listened["type"]> {
  const types = new Map<BpfMap, Listened["type"]>();
  for (const text of texts) {
    const at = text.indexOf("=");
    const [wanted, name] = at < 0 ? [undefined, text] : [text.slice(0, at), text.slice(at + 1)];
    const meant = rings.filter((ring) => wanted === undefined || ring.name === wanted || ring.map.name === wanted);
    if (meant.length === 0)
      throw new ProblemError(problems.event_ring({ option: text, names: rings.map((ring) => ring.name).join(", ") || "none" }));
    const found = meant.flatMap(({ map }) => {
      try {
        return [[map, { name, found: recordType(map, { type: name }) }] as const];
      } catch (error) {
        if (wanted !== undefined || meant.length === 1) throw error;
        return [];
      }
    });
    // None has it: the first says so.
    if (found.length === 0) recordType(meant[0]!.map, { type: name });
    for (const [map, type] of found) types.set(map, type);
  }
  return types;
}
