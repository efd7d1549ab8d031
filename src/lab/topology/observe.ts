import type { DataplaneEvent, RunResult } from "../../dataplane/index.ts";
import { drainRing } from "../../runtime/index.ts";
import { toHex } from "../conformance/row.ts";
import { TESTER, type Topology } from "./machine.ts";
import type { RowExpect, TopologyRow } from "./row.ts";

/** Names of verdicts in tracepoints; others are numbers. */
const ACTIONS = ["ABORTED", "DROP", "PASS", "TX", "REDIRECT"];
const INT_MAX = 0x7fffffff;
const ETH_P_IP = 0x0800;
/** Maps whose contents rows do not have. */
const OPAQUE: ReadonlySet<string> = new Set(["DEVMAP", "DEVMAP_HASH", "CPUMAP", "XSKMAP", "PROG_ARRAY", "RINGBUF"]);

type Mutable<T> = { -readonly [Key in keyof T]: T[Key] };

/** Puts a value at the end of the list of that name, which begins with it where there is none. */
function append<T>(lists: Record<string, T[]>, name: string, value: T): void {
  const list = lists[name];
  if (list === undefined) lists[name] = [value];
  else list.push(value);
}

/** Gathers what one step brings about, in the form that rows have. */
export class Observation {
  readonly #row: TopologyRow;
  readonly #topology: Topology;
  readonly #hosts: ReadonlyMap<string, string>;
  readonly #ports: Record<string, string[]> = {};
  readonly #taps: Record<string, [string, string][]> = {};
  readonly #stack: Record<string, { late: boolean; entry: string | [number, string] }[]> = {};
  readonly #xsk: Record<string, string[]> = {};
  readonly #tracepoints: Record<string, string | number>[] = [];
  readonly #sendErrors: number[] = [];

  constructor(row: TopologyRow, topology: Topology) {
    this.#row = row;
    this.#topology = topology;
    this.#hosts = new Map(row.devices.map(({ name, host }) => [name, host]));
  }

  add(event: DataplaneEvent): void {
    switch (event.kind) {
      case "tap":
        this.#tap(event.device, event.direction, toHex(event.bytes));
        return;
      case "socket": {
        const hex = toHex(event.bytes);
        const entry: string | [number, string] = event.packetType === 0 ? hex : [event.packetType, hex];
        append(this.#stack, event.device, { late: event.protocol === ETH_P_IP, entry });
        return;
      }
      case "xsk": {
        const found = [...this.#topology.sockets].find(([, { handle }]) => handle.number === event.socket);
        if (found !== undefined) append(this.#xsk, found[0], toHex(event.bytes));
        return;
      }
      case "send_error":
        this.#sendErrors.push(event.errno);
        return;
      case "tracepoint":
        if (event.name === "xdp_cpumap_kthread" ? event.fields.processed !== 0 : event.cpu === (this.#row.cpu ?? 0))
          this.#tracepoints.push(this.#named(event.name, event.fields));
    }
  }

  /** Ports show what comes in, taps of hosts both ways. */
  #tap(device: string, direction: string, hex: string): void {
    if (this.#hosts.get(device) !== TESTER) append(this.#taps, device, [direction, hex]);
    else if (direction === "in") append(this.#ports, device, hex);
  }

  #named(ev: string, fields: Readonly<Record<string, number>>): Record<string, string | number> {
    const named: Record<string, string | number> = { ev };
    for (const [field, value] of Object.entries(fields)) {
      if (field === "prog") named.prog = this.#topology.dataplane.programs.find(({ slot }) => slot === value)?.name ?? value;
      else if (field === "action") named.action = ACTIONS[value] ?? `0x${(value >>> 0).toString(16)}`;
      else if (field === "map_id") named.map = value === INT_MAX || value === 0 ? value : this.#mapName(value);
      else named[field] = value | 0;
    }
    return named;
  }

  #mapName(id: number): string | number {
    return [...this.#topology.dataplane.host.maps].find((map) => map.id === id)?.name ?? id;
  }

  /** All of it, once the run has ended. `withMaps`: also the maps' contents. */
  finish(result: RunResult, withMaps: boolean): RowExpect {
    const seen: Mutable<RowExpect> = {
      counters: this.#counters(result, false),
      ethtool: this.#counters(result, true),
      tracepoints: this.#tracepoints,
    };
    if (Object.keys(this.#ports).length > 0) seen.ports = this.#ports;
    if (Object.keys(this.#taps).length > 0) seen.taps = this.#taps;
    if (Object.keys(this.#xsk).length > 0) seen.xsk = this.#xsk;
    const stack = Object.entries(this.#stack).map(([device, frames]) => {
      const inOrder = [...frames.filter(({ late }) => !late), ...frames.filter(({ late }) => late)];
      return [device, inOrder.map(({ entry }) => entry)] as const;
    });
    if (stack.length > 0) seen.stack = Object.fromEntries(stack);
    const probes = this.#probes();
    if (probes.length > 0) seen.probes = probes;
    if (withMaps) seen.maps = this.#maps();
    if (this.#sendErrors.length > 0) seen.send_errno = this.#sendErrors;
    return seen;
  }

  #counters(result: RunResult, queues: boolean): Record<string, Record<string, number>> {
    const all: Record<string, Record<string, number>> = {};
    for (const { name } of this.#row.devices) {
      const wanted = Object.entries(result.devices[name] ?? {}).filter(([key]) => /^[rt]x_queue_/.test(key) === queues);
      if (wanted.length > 0) all[name] = Object.fromEntries(wanted);
    }
    return all;
  }

  #probes(): string[] {
    const ring = this.#topology.maps.get("rb");
    return ring === undefined ? [] : drainRing(this.#topology.dataplane.memory, ring).map(toHex);
  }

  #maps(): Record<string, unknown> {
    const all: Record<string, unknown> = {};
    for (const { name, type } of this.#row.maps) {
      if (OPAQUE.has(type) || name === "budget") continue;
      const entries = Array.from(this.#topology.maps.get(name)!.entries(), ([key, value]) => [
        toHex(key),
        value instanceof Uint8Array ? toHex(value) : value.map(toHex),
      ]);
      all[name] = entries.sort(([a], [b]) => (a! < b! ? -1 : 1));
    }
    return all;
  }
}
