import { type Btf, sizeOfType } from "../bpf/btf/index.ts";
import { ProblemError } from "../problem/index.ts";
import type { BpfMap } from "../runtime/index.ts";
import { problems } from "./problems.ts";

/** How records become values. */
export interface RecordType {
  /** Name of a struct, union or typedef of the object: records are read by it, and what is longer is cut. Without one a record is its bytes. */
  readonly type?: string;
  /** Types to look it up in; the map's own object's unless said. */
  readonly btf?: Btf;
}

/** A type that records are read by: its place among its object's types, and its bytes. */
export interface FoundRecordType {
  readonly btf: Btf;
  readonly id: number;
  readonly size: number;
}

/** The type of this name that records of a ring can be read by. Throws the problem `record_type` where there is none. */
export function recordType(map: BpfMap, { type, btf = map.spec.btf }: RecordType & { readonly type: string }): FoundRecordType {
  const id = btf?.types.findIndex((one) => "name" in one && one.name === type && isData(one.kind)) ?? -1;
  if (btf === undefined || id < 0) throw new ProblemError(problems.record_type({ map: map.name, type }));
  return { btf, id, size: sizeOfType(btf, id) };
}

const isData = (kind: string): boolean => ["struct", "union", "typedef", "int", "enum", "enum64"].includes(kind);
