import type { RunResult } from "../dataplane/index.ts";
import type { LoadedLine } from "./summary.ts";
import { timingJson } from "./timing.ts";

/** What the machine holds in the end; null where nobody asked. */
interface Holdings {
  readonly maps: Readonly<Record<string, unknown>> | null;
  /** Tracked connections, a line each. */
  readonly connections: readonly string[] | null;
  /** Records that were read from rings, and that found no room, by map. */
  readonly events: Readonly<Record<string, { readonly read: number; readonly lost: number }>> | null;
}

/** What `replay --json` prints: the run's result with times as strings (they exceed 2^53), the programs as loaded, and what was asked for of the rest. */
export function runJson(result: RunResult, programs: readonly LoadedLine[], { maps, connections, events }: Holdings): string {
  const { firstNs, lastNs, elapsedNs, unrecordedCopies, timing, ...rest } = result;
  const document = {
    ...rest,
    unrecorded_copies: unrecordedCopies,
    first_ts_ns: firstNs === null ? null : String(firstNs),
    last_ts_ns: lastNs === null ? null : String(lastNs),
    elapsed_ns: Math.round(elapsedNs),
    timing: timing === null ? null : timingJson(timing),
    loaded: programs.map(({ name, where, instructions, wasmBytes, elapsedNs: loadNs, engine, unbuilt }) => ({
      name,
      where,
      instructions,
      wasm_bytes: wasmBytes,
      elapsed_ns: Math.round(loadNs),
      engine,
      unbuilt,
    })),
    ...(maps === null ? {} : { maps }),
    ...(connections === null ? {} : { connections }),
    ...(events === null ? {} : { events }),
  };
  return `${JSON.stringify(document, bigintAsString, 2)}\n`;
}

const bigintAsString = (_key: string, value: unknown): unknown => (typeof value === "bigint" ? String(value) : value);
