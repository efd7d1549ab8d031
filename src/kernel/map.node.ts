import { readFileSync } from "node:fs";
import type { MapSpec } from "../bpf/spec.ts";
import * as uapi from "../layout/index.ts";
import { ProblemError } from "../problem/index.ts";
import { KernelArena } from "./arena.node.ts";
import {
  BPF_MAP_CREATE,
  BPF_MAP_DELETE_ELEM,
  BPF_MAP_FREEZE,
  BPF_MAP_GET_NEXT_KEY,
  BPF_MAP_LOOKUP_AND_DELETE_ELEM,
  BPF_MAP_LOOKUP_ELEM,
  BPF_MAP_UPDATE_ELEM,
} from "./commands.ts";
import { errnoText, type Libc } from "./libc.node.ts";
import { loadMapTypes } from "./mapTypes.node.ts";
import { problems } from "./problems.ts";

const perCpuTypes: ReadonlySet<number> = new Set([
  uapi.BPF_MAP_TYPE_PERCPU_HASH,
  uapi.BPF_MAP_TYPE_PERCPU_ARRAY,
  uapi.BPF_MAP_TYPE_LRU_PERCPU_HASH,
  uapi.BPF_MAP_TYPE_PERCPU_CGROUP_STORAGE,
]);

/** How many CPUs the kernel keeps per-CPU values for: the last number of /sys/devices/system/cpu/possible, plus one. */
function possibleCpus(): number {
  const list = readFileSync("/sys/devices/system/cpu/possible", "utf8").trim();
  return Number(list.split(/[,-]/).at(-1)) + 1;
}

const answered = { lookup: BPF_MAP_LOOKUP_ELEM, take: BPF_MAP_LOOKUP_AND_DELETE_ELEM, nextKey: BPF_MAP_GET_NEXT_KEY } as const;

/** A map of the live kernel. Keys and values are bytes; a per-CPU value is one slice, a multiple of 8 bytes, for each possible CPU. */
export class KernelMap {
  readonly spec: MapSpec;
  readonly fd: number;
  readonly #libc: Libc;
  /** Bytes that a look-up returns. */
  readonly valueSize: number;

  /** The memory of an ARENA that names no address of its own; undefined for other maps. */
  readonly arena: KernelArena | undefined;

  /** A look-up returns one slice for each possible CPU. */
  readonly perCpu: boolean;

  constructor(libc: Libc, spec: MapSpec, fd: number) {
    this.#libc = libc;
    this.spec = spec;
    this.fd = fd;
    this.arena = spec.type === uapi.BPF_MAP_TYPE_ARENA && !spec.mapExtra ? new KernelArena(libc, fd, spec.maxEntries) : undefined;
    this.perCpu = perCpuTypes.has(spec.type);
    this.valueSize = this.perCpu ? ((spec.valueSize + 7) & ~7) * possibleCpus() : spec.valueSize;
  }

  /** Throws when the kernel refuses. Names longer than the kernel's 15 letters are cut. */
  static create(libc: Libc, spec: MapSpec): KernelMap {
    const inner = spec.inner === undefined ? undefined : KernelMap.create(libc, spec.inner);
    const types = loadMapTypes(libc, spec);
    const made = KernelMap.#make(libc, spec, inner, types);
    // The kernel refuses types that do not fit the map; then it is made without them, as libbpf does. SK_STORAGE cannot be.
    const fd =
      made < 0 && types !== undefined && spec.type !== uapi.BPF_MAP_TYPE_SK_STORAGE ? KernelMap.#make(libc, spec, inner, undefined) : made;
    inner?.close();
    if (types !== undefined) libc.close(types);
    if (fd < 0)
      throw new ProblemError(
        problems.kernel_call_failed({ call: `creating map ${spec.name}`, errno: errnoText(fd), detail: "see bpf(2)" }),
      );
    const map = new KernelMap(libc, spec, fd);
    if (spec.contents !== undefined && map.arena !== undefined) map.arena.write(0, spec.contents);
    else if (spec.contents !== undefined) map.#initialise(spec.contents);
    return map;
  }

  /** BPF_MAP_CREATE: the map's descriptor, or −errno. `types`: a descriptor of the type information that the spec's type ids are of. */
  static #make(libc: Libc, spec: MapSpec, inner: KernelMap | undefined, types: number | undefined): number {
    libc.begin();
    const at = libc.reserve(72);
    const { view } = libc;
    view.setUint32(at, spec.type, true);
    view.setUint32(at + 4, spec.keySize, true);
    view.setUint32(at + 8, spec.valueSize, true);
    view.setUint32(at + 12, spec.maxEntries, true);
    view.setUint32(at + 16, spec.flags, true);
    if (inner !== undefined) view.setUint32(at + 20, inner.fd, true);
    libc.scratch.set(objectName(spec.name), at + 28);
    if (types !== undefined) {
      view.setUint32(at + 48, types, true);
      view.setUint32(at + 52, spec.keyTypeId ?? 0, true);
      view.setUint32(at + 56, spec.valueTypeId ?? 0, true);
    }
    view.setBigUint64(at + 64, spec.mapExtra ?? 0n, true);
    return libc.bpf(BPF_MAP_CREATE, at, 72);
  }

  /** The one value of a global data section, and its freezing. */
  #initialise(contents: Uint8Array): void {
    const value = new Uint8Array(this.spec.valueSize);
    value.set(contents.subarray(0, value.length));
    const result = this.update(new Uint8Array(4), value);
    if (result < 0)
      throw new ProblemError(
        problems.kernel_call_failed({ call: `filling ${this.spec.name}`, errno: errnoText(result), detail: "see bpf(2)" }),
      );
    if (this.spec.frozen) this.freeze();
  }

  /** 0 or −errno. `value` of a per-CPU map holds all slices. QUEUE, STACK and BLOOM_FILTER take an empty key, and push. */
  update(key: Uint8Array, value: Uint8Array, flags = 0): number {
    return this.#element(BPF_MAP_UPDATE_ELEM, key, value, flags);
  }

  /** 0 or −errno. */
  delete(key: Uint8Array): number {
    return this.#element(BPF_MAP_DELETE_ELEM, key, undefined, 0);
  }

  /** 0 or −errno of an operation whose value nobody wants: looking a key up, taking an entry out, asking for the key behind it. */
  answer(operation: keyof typeof answered, key: Uint8Array): number {
    const size = operation === "nextKey" ? this.spec.keySize : this.valueSize;
    return this.#element(answered[operation], key, new Uint8Array(size), 0);
  }

  /** BPF_MAP_FREEZE: 0 or −errno. */
  freeze(): number {
    return this.#element(BPF_MAP_FREEZE, undefined, undefined, 0);
  }

  /** The value, or undefined when there is none (or the type has no look-up). QUEUE and STACK take an empty key, and give what pop would. */
  lookup(key: Uint8Array): Uint8Array | undefined {
    return this.#read(BPF_MAP_LOOKUP_ELEM, key);
  }

  /** Takes an entry out of the map: its value, or undefined when there is none. */
  lookupAndDelete(key: Uint8Array): Uint8Array | undefined {
    return this.#read(BPF_MAP_LOOKUP_AND_DELETE_ELEM, key);
  }

  #read(command: number, key: Uint8Array): Uint8Array | undefined {
    const result = this.#element(command, key, new Uint8Array(this.valueSize), 0);
    return result < 0 ? undefined : this.#libc.scratch.slice(this.#lastValue, this.#lastValue + this.valueSize);
  }

  /** All entries, in the kernel's order. An entry deleted meanwhile is left out. */
  *entries(): Generator<readonly [key: Uint8Array, value: Uint8Array]> {
    let key: Uint8Array | undefined;
    for (;;) {
      const libc = this.#libc;
      if (this.#element(BPF_MAP_GET_NEXT_KEY, key, new Uint8Array(this.spec.keySize), 0) < 0) return;
      key = libc.scratch.slice(this.#lastValue, this.#lastValue + this.spec.keySize);
      const value = this.lookup(key);
      if (value !== undefined) yield [key, value];
    }
  }

  close(): void {
    this.arena?.close();
    this.#libc.close(this.fd);
  }

  #lastValue = 0;

  #element(command: number, key: Uint8Array | undefined, value: Uint8Array | undefined, flags: number): number {
    const libc = this.#libc;
    libc.begin();
    const at = libc.reserve(32);
    libc.view.setUint32(at, this.fd, true);
    // Kinds without keys want no address of one.
    if (key !== undefined && key.length > 0) libc.view.setBigUint64(at + 8, libc.address(libc.place(key)), true);
    if (value !== undefined) {
      this.#lastValue = libc.place(value);
      libc.view.setBigUint64(at + 16, libc.address(this.#lastValue), true);
    }
    libc.view.setBigUint64(at + 24, BigInt(flags), true);
    return libc.bpf(command, at, 32);
  }
}

/** A name as the kernel takes it: 15 letters, digits, underscores or dots, and a NUL. */
export function objectName(name: string): Uint8Array {
  return new TextEncoder().encode(name.replace(/[^A-Za-z0-9_.]/g, "_").slice(0, 15));
}
