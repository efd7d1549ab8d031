import { ProblemError } from "../../problem/index.ts";
import { type BpfMap, createMap, type MapHost } from "../../runtime/index.ts";
import { problems } from "./problems.ts";
import { fromHex, type RowMap } from "./row.ts";
import { mapSpecOf } from "./spec.ts";

/** A map of a case as it was made, and the inner maps that it was filled with, by hex key. */
export interface CaseMap {
  readonly map: BpfMap;
  readonly recorded: RowMap;
  readonly inner: Map<string, BpfMap>;
}

function store(map: BpfMap, type: string, key: string, value: string): void {
  const result = map.update(fromHex(key), fromHex(value));
  if (result !== 0) throw new ProblemError(problems.case_map_update({ map: map.name, type, errno: -result }));
}

/** Writes a recorded map's first contents as the recorder did, before the main program is loaded. `slots`: table slots of the case's further programs. */
export function fillMap({ map, recorded, inner }: CaseMap, slots: readonly number[], host: MapHost): void {
  for (const [key, value] of recorded.init ?? []) {
    if (typeof value === "string") {
      store(map, recorded.type, key, value);
      continue;
    }
    const made = createMap(host, mapSpecOf(recorded.inner!, `${map.name}[${key}]`));
    for (const [innerKey, innerValue] of value) store(made, recorded.inner!.type, innerKey, innerValue);
    map.setInner(fromHex(key), made);
    inner.set(key, made);
  }
  for (const [index, program] of recorded.progs ?? []) map.setProgram(index, slots[program]!);
  if (recorded.frozen) map.freeze();
}
