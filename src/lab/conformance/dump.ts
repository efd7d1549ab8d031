import { type BpfMap, drainRing, type MapValue, type SimulatedMemory } from "../../runtime/index.ts";
import type { CaseMap } from "./fill.ts";
import { type RowDump, toHex } from "./row.ts";

/** Map types whose contents the kernel does not give back in a form that could be compared. */
const OPAQUE: ReadonlySet<string> = new Set(["PROG_ARRAY", "DEVMAP", "DEVMAP_HASH", "CPUMAP", "XSKMAP", "BLOOM_FILTER"]);

/** Map types whose order of entries means something; the others are sorted by key. */
const ORDERED: ReadonlySet<string> = new Set(["QUEUE", "STACK"]);

type DumpEntry = NonNullable<RowDump>[number];

const valueText = (value: MapValue): string | string[] => (value instanceof Uint8Array ? toHex(value) : value.map(toHex));
const byKey = ([a]: DumpEntry, [b]: DumpEntry): number => (a < b ? -1 : 1);

function dumpEntries(map: BpfMap, type: string): RowDump {
  const entries = Array.from(map.entries(), ([key, value]): DumpEntry => [toHex(key), valueText(value)]);
  return ORDERED.has(type) ? entries : entries.sort(byKey);
}

/** Contents of a map after a run as recorded cases show them. The records of a ring buffer are taken out: the next run begins with an empty ring. */
export function dumpMap(memory: SimulatedMemory, { map, recorded, inner }: CaseMap): RowDump {
  const { type } = recorded;
  if (OPAQUE.has(type)) return null;
  if (type === "RINGBUF") return drainRing(memory, map).map((record) => ["", toHex(record)]);
  if (type === "ARRAY_OF_MAPS")
    return Array.from(inner, ([key, made]): DumpEntry => [key, dumpEntries(made, recorded.inner!.type)]).sort(byKey);
  return dumpEntries(map, type);
}
