import {
  EVENT_SEND_ERROR,
  EVENT_SOCKET,
  EVENT_TAP_IN,
  EVENT_TAP_OUT,
  EVENT_XDP_BULK_TX,
  EVENT_XDP_CPUMAP_ENQUEUE,
  EVENT_XDP_CPUMAP_KTHREAD,
  EVENT_XDP_DEVMAP_XMIT,
  EVENT_XDP_EXCEPTION,
  EVENT_XDP_REDIRECT,
  EVENT_XDP_REDIRECT_ERR,
  EVENT_XSK,
  EventLog,
  Event as Layout,
  PollState,
} from "../layout/index.ts";
import type { Device } from "../nic/index.ts";
import type { SimulatedMemory } from "../runtime/index.ts";

/** A packet socket saw a frame: one for all protocols (`tap`), or one bound to the frame's EtherType behind TC ingress (`socket`). */
export interface FrameEvent {
  readonly kind: "tap" | "socket";
  readonly cpu: number;
  readonly device: string;
  readonly direction: "in" | "out";
  /** PACKET_HOST and the like. */
  readonly packetType: number;
  /** EtherType of a socket's frame; 0 at a tap. */
  readonly protocol: number;
  /** With the tag that was in the skb's metadata, if any. A view of the memory: valid until the callback returns. */
  readonly bytes: Uint8Array;
}

/** An AF_XDP socket received a frame. */
export interface XdpSocketEvent {
  readonly kind: "xsk";
  readonly cpu: number;
  /** As Dataplane.createXdpSocket numbered it. */
  readonly socket: number;
  readonly bytes: Uint8Array;
}

/** A frame of the host's own could not be sent. */
export interface SendErrorEvent {
  readonly kind: "send_error";
  readonly cpu: number;
  readonly device: string;
  readonly errno: number;
}

/** One of the kernel's xdp tracepoints, with the fields that it has there. `prog` and `map_id` as numbers: table index, and map id (0x7fffffff: none, bpf_redirect). */
export interface TracepointEvent {
  readonly kind: "tracepoint";
  readonly cpu: number;
  readonly name: string;
  readonly fields: Readonly<Record<string, number>>;
}

export type DataplaneEvent = FrameEvent | XdpSocketEvent | SendErrorEvent | TracepointEvent;

/** Bytes of a CPU's log. What is not written costs nothing but addresses. */
const LOG_SIZE = 8 << 20;

/** The CPUs' logs of what packet sockets, AF_XDP sockets and tracepoints see; made when they are first wanted. */
export class EventLogs {
  readonly #memory: SimulatedMemory;
  readonly #states: readonly number[];
  readonly #devices: readonly Device[];
  #logs: readonly number[] = [];

  constructor(memory: SimulatedMemory, states: readonly number[], devices: readonly Device[]) {
    this.#memory = memory;
    this.#states = states;
    this.#devices = devices;
  }

  /** From now on events are written, or no longer. No CPU may be running. */
  listen(wanted: boolean): void {
    if (wanted && this.#logs.length === 0) this.#logs = this.#states.map(() => this.#create());
    const { view } = this.#memory;
    for (const [cpu, state] of this.#states.entries()) PollState.write(view, state, "events", wanted ? this.#logs[cpu]! : 0);
  }

  #create(): number {
    const at = this.#memory.allocate("engine", EventLog.size, 64, "event log");
    const start = this.#memory.allocate("engine", LOG_SIZE, 64, "event log");
    const { view } = this.#memory;
    EventLog.write(view, at, "start", start);
    EventLog.write(view, at, "end", start);
    EventLog.write(view, at, "limit", start + LOG_SIZE);
    return at;
  }

  /** Takes all events out, CPU by CPU, each in the order in which they came. While no CPU runs. */
  *take(): Generator<DataplaneEvent> {
    for (const [cpu, log] of this.#logs.entries()) {
      const start = EventLog.read(this.#memory.view, log, "start");
      const end = EventLog.read(this.#memory.view, log, "end");
      EventLog.write(this.#memory.view, log, "end", start);
      for (let at = start; at < end; at += (Layout.size + Layout.read(this.#memory.view, at, "length") + 7) & ~7) yield this.#read(cpu, at);
    }
  }

  /** Events that found no room in a log, since the machine was made. */
  get lost(): number {
    return this.#logs.reduce((sum, log) => sum + EventLog.read(this.#memory.view, log, "lost"), 0);
  }

  #read(cpu: number, at: number): DataplaneEvent {
    const { view, bytes: memory } = this.#memory;
    const read = (field: Parameters<typeof Layout.read>[2]): number => Layout.read(view, at, field);
    const kind = read("kind");
    const [a, b, c, d] = [read("a"), read("b"), read("c"), read("d")];
    const bytes = memory.subarray(at + Layout.size, at + Layout.size + read("length"));
    const device = this.#deviceAt(read("device"));
    if (kind === EVENT_TAP_IN || kind === EVENT_TAP_OUT || kind === EVENT_SOCKET) {
      return {
        kind: kind === EVENT_SOCKET ? "socket" : "tap",
        cpu,
        device: device?.name ?? "",
        direction: kind === EVENT_TAP_OUT ? "out" : "in",
        packetType: a,
        protocol: ((b & 255) << 8) | ((b >> 8) & 255),
        bytes,
      };
    }
    if (kind === EVENT_XSK) return { kind: "xsk", cpu, socket: a, bytes };
    if (kind === EVENT_SEND_ERROR) return { kind: "send_error", cpu, device: device?.name ?? "", errno: a | 0 };
    const { name, fields } = tracepoints[kind]!({ prog: read("program"), ifindex: device?.ifindex ?? 0, a, b, c, d }, (address) =>
      this.#deviceAt(address),
    );
    return { kind: "tracepoint", cpu, name, fields };
  }

  #deviceAt(address: number): Device | undefined {
    return this.#devices.find((device) => device.address === address);
  }
}

interface Words {
  readonly prog: number;
  readonly ifindex: number;
  readonly a: number;
  readonly b: number;
  readonly c: number;
  readonly d: number;
}

type Tracepoint = (
  words: Words,
  deviceAt: (address: number) => Device | undefined,
) => { readonly name: string; readonly fields: Readonly<Record<string, number>> };

const XDP_TX = 3;
const XDP_REDIRECT = 4;

const redirected =
  (name: string): Tracepoint =>
  ({ prog, ifindex, a, b, c, d }) => ({
    name,
    fields: { prog, action: XDP_REDIRECT, ifindex, to_ifindex: a | 0, err: d, map_id: b, map_index: c },
  });

/** Fields as include/trace/events/xdp.h has them. */
const tracepoints: Readonly<Record<number, Tracepoint>> = {
  [EVENT_XDP_EXCEPTION]: ({ prog, ifindex, a }) => ({ name: "xdp_exception", fields: { prog, action: a, ifindex } }),
  [EVENT_XDP_REDIRECT]: redirected("xdp_redirect"),
  [EVENT_XDP_REDIRECT_ERR]: redirected("xdp_redirect_err"),
  [EVENT_XDP_DEVMAP_XMIT]: ({ ifindex, a, b, c, d }, deviceAt) => ({
    name: "xdp_devmap_xmit",
    fields: { from_ifindex: ifindex, to_ifindex: deviceAt(a)?.ifindex ?? 0, action: XDP_REDIRECT, sent: b, drops: c, err: d },
  }),
  [EVENT_XDP_CPUMAP_ENQUEUE]: ({ a, b, c, d }) => ({
    name: "xdp_cpumap_enqueue",
    fields: { map_id: d, action: XDP_REDIRECT, processed: b, drops: c, to_cpu: a },
  }),
  [EVENT_XDP_CPUMAP_KTHREAD]: ({ prog, a, b, c, d }) => ({
    name: "xdp_cpumap_kthread",
    fields: { map_id: a, action: XDP_REDIRECT, processed: b, drops: 0, xdp_pass: c, xdp_drop: d, xdp_redirect: prog },
  }),
  [EVENT_XDP_BULK_TX]: ({ ifindex, b, c, d }) => ({ name: "xdp_bulk_tx", fields: { ifindex, action: XDP_TX, sent: b, drops: c, err: d } }),
};
