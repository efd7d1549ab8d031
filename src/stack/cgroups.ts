import { Cgroup, NetNamespace, ROOT_CGROUP } from "../layout/index.ts";
import { ProblemError } from "../problem/index.ts";
import type { SimulatedMemory } from "../runtime/index.ts";
import { problems } from "./problems.ts";

/** Most cgroups that can be named in a run. */
const LIMIT = 1024;

/** The cgroups that declared sockets are in and that maps name, by their paths from the root (`/`). They come to be when they are named first, and their ancestors with them. */
export class Cgroups {
  readonly #memory: SimulatedMemory;
  readonly #table: number;
  readonly #ids = new Map<string, number>();

  constructor(memory: SimulatedMemory, namespace: number) {
    this.#memory = memory;
    this.#table = memory.allocate("engine", LIMIT * Cgroup.size, 8, "cgroups");
    NetNamespace.write(memory.view, namespace, "cgroups", this.#table);
    Cgroup.write(memory.view, this.#table, "parent", ROOT_CGROUP);
    this.#ids.set("/", ROOT_CGROUP);
  }

  /** Id of a cgroup, as bpf_skb_cgroup_id gives it: from 1, in the order of naming. Throws a Problem where there are too many. */
  idOf(path: string): number {
    const known = this.#ids.get(path);
    if (known !== undefined) return known;
    const parent = this.idOf(path.slice(0, path.lastIndexOf("/")) || "/");
    if (this.#ids.size === LIMIT) throw new ProblemError(problems.too_many_cgroups({ path, limit: LIMIT }));
    const { view } = this.#memory;
    const id = this.#ids.size + 1;
    const at = this.#table + (id - 1) * Cgroup.size;
    Cgroup.write(view, at, "parent", parent);
    Cgroup.write(view, at, "level", Cgroup.read(view, this.#table + (parent - 1) * Cgroup.size, "level") + 1);
    this.#ids.set(path, id);
    return id;
  }

  /** Path of the cgroup with this id. */
  pathOf(id: number): string | undefined {
    return [...this.#ids].find(([, known]) => known === id)?.[0];
  }
}

/** Whether a text is a path of a cgroup as /proc/PID/cgroup shows it: `/`, `/system.slice/nginx.service`. */
export const isCgroupPath = (text: string): boolean => /^\/$|^(?:\/[^/\s]+)+$/.test(text);
