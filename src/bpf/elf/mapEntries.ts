import { ProblemError, type Result } from "../../problem/index.ts";
import { asResult, decodeValue, encodeUntyped, encodeValue, formatHex, shown, type TypedValue } from "../btf/index.ts";
import type { MapSpec } from "../spec.ts";
import { elfProblems } from "./problems.ts";

/** One element for a map, as bytes of the sizes that the map declares. */
export interface MapEntry {
  readonly key: Uint8Array;
  /** The value; of a per-CPU map, that of every CPU which `cpuValues` does not list. */
  readonly value?: Uint8Array;
  readonly cpuValues?: readonly { readonly cpu: number; readonly value: Uint8Array }[];
}

/** Bytes of a key, from a value of the map's BTF type or from hexadecimal bytes. The problem names the member. */
export const encodeKey = (map: MapSpec, key: unknown, path = `${map.name}.key`): Result<Uint8Array> =>
  map.btf !== undefined && map.keyTypeId ? encodeValue(map.btf, map.keyTypeId, key, path) : encodeUntyped(map.keySize, key, path);

/** Bytes of a value, likewise. */
const encodeMapValue = (map: MapSpec, value: unknown, path = `${map.name}.value`): Result<Uint8Array> =>
  map.btf !== undefined && map.valueTypeId ? encodeValue(map.btf, map.valueTypeId, value, path) : encodeUntyped(map.valueSize, value, path);

/** A key as JSON: by its BTF type, or as hexadecimal bytes. */
export const decodeKey = (map: MapSpec, key: Uint8Array): TypedValue => decode(map, map.keyTypeId, key);

/** A value as JSON, likewise. */
export const decodeMapValue = (map: MapSpec, value: Uint8Array): TypedValue => decode(map, map.valueTypeId, value);

/** What the type cannot show is shown as bytes. */
function decode(map: MapSpec, typeId: number | undefined, bytes: Uint8Array): TypedValue {
  if (map.btf === undefined || !typeId) return formatHex(bytes);
  const decoded = decodeValue(map.btf, typeId, bytes);
  return decoded.ok ? decoded.value : formatHex(bytes);
}

/**
 * Reads the contents of a map as a user writes them: a list of `{ key, value }` (or `{ key, values: [{ cpu, value }] }`), or an object from keys to
 * values. The single value of a global data section may be given as it is, without a key.
 */
export function readMapEntries(map: MapSpec, contents: unknown): Result<MapEntry[]> {
  return asResult(() => {
    if (Array.isArray(contents)) return contents.map((one: unknown, index) => readEntry(map, one, `${map.name}[${index}]`));
    if (typeof contents === "object" && contents !== null) {
      if (map.contents !== undefined || map.section?.startsWith(".bss"))
        return [{ key: new Uint8Array(map.keySize), value: taken(encodeMapValue(map, contents, map.name)) }];
      return Object.entries(contents).map(([key, value]) => ({
        key: taken(encodeKey(map, key, `${map.name}[${key}]`)),
        value: taken(encodeMapValue(map, value, `${map.name}[${key}]`)),
      }));
    }
    throw new ProblemError(elfProblems.map_contents_form({ path: map.name, given: shown(contents) }));
  });
}

function readEntry(map: MapSpec, entry: unknown, path: string): MapEntry {
  const fields = typeof entry === "object" && entry !== null && !Array.isArray(entry) ? (entry as Record<string, unknown>) : {};
  const unknown = Object.keys(fields).find((name) => name !== "key" && name !== "value" && name !== "values");
  if (!("key" in fields) || !("value" in fields || "values" in fields) || unknown !== undefined)
    throw new ProblemError(elfProblems.map_contents_form({ path, given: shown(entry) }));
  const key = taken(encodeKey(map, fields.key, `${path}.key`));
  const value = "value" in fields ? { value: taken(encodeMapValue(map, fields.value, `${path}.value`)) } : {};
  if (!("values" in fields)) return { key, ...value };
  const list: readonly unknown[] = Array.isArray(fields.values) ? fields.values : [fields.values];
  const cpuValues = list.map((one, index) => {
    const at = `${path}.values[${index}]`;
    const { cpu, value: given } = (typeof one === "object" && one !== null ? one : {}) as Record<string, unknown>;
    if (typeof cpu !== "number" || !Number.isInteger(cpu) || cpu < 0)
      throw new ProblemError(elfProblems.map_contents_form({ path: at, given: shown(one) }));
    return { cpu, value: taken(encodeMapValue(map, given, `${at}.value`)) };
  });
  return { key, ...value, cpuValues };
}

function taken<T>(result: Result<T>): T {
  if (!result.ok) throw new ProblemError(result.problem);
  return result.value;
}
