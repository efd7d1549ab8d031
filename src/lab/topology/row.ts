import type { Place, Result } from "../../problem/index.ts";
import { failure, success } from "../../problem/index.ts";
import { problems } from "./problems.ts";

/** A recorded topology, as written: what was built, which frames went in, what came out. Hex is lower case; an errno is negative. */
export interface TopologyRow {
  readonly id: string;
  readonly tags: readonly string[];
  /** The CPU that injects and receives. */
  readonly cpu?: number;
  readonly hosts: readonly RowHost[];
  readonly devices: readonly RowDevice[];
  readonly programs: readonly { readonly name: string }[];
  readonly maps: readonly RowMap[];
  readonly setup_errors?: readonly (readonly (string | number)[])[];
  readonly steps: readonly RowStep[];
}

export interface RowHost {
  readonly name: string;
  readonly ip_forward?: boolean;
  readonly routes?: readonly string[];
  readonly neighbours?: readonly { readonly ip: string; readonly dev: string; readonly mac: string }[];
}

export interface RowXdp {
  readonly mode: "native" | "generic";
  readonly program: string;
}

export interface RowFilter {
  readonly program: string;
  readonly prio: number;
  readonly da?: boolean;
  readonly classid?: number;
  /** `eaction`: TCA_EGRESS_REDIR and the like. */
  readonly mirred?: { readonly ifindex: number; readonly eaction: number; readonly action: number };
}

export interface RowDevice {
  readonly name: string;
  readonly host: string;
  readonly peer: string;
  readonly ifindex: number;
  readonly mac: string;
  readonly mtu: number;
  readonly up?: boolean;
  readonly gro?: boolean;
  readonly tap?: boolean;
  readonly txvlan?: boolean;
  readonly addrs?: readonly string[];
  readonly xdp?: RowXdp;
  readonly xdp2?: RowXdp;
  readonly tcx_ingress?: readonly string[];
  readonly tcx_egress?: readonly string[];
  readonly clsact?: { readonly ingress?: readonly RowFilter[]; readonly egress?: readonly RowFilter[] };
}

/** One entry of a map; which fields it has depends on the map's type. */
export interface RowEntry {
  readonly key: number | string;
  readonly value?: string;
  readonly ifindex?: number;
  readonly qsize?: number;
  readonly prog?: string;
  readonly xsk?: { readonly device: string; readonly queue: number; readonly fill: number };
  readonly errno?: number;
}

export interface RowMap {
  readonly name: string;
  readonly type: string;
  readonly key_size: number;
  readonly value_size: number;
  readonly max_entries: number;
  readonly flags?: number;
  readonly host?: string;
  readonly entries?: readonly RowEntry[];
}

/** What a step brought about; what is absent did not happen. */
export interface RowExpect {
  readonly ports?: Readonly<Record<string, readonly string[]>>;
  readonly stack?: Readonly<Record<string, readonly (string | readonly [number, string])[]>>;
  readonly taps?: Readonly<Record<string, readonly (readonly [string, string])[]>>;
  readonly counters?: Readonly<Record<string, Readonly<Record<string, number>>>>;
  readonly ethtool?: Readonly<Record<string, Readonly<Record<string, number>>>>;
  readonly tracepoints?: readonly Readonly<Record<string, string | number>>[];
  readonly probes?: readonly string[];
  readonly maps?: Readonly<Record<string, unknown>>;
  readonly xsk?: Readonly<Record<string, readonly string[]>>;
  readonly send_errno?: readonly number[] | number;
  readonly ip_id_masked?: boolean;
}

export interface RowStep {
  readonly inject: { readonly port: string; readonly via: "packet" | "xdp"; readonly frames: readonly string[] };
  readonly expect: RowExpect;
}

/** A program of programs.jsonl: rows refer to it by name. */
export interface RowProgram {
  readonly name: string;
  readonly type: "xdp" | "tc";
  readonly attach?: string;
  readonly flags?: number;
  readonly insns: string;
  readonly maps: readonly string[];
}

const isObject = (value: unknown): value is Record<string, unknown> => typeof value === "object" && value !== null && !Array.isArray(value);

/** Whether a parsed line is a topology. */
export const isTopology = (value: unknown): boolean => isObject(value) && "hosts" in value;

/** Checks what the rest relies on. */
export function topologyRow(value: unknown, at: Place): Result<TopologyRow> {
  const row = value as Record<string, unknown>;
  for (const list of ["hosts", "devices", "programs", "maps", "steps"]) {
    if (!Array.isArray(row[list])) return failure(problems.topology_malformed({ what: `${list} is no list` }, at));
  }
  if (typeof row.id !== "string") return failure(problems.topology_malformed({ what: "id is missing" }, at));
  return success(value as TopologyRow);
}

/** The programs of a file of them, by name. */
export function parsePrograms(text: string, file: string): Result<ReadonlyMap<string, RowProgram>> {
  const programs = new Map<string, RowProgram>();
  for (const [index, line] of text.split("\n").entries()) {
    if (line.trim() === "") continue;
    try {
      const program = JSON.parse(line) as RowProgram;
      programs.set(program.name, program);
    } catch (error) {
      return failure(problems.topology_malformed({ what: (error as Error).message }, { file, line: index + 1 }));
    }
  }
  return success(programs);
}
