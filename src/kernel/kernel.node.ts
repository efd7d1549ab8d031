import type { MapSpec, ProgramSpec } from "../bpf/spec.ts";
import { BPF_MAP_TYPE_ARRAY } from "../layout/index.ts";
import { failure, ProblemError, type Result, success } from "../problem/index.ts";
import { BPF_OBJ_GET } from "./commands.ts";
import { errnoText, type Libc, openLibc } from "./libc.node.ts";
import { KernelMap } from "./map.node.ts";
import { problems } from "./problems.ts";
import { KernelProgram } from "./program.node.ts";
import { KernelRing, KernelUserRing } from "./ring.node.ts";

/** The live kernel: makes maps and loads programs, of any type, and forgets them all when it is closed. */
export class Kernel {
  readonly #libc: Libc;
  readonly #maps: KernelMap[] = [];
  readonly #programs: KernelProgram[] = [];

  constructor(libc: Libc) {
    this.#libc = libc;
  }

  createMap(spec: MapSpec): KernelMap {
    const map = KernelMap.create(this.#libc, spec);
    this.#maps.push(map);
    return map;
  }

  /** The maps of several programs, each made once, by name. */
  createMaps(specs: Iterable<MapSpec>): Map<string, KernelMap> {
    const maps = new Map<string, KernelMap>();
    for (const spec of specs) if (!maps.has(spec.name)) maps.set(spec.name, this.createMap(spec));
    return maps;
  }

  loadProgram(spec: ProgramSpec, maps: ReadonlyMap<string, KernelMap> = this.createMaps(spec.maps)): KernelProgram {
    const program = KernelProgram.load(this.#libc, spec, maps);
    this.#programs.push(program);
    return program;
  }

  /** The reading side of a RINGBUF; to be closed. */
  openRing(map: KernelMap): KernelRing {
    return new KernelRing(this.#libc, map);
  }

  /** The writing side of a USER_RINGBUF; to be closed. */
  openUserRing(map: KernelMap): KernelUserRing {
    return new KernelUserRing(this.#libc, map);
  }

  /** A map that somebody pinned to a path of the BPF file system. */
  pinnedMap(path: string, spec: MapSpec): KernelMap {
    const map = new KernelMap(this.#libc, spec, this.#openPinned(path));
    this.#maps.push(map);
    return map;
  }

  /** A program that somebody pinned. */
  pinnedProgram(path: string, spec: ProgramSpec): KernelProgram {
    const program = new KernelProgram(this.#libc, spec, this.#openPinned(path));
    this.#programs.push(program);
    return program;
  }

  #openPinned(path: string): number {
    const libc = this.#libc;
    libc.begin();
    const at = libc.reserve(16);
    libc.view.setBigUint64(at, libc.address(libc.place(new TextEncoder().encode(`${path}\0`))), true);
    const fd = libc.bpf(BPF_OBJ_GET, at, 16);
    if (fd < 0) throw callFailed(`opening ${path}`, fd);
    return fd;
  }

  /**
   * Runs `action` with this thread in a network namespace of its own, which is gone afterwards. Maps of devices and bpf_fib_lookup see that namespace, and
   * processes started meanwhile (ip, sysctl) do.
   */
  async inNetworkNamespace<T>(action: () => T | Promise<T>): Promise<T> {
    const libc = this.#libc;
    const home = libc.open("/proc/thread-self/ns/net");
    if (home < 0) throw callFailed("opening the network namespace", home);
    try {
      const made = libc.newNetworkNamespace();
      if (made < 0) throw callFailed("unshare(CLONE_NEWNET)", made);
      try {
        return await action();
      } finally {
        libc.enterNetworkNamespace(home);
      }
    } finally {
      libc.close(home);
    }
  }

  [Symbol.dispose](): void {
    for (const program of this.#programs.splice(0)) program.close();
    for (const map of this.#maps.splice(0)) map.close();
  }
}

const callFailed = (call: string, errno: number) =>
  new ProblemError(problems.kernel_call_failed({ call, errno: errnoText(errno), detail: "it takes root" }));

const smallestMap: MapSpec = { name: "probe", type: BPF_MAP_TYPE_ARRAY, keySize: 4, valueSize: 4, maxEntries: 1, flags: 0 };

/** The live kernel, when koffi is there and bpf(2) is allowed. A failure says what is missing and how to get it. */
export function openKernel(): Result<Kernel> {
  const libc = openLibc();
  if (!libc.ok) return libc;
  const kernel = new Kernel(libc.value);
  try {
    kernel.createMap(smallestMap).close();
  } catch (error) {
    if (!(error instanceof ProblemError)) throw error;
    return failure(problems.kernel_bpf_refused({ errno: error.problem.message.split(": ").at(-1) ?? "" }));
  }
  return success(new Kernel(libc.value));
}
