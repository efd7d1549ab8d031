import type { FunctionSpec, MapSpec, ProgramSpec } from "../../bpf/spec.ts";
import * as layout from "../../layout/index.ts";
import { fromHex, type Row, type RowMap } from "./row.ts";

/** BPF_MAP_TYPE_* of a name without the prefix; undefined for one that Linux 6.18 does not have. */
function mapTypeNumber(name: string): number | undefined {
  const value: unknown = Reflect.get(layout, `BPF_MAP_TYPE_${name}`);
  return typeof value === "number" ? value : undefined;
}

/** A recorded map as a MapSpec; type 0, which no map has, where the name is unknown. */
export function mapSpecOf(map: RowMap, name: string): MapSpec {
  return {
    name,
    type: mapTypeNumber(map.type) ?? 0,
    keySize: map.key_size,
    valueSize: map.value_size,
    maxEntries: map.max_entries,
    flags: map.flags,
    ...(map.inner ? { inner: mapSpecOf(map.inner, `${name}_inner`) } : {}),
  };
}

/** Program `index` of a case as bpf(BPF_PROG_LOAD) was given it: 0 is the main program, the others stand in `progs`. Licence "GPL". */
export function programSpecOf(row: Row, index: number, maps: readonly MapSpec[]): ProgramSpec {
  const main = index === 0;
  const name = main ? "main" : `prog_${index}`;
  const typed = main ? row.func_info : undefined;
  // The BTF that a row was loaded with is not recorded, only that every function had a type in it.
  const functions: FunctionSpec[] = (typed ?? [0]).map((instruction, number) => ({
    instruction,
    name: number === 0 ? name : `${name}_function_${number}`,
    ...(typed === undefined ? {} : { typeId: number + 1 }),
  }));
  return {
    name,
    section: row.prog_type,
    type: row.prog_type === "xdp" ? "xdp" : "sched_cls",
    expectedAttachType: 0,
    flags: row.prog_flags ?? 0,
    license: "GPL",
    instructions: fromHex(main ? row.insns : row.progs![index - 1]!.insns),
    maps,
    functions,
    lines: [],
  };
}
