import { ProblemError } from "../../problem/index.ts";
import type { BpfMap, MapHost } from "../../runtime/index.ts";
import { problems } from "./problems.ts";
import { fromHex, type RowMap } from "./row.ts";

/** Writes a recorded map's first contents as the recorder did, before the main program is loaded. `slots`: table slots of the case's further programs. */
export function fillMap(map: BpfMap, recorded: RowMap, slots: readonly number[], _host: MapHost): void {
  for (const [key, value] of recorded.init ?? []) {
    if (typeof value !== "string") continue;
    const result = map.update(fromHex(key), fromHex(value));
    if (result !== 0) throw new ProblemError(problems.case_map_update({ map: map.name, type: recorded.type, errno: -result }));
  }
  for (const [index, program] of recorded.progs ?? []) map.setProgram(index, slots[program]!);
  if (recorded.frozen) map.freeze();
}
