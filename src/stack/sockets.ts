import {
  AF_INET,
  AF_INET6,
  IPPROTO_TCP,
  IPPROTO_UDP,
  KernelSocket,
  NetNamespace,
  REQUEST_SOCKETS,
  SOCK_DGRAM,
  SOCK_STREAM,
  SOCKET_BUCKETS,
  Socket,
  TCP_CLOSE,
  TCP_ESTABLISHED,
  TCP_LISTEN,
  TCP_NEW_SYN_RECV,
  TCP_TIME_WAIT,
  TcpSock,
} from "../layout/index.ts";
import { parseIpAddress } from "../packet/index.ts";
import { failure, ProblemError, type Result, success } from "../problem/index.ts";
import type { SimulatedMemory } from "../runtime/index.ts";
import { Cgroups, isCgroupPath } from "./cgroups.ts";
import { layOutKernelSocket } from "./kernelSockets.ts";
import type { RoutedDevice } from "./network.ts";
import { problems } from "./problems.ts";

/** One end of a socket: an address in network byte order (zeros for any) and a port. */
interface SocketEnd {
  readonly address: Uint8Array;
  readonly port: number;
}

/** A socket of the simulated host, as declared. Nothing is ever read from or written to it. */
export interface SocketSpec {
  /** What the user wrote, for messages. */
  readonly text: string;
  readonly protocol: "tcp" | "udp";
  /** TCP only; a UDP socket is connected when it has a peer. */
  readonly state?: "listen" | "established" | "time-wait";
  readonly local: SocketEnd;
  readonly peer?: SocketEnd;
  readonly device?: string;
  /** An IPv6 socket that takes no IPv4. */
  readonly v6only?: boolean;
  readonly mark?: number;
  readonly priority?: number;
  /** Its owner. */
  readonly uid?: number;
  /** Path of its cgroup from the root, which it is in unless said. */
  readonly cgroup?: string;
}

const STATES: ReadonlySet<string> = new Set(["listen", "established", "time-wait"]);
const NUMBERS: ReadonlySet<string> = new Set(["mark", "priority", "uid"]);

/** `10.0.0.1:80`, `[2001:db8::1]:80`, `*:80` for any IPv4 address. */
function readEnd(text: string): SocketEnd {
  const parts = /^(?:\[([^\]]+)\]|([^[\]:]+)):([0-9]{1,5})$/.exec(text);
  const port = Number(parts?.[3]);
  const address = parts?.[2] === "*" ? new Uint8Array(4) : parseIpAddress(parts?.[1] ?? parts?.[2] ?? "");
  if (!address || (address.length === 16) !== (parts?.[1] !== undefined)) throw `${text} is no address with a port`;
  if (port < 1 || port > 65535) throw `${text} has no port from 1 to 65535`;
  return { address, port };
}

type Draft = { -readonly [Key in keyof SocketSpec]: SocketSpec[Key] };

function readOption(words: string[], draft: Draft): void {
  const name = words.shift()!;
  if (name === "v6only") {
    draft.v6only = true;
    return;
  }
  const value = words.shift();
  if (name === "dev" && value !== undefined) draft.device = value;
  else if (name === "cgroup" && value !== undefined && isCgroupPath(value)) draft.cgroup = value;
  else if (NUMBERS.has(name) && value !== undefined && /^[0-9]{1,10}$/.test(value) && Number(value) <= 0xffffffff) {
    draft[name as "mark" | "priority" | "uid"] = Number(value);
  } else throw `${[name, value].filter(Boolean).join(" ")} is no option`;
}

function readSocket(text: string): SocketSpec {
  const words = text.trim().split(/\s+/);
  const protocol = words.shift();
  if (protocol !== "tcp" && protocol !== "udp") throw "it begins with tcp or udp";
  const state = protocol === "tcp" ? words.shift() : undefined;
  if (state !== undefined && !STATES.has(state)) throw `${state} is no state`;
  if (protocol === "tcp" && state === undefined) throw "a state is missing";
  const draft: Draft = { text, protocol, local: readEnd(words.shift() ?? "") };
  if (state !== undefined) draft.state = state as NonNullable<SocketSpec["state"]>;
  if (words[0] !== undefined && /:[0-9]+$/.test(words[0])) draft.peer = readEnd(words.shift()!);
  while (words.length > 0) readOption(words, draft);
  const connected = protocol === "tcp" ? state !== "listen" : draft.peer !== undefined;
  if (connected !== (draft.peer !== undefined)) throw connected ? "its peer is missing" : "a listener has no peer";
  if (draft.peer && draft.peer.address.length !== draft.local.address.length) throw "its ends are of different families";
  if (connected && draft.local.address.every((byte) => byte === 0)) throw "a connection has an address of its own";
  if (draft.v6only && draft.local.address.length !== 16) throw "v6only is for IPv6 sockets";
  return draft;
}

/** Parses a socket: `tcp listen 10.0.0.1:80`, `tcp established LOCAL PEER`, `tcp time-wait LOCAL PEER`, `udp LOCAL [PEER]`, then options. */
export function parseSocket(text: string): Result<SocketSpec> {
  try {
    return success(readSocket(text));
  } catch (what) {
    if (typeof what === "string") return failure(problems.socket_malformed({ text, what }));
    throw what;
  }
}

const STATE_NUMBERS = { listen: TCP_LISTEN, established: TCP_ESTABLISHED, "time-wait": TCP_TIME_WAIT } as const;
/** What a TCP socket starts with. include/net/tcp.h: TCP_INIT_CWND, TCP_INFINITE_SSTHRESH, TCP_MSS_DEFAULT. */
const INITIAL = { snd_cwnd: 10, snd_ssthresh: 0x7fffffff, mss_cache: 536, rtt_min: 0xffffffff } as const;

/** The IPv4 address that Linux notes in IPv6 sockets with an address of their own, and programs read. include/net/ipv6.h: 127.0.0.6. */
const LOOPBACK4_IPV6 = Uint8Array.of(127, 0, 0, 6);

function layOutSocket(memory: SimulatedMemory, at: number, spec: SocketSpec, ifindex: number): void {
  const { view, bytes } = memory;
  const set = (field: Parameters<typeof Socket.write>[2], value: number): void => Socket.write(view, at, field, value);
  const { local, peer, protocol } = spec;
  const ipv6 = local.address.length === 16;
  const tcp = protocol === "tcp";
  set("bound_dev_if", ifindex);
  set("family", ipv6 ? AF_INET6 : AF_INET);
  set("type", tcp ? SOCK_STREAM : SOCK_DGRAM);
  set("protocol", tcp ? IPPROTO_TCP : IPPROTO_UDP);
  set("mark", spec.mark ?? 0);
  set("priority", spec.priority ?? 0);
  set("src_port", local.port);
  bytes.set(local.address, at + (ipv6 ? Socket.at.src_ip6 : Socket.at.src_ip4));
  const ownIpv6 = ipv6 && local.address.some((byte) => byte !== 0);
  if (ownIpv6) bytes.set(LOOPBACK4_IPV6, at + Socket.at.src_ip4);
  if (peer !== undefined) {
    view.setUint16(at + Socket.at.dst_port, peer.port);
    bytes.set(peer.address, at + (ipv6 ? Socket.at.dst_ip6 : Socket.at.dst_ip4));
  }
  set("state", tcp ? STATE_NUMBERS[spec.state ?? "listen"] : peer === undefined ? TCP_CLOSE : TCP_ESTABLISHED);
  set("rx_queue_mapping", -1);
  // Linux makes a socket that is bound to an IPv6 address take no IPv4. net/ipv6/af_inet6.c: __inet6_bind.
  set("v6only", spec.v6only || ownIpv6 ? 1 : 0);
  set("uid", spec.uid ?? 0);
  if (tcp) {
    for (const [field, value] of Object.entries(INITIAL)) TcpSock.write(view, at + Socket.at.tcp, field as keyof typeof INITIAL, value);
  }
}

/** Lays the sockets out and enters them in the namespace. Of two that take a packet equally well, the later one gets it. Gives the cgroups that they are in. */
export function layOutSockets(
  memory: SimulatedMemory,
  namespace: number,
  { sockets, devices }: { readonly sockets: readonly SocketSpec[]; readonly devices: readonly Pick<RoutedDevice, "name" | "ifindex">[] },
): Cgroups {
  const cgroups = new Cgroups(memory, namespace);
  if (sockets.length === 0) return cgroups;
  const table = memory.allocate("engine", SOCKET_BUCKETS * 4, 64, "sockets");
  const places = sockets.length + REQUEST_SOCKETS;
  const array = memory.allocate("engine", places * Socket.size, 64, "sockets");
  const kernelArray = memory.allocate("engine", places * KernelSocket.size, 64, "sockets");
  for (const [index, spec] of sockets.entries()) {
    const device = devices.find(({ name }) => name === spec.device);
    if (spec.device !== undefined && device === undefined) {
      const known = devices.map(({ name }) => name).join(", ");
      throw new ProblemError(problems.socket_device_unknown({ text: spec.text, device: spec.device, known }));
    }
    const at = array + index * Socket.size;
    layOutSocket(memory, at, spec, device?.ifindex ?? 0);
    Socket.writeBig(memory.view, at, "cookie", BigInt(index + 1));
    Socket.write(memory.view, at, "cgroup", cgroups.idOf(spec.cgroup ?? "/"));
    const protocol = Socket.read(memory.view, at, "protocol");
    const bucket = table + ((spec.local.port ^ protocol) & (SOCKET_BUCKETS - 1)) * 4;
    Socket.write(memory.view, at, "next", memory.view.getUint32(bucket, true));
    memory.view.setUint32(bucket, at, true);
  }
  for (const [index, family] of [AF_INET, AF_INET6].entries()) {
    const at = array + (sockets.length + index) * Socket.size;
    const request = { family, type: SOCK_STREAM, protocol: IPPROTO_TCP, state: TCP_NEW_SYN_RECV, rx_queue_mapping: -1 };
    for (const [field, value] of Object.entries(request)) Socket.write(memory.view, at, field as keyof typeof request, value);
    Socket.writeBig(memory.view, at, "cookie", BigInt(sockets.length + index + 1));
  }
  for (let index = 0; index < places; index++)
    layOutKernelSocket(memory, kernelArray + index * KernelSocket.size, array + index * Socket.size);
  NetNamespace.write(memory.view, namespace, "sockets", table);
  NetNamespace.write(memory.view, namespace, "kernel_sockets", kernelArray);
  NetNamespace.write(memory.view, namespace, "socket_array", array);
  NetNamespace.write(memory.view, namespace, "socket_count", sockets.length);
  return cgroups;
}
