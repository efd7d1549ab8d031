import type { MapSpec } from "../../bpf/spec.ts";
import { Dataplane, type XdpSocketHandle } from "../../dataplane/index.ts";
import * as layout from "../../layout/index.ts";
import type { Device, MirredAction } from "../../nic/index.ts";
import { ProblemError } from "../../problem/index.ts";
import type { BpfMap, Engine, LoadedProgram } from "../../runtime/index.ts";
import { parseNeighbour, parsePrefix, parseRoute } from "../../stack/index.ts";
import { fromHex } from "../conformance/row.ts";
import { problems } from "./problems.ts";
import type { RowDevice, RowEntry, RowFilter, RowMap, RowProgram, TopologyRow } from "./row.ts";

/** CPUs of the machine that the topologies were recorded on. */
const CPUS = 2;
/** The tester: its devices are the ports that frames are injected on and captured from. */
export const TESTER = "T";
/** What the recorder's packet sockets are bound to on every device of a host. */
const SOCKET_TYPES = [0x88b5, 0x0800];
/** Attach types of second programs. include/uapi/linux/bpf.h. */
const ATTACH_TYPES: Readonly<Record<string, number>> = { XDP_DEVMAP: 35, XDP_CPUMAP: 36 };

/** A recorded topology, built in the simulator. */
export interface Topology {
  readonly dataplane: Dataplane;
  readonly maps: ReadonlyMap<string, BpfMap>;
  /** By "map[key]". */
  readonly sockets: ReadonlyMap<string, { readonly handle: XdpSocketHandle; readonly fill: number }>;
  /** What was refused, as the rows name it. */
  readonly errors: readonly (readonly (string | number)[])[];
}

const taken = <T>(result: { readonly ok: true; readonly value: T } | { readonly ok: false; readonly problem: never }): T => {
  if (!result.ok) throw new ProblemError(result.problem);
  return result.value;
};

/** Builds a row: devices, addresses, neighbours, routes, maps, programs, map contents, then what is attached, in the recorder's order. */
export function buildTopology(row: TopologyRow, programs: ReadonlyMap<string, RowProgram>, engine: Engine): Topology {
  const cpu = row.cpu ?? 0;
  const dataplane = new Dataplane({
    cpus: CPUS,
    engine,
    hosts: hostsOf(row),
    devices: row.devices.map((device) => ({
      name: device.name,
      host: device.host,
      peer: device.peer,
      ifindex: device.ifindex,
      mac: device.mac,
      mtu: device.mtu,
      up: device.up ?? true,
      gro: device.gro ?? false,
      vlanOffload: device.txvlan ?? true,
      affinity: [cpu],
      tap: device.host === TESTER || device.tap === true,
      packetSockets: device.host === TESTER ? [] : SOCKET_TYPES,
      addresses: (device.addrs ?? []).map((text) => parsePrefix(text)!),
    })),
  });
  return new Builder(row, programs, dataplane).build();
}

function hostsOf(row: TopologyRow) {
  const declared = row.hosts.map(({ name, ip_forward, routes, neighbours }) => ({
    name,
    ipForward: ip_forward ?? false,
    routes: (routes ?? []).map((text) => taken(parseRoute(text) as never)) as never,
    neighbours: (neighbours ?? []).map(({ ip, dev, mac }) => taken(parseNeighbour(`${ip} lladdr ${mac} dev ${dev}`) as never)) as never,
  }));
  return [...declared, { name: TESTER }];
}

class Builder {
  readonly #row: TopologyRow;
  readonly #specs: ReadonlyMap<string, RowProgram>;
  readonly #dataplane: Dataplane;
  readonly #maps = new Map<string, BpfMap>();
  readonly #programs = new Map<string, LoadedProgram>();
  readonly #sockets = new Map<string, { readonly handle: XdpSocketHandle; readonly fill: number }>();
  readonly #errors: (readonly (string | number)[])[] = [];

  constructor(row: TopologyRow, specs: ReadonlyMap<string, RowProgram>, dataplane: Dataplane) {
    this.#row = row;
    this.#specs = specs;
    this.#dataplane = dataplane;
  }

  build(): Topology {
    const { maps, programs, devices } = this.#row;
    for (const map of maps) this.#maps.set(map.name, this.#dataplane.createMap(mapSpec(map), map.host));
    for (const { name } of programs) this.#programs.set(name, this.#load(name));
    for (const map of maps) for (const entry of map.entries ?? []) this.#fill(map, entry);
    for (const device of devices) this.#attachAll(device);
    return { dataplane: this.#dataplane, maps: this.#maps, sockets: this.#sockets, errors: this.#errors };
  }

  #load(name: string): LoadedProgram {
    const program = this.#specs.get(name);
    if (program === undefined) throw new ProblemError(problems.topology_program_unknown({ row: this.#row.id, program: name }));
    const maps = program.maps.map((map) => {
      const made = this.#maps.get(map);
      if (made === undefined) throw new ProblemError(problems.topology_map_unknown({ row: this.#row.id, program: name, map }));
      return made;
    });
    return this.#dataplane.load(
      {
        name,
        section: program.type,
        type: program.type === "xdp" ? "xdp" : "sched_cls",
        expectedAttachType: ATTACH_TYPES[program.attach ?? ""] ?? 0,
        flags: program.flags ?? 0,
        license: "GPL",
        instructions: fromHex(program.insns),
        maps: maps.map(({ spec }) => spec),
        functions: [{ instruction: 0, name }],
        lines: [],
      },
      maps,
    );
  }

  #program(name: string): LoadedProgram {
    const program = this.#programs.get(name);
    if (program === undefined) throw new ProblemError(problems.topology_program_unknown({ row: this.#row.id, program: name }));
    return program;
  }

  #fill(row: RowMap, entry: RowEntry): void {
    const map = this.#maps.get(row.name)!;
    const key = typeof entry.key === "number" ? words(entry.key) : fromHex(entry.key);
    const error = map.update(key, this.#value(row, entry));
    if (error !== 0 && entry.errno !== error) this.#errors.push(["map", row.name, entry.key, error]);
    if (error === 0 && entry.errno !== undefined) this.#errors.push(["map", row.name, entry.key, 0]);
  }

  #value(row: RowMap, entry: RowEntry): Uint8Array {
    if (entry.xsk !== undefined) {
      const { device, queue, fill } = entry.xsk;
      const handle = this.#dataplane.createXdpSocket(this.#device(device), queue, fill);
      this.#sockets.set(`${row.name}[${entry.key}]`, { handle, fill });
      return words(handle.address);
    }
    if (entry.value !== undefined) return fromHex(entry.value);
    const slot = entry.prog === undefined ? 0 : this.#program(entry.prog).slot;
    if (row.type === "PROG_ARRAY") return words(slot);
    const target = entry.ifindex ?? entry.qsize ?? 0;
    return row.value_size === 8 ? words(target, slot) : words(target);
  }

  #device(name: string): Device {
    return this.#dataplane.device(name)!;
  }

  #attachAll(row: RowDevice): void {
    const device = this.#device(row.name);
    for (const xdp of [row.xdp, row.xdp2]) {
      if (xdp === undefined) continue;
      this.#attempt(["xdp", row.name], () => this.#dataplane.attach(device, "xdp", this.#program(xdp.program), xdp.mode));
    }
    for (const direction of ["ingress", "egress"] as const) {
      for (const name of row[`tcx_${direction}`] ?? [])
        this.#attempt(["tcx", row.name, name], () => this.#dataplane.attach(device, `tcx/${direction}`, this.#program(name)));
    }
    for (const direction of ["ingress", "egress"] as const) {
      for (const filter of row.clsact?.[direction] ?? [])
        this.#attempt(["filter", row.name, filter.program], () =>
          this.#dataplane.attach(device, direction, this.#program(filter.program), undefined, this.#filter(row, filter)),
        );
    }
  }

  #filter(device: RowDevice, { prio, da = true, classid = 0, mirred }: RowFilter) {
    return { priority: prio, direct: da, classid, ...(mirred === undefined ? {} : { mirred: this.#mirred(device, mirred) }) };
  }

  #mirred({ host }: RowDevice, { ifindex, eaction, action }: NonNullable<RowFilter["mirred"]>): MirredAction {
    const target = this.#row.devices.find((device) => device.host === host && device.ifindex === ifindex)!;
    return {
      device: this.#device(target.name),
      direction: eaction === layout.TCA_EGRESS_REDIR || eaction === layout.TCA_EGRESS_MIRROR ? "egress" : "ingress",
      kind: eaction === layout.TCA_EGRESS_REDIR || eaction === layout.TCA_INGRESS_REDIR ? "redirect" : "mirror",
      verdict: action,
    };
  }

  /** Attaches; a refusal is noted with the errno that the kernel gives. */
  #attempt(what: readonly string[], attach: () => void): void {
    try {
      attach();
    } catch (error) {
      const errno = error instanceof ProblemError ? REFUSALS[error.problem.code] : undefined;
      if (errno === undefined) throw error;
      this.#errors.push([...what, -errno]);
    }
  }
}

const REFUSALS: Readonly<Record<string, number>> = {
  xdp_mode_conflict: layout.EEXIST,
  xdp_attached: layout.EBUSY,
  xdp_mtu: layout.ERANGE,
};

function mapSpec(map: RowMap): MapSpec {
  return {
    name: map.name,
    type: Reflect.get(layout, `BPF_MAP_TYPE_${map.type}`) as number,
    keySize: map.key_size,
    valueSize: map.value_size,
    maxEntries: map.max_entries,
    flags: map.flags ?? 0,
  };
}

/** Words in little endian. */
function words(...values: readonly number[]): Uint8Array {
  const bytes = new Uint8Array(values.length * 4);
  const view = new DataView(bytes.buffer);
  for (const [index, value] of values.entries()) view.setUint32(index * 4, value, true);
  return bytes;
}
