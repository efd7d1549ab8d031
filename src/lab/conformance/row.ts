import type { Place, Result } from "../../problem/index.ts";
import { failure, success } from "../../problem/index.ts";
import { isTopology, type TopologyRow, topologyRow } from "../topology/row.ts";
import { problems } from "./problems.ts";

/** A map of a recorded case, as written; sizes in bytes, keys and values in hex. */
export interface RowMap {
  /** Without BPF_MAP_TYPE_ */
  readonly type: string;
  readonly key_size: number;
  readonly value_size: number;
  readonly max_entries: number;
  readonly flags: number;
  readonly init?: readonly (readonly [string, string | readonly (readonly [string, string])[]])[];
  readonly frozen?: boolean;
  readonly inner?: RowMap;
  readonly progs?: readonly (readonly [number, number])[];
}

/** Values of one map after a run; per-CPU maps have a list of values, arrays of maps a dump. null where the kernel gives nothing to compare. */
export type RowDump = readonly (readonly [string, string | readonly string[] | RowDump])[] | null;

/** Context fields by name; 64-bit values too long for a number are strings of digits. */
export type RowContext = Readonly<Record<string, number | string>>;

/** One BPF_PROG_TEST_RUN: what went in, and what came out or why it was refused. */
export interface RowRun {
  readonly in: string;
  readonly ctx_in?: RowContext;
  readonly errno?: number;
  readonly retval?: number;
  readonly out?: string;
  readonly ctx_out?: RowContext;
  readonly maps?: readonly RowDump[];
}

/** One recorded case: a program, its maps, and what Linux did with it. */
export interface Row {
  readonly id: string;
  readonly prog_type: "xdp" | "tc";
  readonly insns: string;
  readonly maps: readonly RowMap[];
  readonly progs?: readonly { readonly insns: string }[];
  readonly func_info?: readonly number[];
  readonly prog_flags?: number;
  readonly perfmon?: false;
  readonly accepted: boolean;
  readonly errno?: number;
  readonly log_last?: string;
  readonly runs?: readonly RowRun[];
}

/** Integers of 16 digits and more lose their end as numbers: they are read as strings. */
const LONG_INTEGER = /([:[,]\s*)(\d{16,})(?=\s*[,}\]])/g;

const isObject = (value: unknown): value is Record<string, unknown> => typeof value === "object" && value !== null && !Array.isArray(value);

function complaint(value: unknown): string | undefined {
  if (!isObject(value)) return "not an object";
  const hex = (text: unknown): boolean => typeof text === "string" && isHex(text);
  if (typeof value.id !== "string") return "id is missing";
  if (value.prog_type !== "xdp" && value.prog_type !== "tc") return "prog_type is neither xdp nor tc";
  if (!hex(value.insns) || (value.insns as string).length % 16 !== 0) return "insns is no sequence of 8-byte instructions in hex";
  if (!Array.isArray(value.maps) || !value.maps.every((map) => isObject(map) && typeof map.type === "string"))
    return "maps is no list of maps";
  if (typeof value.accepted !== "boolean") return "accepted is missing";
  if (!value.accepted) return undefined;
  if (!Array.isArray(value.runs)) return "runs is missing";
  if (!value.runs.every((run) => isObject(run) && hex(run.in))) return "a run without data in hex";
  return undefined;
}

/** Reads one line of a file of recorded cases and topologies. */
export function parseLine(line: string, at: Place = {}): Result<Row | TopologyRow> {
  let value: unknown;
  try {
    value = JSON.parse(line.replace(LONG_INTEGER, '$1"$2"'));
  } catch (error) {
    return failure(problems.case_malformed({ what: (error as Error).message }, at));
  }
  if (isTopology(value)) return topologyRow(value, at);
  const what = complaint(value);
  return what === undefined ? success(value as unknown as Row) : failure(problems.case_malformed({ what }, at));
}

/** Reads one line of a file of recorded cases, in which there are no topologies. */
export function parseRow(line: string, at: Place = {}): Result<Row> {
  const parsed = parseLine(line, at);
  if (!parsed.ok) return parsed;
  return "hosts" in parsed.value
    ? failure(problems.case_malformed({ what: "it describes a topology of hosts" }, at))
    : success(parsed.value);
}

/** Pairs of hex digits and nothing else. (A pattern that repeats a group overflows the stack on programs of a million instructions.) */
export const isHex = (text: string): boolean => text.length % 2 === 0 && !/[^0-9a-f]/i.test(text);

export const fromHex = (hex: string): Uint8Array => {
  const bytes = new Uint8Array(hex.length >> 1);
  for (let index = 0; index < bytes.length; index++) bytes[index] = Number.parseInt(hex.slice(index * 2, index * 2 + 2), 16);
  return bytes;
};

const HEX = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, "0"));

export const toHex = (bytes: Uint8Array): string => {
  let text = "";
  for (const byte of bytes) text += HEX[byte];
  return text;
};
