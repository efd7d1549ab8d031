import {
  AF_INET6,
  CONNECTION_INSERTED,
  CONNECTION_STRIDE,
  Connection,
  ConnectionHolds,
  ConnectionSlot,
  ConntrackTable,
  ConntrackTuple,
  CpuBlock,
  CT_PROTO_TCP_STATE,
  FIRST_PACKET_NS,
  HZ,
  INITIAL_JIFFIES,
  IP_CT_DIR_ORIGINAL,
  IP_CT_DIR_REPLY,
  IPPROTO_TCP,
  NetNamespace,
} from "../layout/index.ts";
import { ProblemError } from "../problem/index.ts";
import type { MapHost, SimulatedMemory } from "../runtime/index.ts";
import { type ConnectionSpec, type FlowTuple, familyNumber, formatConnection } from "./connections.ts";
import { problems } from "./problems.ts";

/** net.netfilter.nf_conntrack_max of a host with 4 GiB of memory or more. */
const CONNTRACK_MAX = 262_144;
/** Jiffies at the first packet of a run. */
const FIRST_JIFFIES = INITIAL_JIFFIES + (FIRST_PACKET_NS / 1e9) * HZ;
/** Longest timeout that Linux takes, in jiffies. */
const INT_MAX = 0x7fffffff;

export interface ConntrackSettings {
  readonly connections: readonly ConnectionSpec[];
  /** CONNTRACK_MAX unless said. */
  readonly capacity?: number;
}

/** Makes the namespace's conntrack table, with these connections in it. Throws a Problem when two of them have the same tuple. */
export function layOutConntrack(host: MapHost, namespace: number, { connections, capacity = CONNTRACK_MAX }: ConntrackSettings): void {
  if (connections.length > capacity) throw new ProblemError(problems.connections_too_many({ count: connections.length, limit: capacity }));
  const { memory } = host;
  const what = "the conntrack table";
  const buckets = 2 ** Math.ceil(Math.log2(capacity));
  const table = memory.allocate("engine", ConntrackTable.size, 64, what);
  const parts = {
    buckets: memory.allocate("engine", buckets * 4, 64, what),
    bucket_mask: buckets - 1,
    slots: memory.allocate("engine", capacity * ConnectionSlot.size, 64, what),
    connections: memory.allocate("program", capacity * CONNECTION_STRIDE, 64, what),
    capacity,
    holds: memory.allocate("engine", (host.cpus.blocks.length + 1) * ConnectionHolds.size, 64, what),
  };
  for (const [field, value] of Object.entries(parts)) ConntrackTable.write(memory.view, table, field as keyof typeof parts, value);
  for (const spec of connections) insert(host, table, spec);
  NetNamespace.write(memory.view, namespace, "conntrack", table);
}

function insert(host: MapHost, table: number, spec: ConnectionSpec): void {
  const at = host.call("allocateConnection", [table]) >>> 0;
  const { view } = host.memory;
  const put = (tuple: number, flow: FlowTuple, dir: number): void => {
    host.memory.bytes.set(flow.src, tuple + ConntrackTuple.at.src);
    host.memory.bytes.set(flow.dst, tuple + ConntrackTuple.at.dst);
    view.setUint16(tuple + ConntrackTuple.at.src_port, flow.sport);
    view.setUint16(tuple + ConntrackTuple.at.dst_port, flow.dport);
    ConntrackTuple.write(view, tuple, "l3num", familyNumber(flow));
    ConntrackTuple.write(view, tuple, "protonum", spec.protocol);
    ConntrackTuple.write(view, tuple, "dir", dir);
  };
  put(at + Connection.at.original, spec.original, IP_CT_DIR_ORIGINAL);
  put(at + Connection.at.reply, spec.reply, IP_CT_DIR_REPLY);
  const fields = {
    timeout: (FIRST_JIFFIES + Math.min(spec.timeout * HZ, INT_MAX)) >>> 0,
    zone_id: spec.zone,
    zone_dir: spec.zoneDirections,
    mark: spec.mark,
    secmark: spec.secmark,
  };
  for (const [field, value] of Object.entries(fields)) Connection.write(view, at, field as keyof typeof fields, value);
  Connection.writeBig(view, at, "status", BigInt(spec.status));
  if (spec.protocol === IPPROTO_TCP) view.setUint8(at + Connection.at.proto + CT_PROTO_TCP_STATE, spec.state);
  const isNew = host.call("insertConnection", [table, at]) !== 0;
  host.call("dropConnection", [table, at]);
  if (!isNew) throw new ProblemError(problems.connection_twice({ text: spec.text }));
}

/** The connections in the namespace's table that have not expired, in the order of their places. No CPU may be running. */
export function trackedConnections({ memory, cpus }: MapHost, namespace: number): ConnectionSpec[] {
  const { view } = memory;
  const table = NetNamespace.read(view, namespace, "conntrack");
  if (table === 0) return [];
  const [slots, connections, fresh] = (["slots", "connections", "fresh"] as const).map((field) => ConntrackTable.read(view, table, field));
  const now = INITIAL_JIFFIES + latestTicks(view, cpus.blocks);
  const found: ConnectionSpec[] = [];
  for (let number = 0; number < fresh!; number++) {
    if (ConnectionSlot.read(view, slots! + number * ConnectionSlot.size, "state") !== CONNECTION_INSERTED) continue;
    const spec = readConnection(memory, connections! + number * CONNECTION_STRIDE, now);
    if (spec.timeout >= 0) found.push({ ...spec, text: formatConnection(spec) });
  }
  return found;
}

/** Ticks since boot on the CPU that is furthest. Before the first packet, those at its arrival. */
function latestTicks(view: DataView, blocks: readonly number[]): number {
  const latest = blocks.map((block) => Number(CpuBlock.readBig(view, block, "boot_ns")));
  return Math.floor((Math.max(FIRST_PACKET_NS, ...latest) / 1e9) * HZ);
}

function readConnection({ view, bytes }: SimulatedMemory, at: number, now: number): ConnectionSpec {
  const flow = (tuple: number): FlowTuple => {
    const length = ConntrackTuple.read(view, tuple, "l3num") === AF_INET6 ? 16 : 4;
    const address = (from: number): Uint8Array => bytes.slice(from, from + length);
    return {
      src: address(tuple + ConntrackTuple.at.src),
      dst: address(tuple + ConntrackTuple.at.dst),
      sport: view.getUint16(tuple + ConntrackTuple.at.src_port),
      dport: view.getUint16(tuple + ConntrackTuple.at.dst_port),
    };
  };
  const original = at + Connection.at.original;
  const protocol = ConntrackTuple.read(view, original, "protonum");
  const left = (Connection.read(view, at, "timeout") - now) | 0;
  return {
    text: "",
    protocol,
    // What has no time left is as good as gone.
    timeout: left > 0 ? Math.floor(left / HZ) : -1,
    original: flow(original),
    reply: flow(at + Connection.at.reply),
    status: Number(Connection.readBig(view, at, "status")),
    state: protocol === IPPROTO_TCP ? view.getUint8(at + Connection.at.proto + CT_PROTO_TCP_STATE) : 0,
    mark: Connection.read(view, at, "mark"),
    secmark: Connection.read(view, at, "secmark"),
    zone: Connection.read(view, at, "zone_id"),
    zoneDirections: Connection.read(view, at, "zone_dir"),
  };
}
