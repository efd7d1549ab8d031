import type { BpfMap, MapValue } from "../../runtime/index.ts";
import { type RowDump, type RowMap, toHex } from "./row.ts";

/** Map types whose contents the kernel does not give back in a form that could be compared. */
const OPAQUE: ReadonlySet<string> = new Set(["PROG_ARRAY", "DEVMAP", "DEVMAP_HASH", "CPUMAP", "XSKMAP", "BLOOM_FILTER"]);

const valueText = (value: MapValue): string | string[] => (value instanceof Uint8Array ? toHex(value) : value.map(toHex));

/** Contents of a map as recorded cases show them: sorted by key, per-CPU values as lists. */
export function dumpMap(map: BpfMap, { type }: RowMap): RowDump {
  if (OPAQUE.has(type)) return null;
  return Array.from(map.entries(), ([key, value]) => [toHex(key), valueText(value)] as const).sort(([a], [b]) => (a < b ? -1 : 1));
}

/** What the recorder did to a map after each run. */
export function endOfRun(_map: BpfMap): void {}
