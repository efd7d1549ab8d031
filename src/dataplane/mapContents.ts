import { encodeUntyped, encodeValue, formatHex } from "../bpf/btf/index.ts";
import { decodeKey, decodeMapValue, encodeKey, findProgram, readMapEntries } from "../bpf/elf/index.ts";
import type { ProgramTypeName } from "../bpf/spec.ts";
import {
  BPF_MAP_TYPE_ARRAY_OF_MAPS,
  BPF_MAP_TYPE_CGROUP_ARRAY,
  BPF_MAP_TYPE_CPUMAP,
  BPF_MAP_TYPE_DEVMAP,
  BPF_MAP_TYPE_DEVMAP_HASH,
  BPF_MAP_TYPE_HASH_OF_MAPS,
  BPF_MAP_TYPE_PROG_ARRAY,
  BPF_MAP_TYPE_SK_STORAGE,
  BPF_MAP_TYPE_SOCKHASH,
  BPF_MAP_TYPE_SOCKMAP,
  E2BIG,
  EBADF,
  EEXIST,
  EINVAL,
  ENODEV,
  ENOMEM,
  EOVERFLOW,
  EPERM,
} from "../layout/index.ts";
import { ProblemError, type Result } from "../problem/index.ts";
import type { Arena, BpfMap } from "../runtime/index.ts";
import { isCgroupPath } from "../stack/index.ts";
import type { LoadedObject } from "./loadedObject.ts";
import { problems } from "./problems.ts";

/** What entries may name beside numbers. */
export interface ContentsPlace {
  readonly object: LoadedObject;
  /** Type of the programs that a PROG_ARRAY's entries name. */
  readonly programType: ProgramTypeName;
  /** Ifindex of a device by name. */
  readonly ifindex: (device: string) => number | undefined;
  /** Number of a declared socket by its declaration. */
  readonly socket?: (text: string) => number | undefined;
  /** Id of a cgroup by its path. */
  readonly cgroup?: (path: string) => number;
}

/**
 * Fills a map with contents as a user writes them: `[{ key, value }]`, or an object from keys to values, by BTF type or in hexadecimal. What names something may be
 * named: programs in a PROG_ARRAY, devices (or ifindexes) in a DEVMAP, maps in a map of maps, sockets by their declarations (or its number, from 1) as
 * values of SOCKMAP and SOCKHASH and keys of SK_STORAGE, cgroups by their paths in a CGROUP_ARRAY; `{ ifindex, program }` and `{ qsize, program }` give an entry a program.
 * Throws a Problem that names map and entry.
 */
export function fillMap(place: ContentsPlace, map: BpfMap, contents: unknown): void {
  switch (map.type) {
    case BPF_MAP_TYPE_PROG_ARRAY:
      for (const { key, value, path } of namedEntries(map, contents)) write(map, key, slotBytes(programSlot(place, value, path)), path);
      return;
    case BPF_MAP_TYPE_DEVMAP:
    case BPF_MAP_TYPE_DEVMAP_HASH:
      for (const { key, value, path } of namedEntries(map, contents))
        write(map, key, targetBytes(place, map, value, path, "ifindex"), path);
      return;
    case BPF_MAP_TYPE_CPUMAP:
      for (const { key, value, path } of namedEntries(map, contents)) write(map, key, targetBytes(place, map, value, path, "qsize"), path);
      return;
    case BPF_MAP_TYPE_ARRAY_OF_MAPS:
    case BPF_MAP_TYPE_HASH_OF_MAPS:
      for (const { key, value, path } of namedEntries(map, contents)) writeInner(place, map, key, value, path);
      return;
    case BPF_MAP_TYPE_SOCKMAP:
    case BPF_MAP_TYPE_SOCKHASH:
      for (const { key, value, path } of namedEntries(map, contents))
        write(map, key, numberBytes(map, socketNumber(place, value, path)), path);
      return;
    case BPF_MAP_TYPE_CGROUP_ARRAY:
      for (const { key, value, path } of namedEntries(map, contents)) write(map, key, slotBytes(cgroupId(place, value, path)), path);
      return;
    case BPF_MAP_TYPE_SK_STORAGE:
      for (const { key, value, path } of ofSockets(place, map, contents)) {
        const { spec } = map;
        const bytes =
          spec.btf === undefined ? encodeUntyped(spec.valueSize, value, path) : encodeValue(spec.btf, spec.valueTypeId ?? 0, value, path);
        write(map, slotBytes(key), taken(bytes), path);
      }
      return;
    default:
      for (const [index, { key, value, cpuValues }] of taken(readMapEntries(map.spec, contents)).entries()) {
        const path = `${map.name}[${Array.isArray(contents) ? index : (Object.keys(contents as object)[index] ?? index)}]`;
        write(map, key, cpuValues === undefined ? value! : perCpu(map, value, cpuValues), path);
      }
  }
}

/** A map's entries as values by BTF type (or hexadecimal), in bpftool's words; a ring buffer's records that nobody read, in hexadecimal; one error for a map that user space may not read. */
export function dumpMap(map: BpfMap): unknown[] {
  if (!map.readable) return [{ error: "EPERM, its user space may not read it (BPF_F_WRONLY)" }];
  if (map.arena !== undefined) return dumpArena(map, map.arena);
  if (map.records !== undefined) return map.records.map((record) => ({ record: formatHex(record) }));
  return [...map.entries()].map(([key, value]) => ({
    key: decodeKey(map.spec, key),
    ...(value instanceof Uint8Array
      ? { value: decodeMapValue(map.spec, value) }
      : { values: value.map((one, cpu) => ({ cpu, value: decodeMapValue(map.spec, one) })) }),
  }));
}

/** The `__arena` variables by their types, and each page that is there, in hexadecimal without the zeros at its end. */
function dumpArena(map: BpfMap, arena: Arena): unknown[] {
  const { btf, valueTypeId, contents } = map.spec;
  const typed = contents !== undefined && btf !== undefined && Boolean(valueTypeId);
  const variables = typed ? [{ variables: decodeMapValue(map.spec, arena.read(arena.start, contents.length)) }] : [];
  const pages = arena.pages.map(({ address, bytes }) => {
    const end = bytes.findLastIndex((byte) => byte !== 0) + 1;
    return { address: `0x${address.toString(16)}`, bytes: formatHex(bytes.subarray(0, end)) };
  });
  return [...variables, ...pages];
}

interface NamedEntry {
  readonly key: Uint8Array;
  readonly value: unknown;
  readonly path: string;
}

function namedEntries(map: BpfMap, contents: unknown): NamedEntry[] {
  return pairs(map, contents).map(({ key, value, path }) => ({ key: taken(encodeKey(map.spec, key, `${path}.key`)), value, path }));
}

/** Keys and values as they were written. */
function pairs(map: BpfMap, contents: unknown): { key: unknown; value: unknown; path: string }[] {
  if (Array.isArray(contents))
    return contents.map((one: unknown, index) => {
      const path = `${map.name}[${index}]`;
      if (!isObject(one) || !("key" in one) || !("value" in one)) throw entryProblem(path, one, "{ key, value }");
      return { key: one.key, value: one.value, path };
    });
  if (!isObject(contents)) throw entryProblem(map.name, contents, "a list of { key, value } or an object from keys to values");
  return Object.entries(contents).map(([key, value]) => ({ key, value, path: `${map.name}[${key}]` }));
}

function programSlot(place: ContentsPlace, name: unknown, path: string): number {
  if (typeof name !== "string") throw entryProblem(path, name, "the name of a program of the object");
  const found = findProgram(place.object.object, name);
  if (!found.ok) throw new ProblemError(problems.map_entry_program({ path, program: name }));
  return place.object.load({ ...found.value, type: place.programType }).slot;
}

/** The value of a DEVMAP or CPUMAP entry: ifindex or queue size, then the table slot of its program where the map has room for one. */
function targetBytes(place: ContentsPlace, map: BpfMap, value: unknown, path: string, word: "ifindex" | "qsize"): Uint8Array {
  const fields = isObject(value) ? value : { [word]: value };
  const unknown = Object.keys(fields).find((field) => field !== word && field !== "program");
  if (unknown !== undefined || !(word in fields)) throw entryProblem(path, value, `a number or { ${word}, program }`);
  const given = fields[word];
  const number = word === "ifindex" && typeof given === "string" ? place.ifindex(given) : given;
  if (typeof number !== "number" || !Number.isInteger(number) || number < 0 || number > 0xffffffff)
    throw entryProblem(`${path}.${word}`, given, word === "ifindex" ? "a device's name or ifindex" : "a number of frames");
  const bytes = new Uint8Array(map.spec.valueSize);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, number, true);
  if (fields.program !== undefined) {
    if (bytes.length < 8) throw entryProblem(path, value, "no program: the map's values have no room for one");
    view.setUint32(4, programSlot(place, fields.program, path), true);
  }
  return bytes;
}

/** A declared socket by its declaration or its number. */
function socketNumber(place: ContentsPlace, value: unknown, path: string): number {
  const number = typeof value === "string" ? (place.socket?.(value) ?? Number(value)) : value;
  if (typeof number === "number" && Number.isInteger(number) && number > 0) return number;
  throw entryProblem(path, value, "a socket as --socket declares it, or its number");
}

function cgroupId(place: ContentsPlace, value: unknown, path: string): number {
  if (typeof value === "string" && isCgroupPath(value) && place.cgroup !== undefined) return place.cgroup(value);
  throw entryProblem(path, value, "the path of a cgroup from the root");
}

/** Entries of an SK_STORAGE map: numbers of sockets, and their values as they were written. */
function ofSockets(place: ContentsPlace, map: BpfMap, contents: unknown): { key: number; value: unknown; path: string }[] {
  return pairs(map, contents).map(({ key, value, path }) => ({ key: socketNumber(place, key, `${path}.key`), value, path }));
}

function writeInner(place: ContentsPlace, map: BpfMap, key: Uint8Array, value: unknown, path: string): void {
  const inner = typeof value === "string" ? place.object.map(value) : undefined;
  if (inner === undefined || map.setInner(key, inner) < 0) throw new ProblemError(problems.map_entry_inner({ path, inner: String(value) }));
}

function perCpu(
  map: BpfMap,
  fallback: Uint8Array | undefined,
  cpuValues: readonly { readonly cpu: number; readonly value: Uint8Array }[],
): Uint8Array[] {
  const current = map.cpuCount;
  const values = Array.from({ length: current }, () => fallback ?? new Uint8Array(map.spec.valueSize));
  for (const { cpu, value } of cpuValues) {
    if (cpu >= current) throw entryProblem(`${map.name}: cpu`, cpu, `a CPU below ${current}`);
    values[cpu] = value;
  }
  return values;
}

function write(map: BpfMap, key: Uint8Array, value: Uint8Array | readonly Uint8Array[], path: string): void {
  const error = map.update(key, value);
  if (error < 0)
    throw new ProblemError(
      problems.map_entry_refused({
        path,
        reason: refusals.get(-error) ?? `error ${-error}`,
        limit: map.spec.maxEntries.toLocaleString("en-US"),
      }),
    );
}

/** What bpf(2) says to a user who updates a map. */
const refusals: ReadonlyMap<number, string> = new Map([
  [EPERM, "EPERM, it is frozen, or user space may only read it (BPF_F_RDONLY)"],
  [EBADF, "EBADF, no declared socket has this number"],
  [E2BIG, "E2BIG, it is full, or the index is past its end"],
  [ENOMEM, "ENOMEM, no memory is left"],
  [EEXIST, "EEXIST, there is such an entry"],
  [ENODEV, "ENODEV, there is no such CPU"],
  [EINVAL, "EINVAL, such an entry cannot be"],
  [EOVERFLOW, "EOVERFLOW, the queue is too large"],
]);

/** A number as a map's value of 4 or 8 bytes. */
function numberBytes(map: BpfMap, value: number): Uint8Array {
  const bytes = new Uint8Array(map.spec.valueSize);
  new DataView(bytes.buffer).setUint32(0, value, true);
  return bytes;
}

function slotBytes(slot: number): Uint8Array {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, slot, true);
  return bytes;
}

const isObject = (value: unknown): value is Record<string, unknown> => typeof value === "object" && value !== null && !Array.isArray(value);

function entryProblem(path: string, given: unknown, expected: string): ProblemError {
  const text = JSON.stringify(given, (_key, value: unknown) => (typeof value === "bigint" ? String(value) : value)) ?? "nothing";
  return new ProblemError(problems.map_entry_form({ path, given: text.slice(0, 80), expected }));
}

function taken<T>(result: Result<T>): T {
  if (!result.ok) throw new ProblemError(result.problem);
  return result.value;
}
