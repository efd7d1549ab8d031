import type { MapSpec } from "../../../src/bpf/spec.ts";
import type { Kernel, KernelMap, KernelRing, KernelUserRing } from "../../../src/kernel/index.ts";
import { ProblemError } from "../../../src/problem/index.ts";
import { applyEntries, applyFirstContents, INNER_ENTRIES, INNER_KEYS, readingOf, type UserSide } from "./contents.ts";
import { packetBytes } from "./input.ts";
import { contextBytes, contextFields, contextText, hex, type RunOutcome, type SetOutcome } from "./outcome.ts";
import type { AssembledSet, GeneratedSet } from "./program.ts";

const u32 = (value: number): Uint8Array => new Uint8Array(Uint32Array.of(value).buffer);
const u64 = (value: number): Uint8Array => new Uint8Array(BigUint64Array.of(BigInt(value)).buffer);
const EMPTY = new Uint8Array(0);

/** Maps and programs of one set in the live kernel. */
class LiveSet {
  readonly #kernel: Kernel;
  readonly #maps: ReadonlyMap<string, KernelMap>;
  readonly #inner = new Map<string, { readonly key: number; readonly map: KernelMap }[]>();
  readonly #rings = new Map<string, KernelRing>();
  readonly #user: UserSide;
  readonly #userRing: KernelUserRing | undefined;

  constructor(kernel: Kernel, specs: readonly MapSpec[]) {
    this.#kernel = kernel;
    this.#maps = kernel.createMaps(specs);
    this.#user = {
      update: (name, key, value) => {
        const map = this.#maps.get(name)!;
        map.update(key, map.perCpu ? repeated(value, map.valueSize) : value);
      },
      delete: (name, key) => {
        this.#maps.get(name)!.delete(key);
      },
      produce: (record) => {
        this.#userRing!.write(record);
      },
    };
    const userRing = this.#maps.get("user_ringbuf");
    this.#userRing = userRing && kernel.openUserRing(userRing);
    for (const spec of specs) {
      if (readingOf(spec) === "records") this.#rings.set(spec.name, kernel.openRing(this.#maps.get(spec.name)!));
      if (readingOf(spec) === "inner") this.#inner.set(spec.name, this.#fillInner(spec));
    }
  }

  #fillInner(spec: MapSpec) {
    return INNER_KEYS.map((key) => {
      const map = this.#kernel.createMap(spec.inner!);
      for (const [at, value] of INNER_ENTRIES) map.update(u32(at), u64(value + key));
      this.#maps.get(spec.name)!.update(u32(key), u32(map.fd));
      return { key, map };
    });
  }

  run(generated: GeneratedSet, { main, tails, maps }: AssembledSet): RunOutcome[] {
    for (const [index, tail] of tails.entries()) {
      const program = this.#kernel.loadProgram(tail, this.#maps);
      this.#maps.get("prog_array")!.update(u32(index), u32(program.fd));
    }
    const program = this.#kernel.loadProgram(main, this.#maps);
    applyFirstContents(maps, generated, this.#user);
    return generated.runs.map(({ packet, context, entries }, index) => {
      if (index > 0) applyEntries(maps, entries, this.#user);
      const given = context && contextBytes(generated.type, context);
      const {
        error,
        returned,
        packet: left,
        context: out,
      } = program.run({ packet: packetBytes(packet), ...(given ? { context: given } : {}) });
      const last = index === generated.runs.length - 1;
      const found = Object.fromEntries(maps.map((spec) => [spec.name, this.#contents(spec, last)]));
      if (error < 0) return { result: `errno ${-error}`, packet: "", context: "", maps: found };
      return {
        result: `returned ${returned}`,
        packet: hex(left),
        context: out === undefined ? "" : contextText(contextFields(generated.type, out)),
        maps: found,
      };
    });
  }

  #contents(spec: MapSpec, last: boolean): string {
    const map = this.#maps.get(spec.name)!;
    switch (readingOf(spec)) {
      case "nothing":
        return "";
      case "records":
        return this.#rings.get(spec.name)!.drain().map(hex).join(" ");
      case "next": {
        if (!last) return hex(map.lookup(EMPTY) ?? EMPTY);
        const taken: string[] = [];
        for (let value = map.lookupAndDelete(EMPTY); value !== undefined; value = map.lookupAndDelete(EMPTY)) taken.push(hex(value));
        return taken.join(" ");
      }
      case "inner":
        return this.#inner
          .get(spec.name)!
          .map(({ key, map: inner }) => `${key}: ${entriesText(inner)}`)
          .join("; ");
      case "entries":
        return entriesText(map);
    }
  }

  close(): void {
    for (const ring of this.#rings.values()) ring.close();
    this.#userRing?.close();
  }
}

const entriesText = (map: KernelMap): string =>
  [...map.entries()]
    .map(([key, value]) => `${hex(key)}=${hex(value)}`)
    .sort()
    .join(" ");

/** A value for each CPU, each padded to 8 bytes. */
function repeated(value: Uint8Array, size: number): Uint8Array {
  const all = new Uint8Array(size);
  for (let at = 0; at < size; at += (value.length + 7) & ~7) all.set(value, at);
  return all;
}

/** Runs a set in the live kernel; everything made is gone afterwards. */
export function runLive(kernel: Kernel, generated: GeneratedSet, assembled: AssembledSet): SetOutcome {
  let set: LiveSet | undefined;
  try {
    set = new LiveSet(kernel, assembled.maps);
    return { runs: set.run(generated, assembled) };
  } catch (error) {
    if (!(error instanceof ProblemError) || error.problem.code !== "kernel_rejected") throw error;
    return { rejected: `${error.problem.message}\n${error.problem.hint}` };
  } finally {
    set?.close();
    kernel[Symbol.dispose]();
  }
}
