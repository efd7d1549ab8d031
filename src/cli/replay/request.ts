import type { ProgramTypeName } from "../../bpf/spec.ts";
import type { DataplaneDevice, Hook } from "../../dataplane/index.ts";
import { ProblemError, type Result } from "../../problem/index.ts";
import {
  type IpPrefix,
  type NeighbourSpec,
  parseNeighbour,
  parsePrefix,
  parseRoute,
  parseSocket,
  type RouteSpec,
  type SocketSpec,
} from "../../stack/index.ts";
import type { DeviceRequest } from "../options/devices.ts";
import { problems } from "../options/problems.ts";
import type { ProgramReference } from "../options/programReference.ts";

/** A program that is to be attached: which, to which hook of which device. */
export interface Attachment {
  readonly device: string;
  readonly hook: Hook;
  readonly type: ProgramTypeName;
  readonly program: ProgramReference;
}

/** Devices as the dataplane takes them. */
export function dataplaneDevices(requests: readonly DeviceRequest[], queues: number | undefined): DataplaneDevice[] {
  return requests.map(({ name, mac, ifindex, mtu, addresses, queues: own, ring, mode }) => ({
    name,
    ...(mac === undefined ? {} : { mac }),
    ...(ifindex === undefined ? {} : { ifindex }),
    ...(mtu === undefined ? {} : { mtu }),
    ...(mode === undefined ? {} : { mode }),
    queues: own ?? queues ?? 1,
    ...(ring === undefined ? {} : { ring }),
    addresses: addresses.map((text) => parseAddress(text)),
  }));
}

/** All hooks that the devices ask for, in the order of attaching. */
export function attachments(requests: readonly DeviceRequest[]): Attachment[] {
  return requests.flatMap(({ name, xdp, ingress, egress }) => [
    ...(xdp === undefined ? [] : [{ device: name, hook: "xdp", type: "xdp", program: xdp } as const]),
    ...ingress.map((program) => ({ device: name, hook: "ingress", type: "sched_cls", program }) as const),
    ...egress.map((program) => ({ device: name, hook: "egress", type: "sched_cls", program }) as const),
  ]);
}

export const routes = (texts: readonly string[]): RouteSpec[] => texts.map((text) => taken(parseRoute(text)));

export const neighbours = (texts: readonly string[]): NeighbourSpec[] => texts.map((text) => taken(parseNeighbour(text)));

export const sockets = (texts: readonly string[]): SocketSpec[] => texts.map((text) => taken(parseSocket(text)));

function parseAddress(text: string): IpPrefix {
  const prefix = parsePrefix(text);
  if (prefix !== undefined) return prefix;
  const expected = "an IPv4 or IPv6 address with its prefix length, as in 10.0.0.1/24";
  throw new ProblemError(problems.option_value({ option: "--dev", value: `addr=${text}`, reason: "not an address", expected }));
}

function taken<T>(result: Result<T>): T {
  if (!result.ok) throw new ProblemError(result.problem);
  return result.value;
}
