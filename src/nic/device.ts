import {
  CHAIN_LIMIT,
  CHAIN_TCX,
  ETH_HLEN,
  IFF_UP,
  INDIRECTION_ENTRIES,
  Device as Layout,
  NetDevice,
  PACKET_SOCKETS,
  PAGE_SIZE,
  SKB_SHARED_INFO_SIZE,
  TCA_EGRESS_MIRROR,
  TCA_EGRESS_REDIR,
  TCA_INGRESS_MIRROR,
  TCA_INGRESS_REDIR,
  TcChain,
  TcFilter,
  XDP_PACKET_HEADROOM,
} from "../layout/index.ts";
import { formatMac, parseMac } from "../packet/index.ts";
import { ProblemError } from "../problem/index.ts";
import { problems } from "./problems.ts";
import { DEFAULT_RSS_KEY, TOEPLITZ_TABLE_SIZE, toeplitzTables } from "./toeplitz.ts";

export type XdpMode = "native" | "generic";
export type TcDirection = "ingress" | "egress";
export type TcKind = "clsact" | "tcx";

/** A program's place at a TC hook; `slot` is its table index. */
export interface TcEntry {
  readonly direction: TcDirection;
  readonly kind: TcKind;
  readonly priority: number;
  /** Address of its TcFilter; 0 for none. */
  readonly filter: number;
  slot: number;
}

/** A device as a caller describes it. What is absent takes a default. */
export interface DeviceSpec {
  readonly name: string;
  /** As "02:00:00:00:00:01". Unless said one that captures hardly hold: 02:78:64:70 ("xdp"), then the device's place in two bytes. */
  readonly mac?: string;
  readonly ifindex?: number;
  /** 1,500 unless said. */
  readonly mtu?: number;
  /** Receive queues; 1 unless said. */
  readonly queues?: number;
  readonly mode?: XdpMode;
  /** Buffers of each receive ring (`ethtool -G … rx`): 64 to 8,192, a power of two; the timing profile's unless said. Only --timing looks at it. */
  readonly ring?: number;
  /** 40 bytes; the usual key unless said. */
  readonly rssKey?: Uint8Array;
  /** Whether the driver transmits frames that others redirect to it; true unless said. */
  readonly takesRedirects?: boolean;
  readonly up?: boolean;
  /** The CPU that polls each queue; queue n is CPU n's unless said. */
  readonly affinity?: readonly number[];
  /** Name of the device at the other end: the two are a veth pair. Without one the other end is the wire. */
  readonly peer?: string;
  /** Whether GRO was asked for (`ethtool -K gro on`); false unless said. */
  readonly gro?: boolean;
  /** Whether tags in skb metadata go out as they are (`ethtool -K tx-vlan-offload`); true unless said. veth only. */
  readonly vlanOffload?: boolean;
  /** A packet socket for all protocols is bound to it: its frames are among the events (RunOptions.onEvent). */
  readonly tap?: boolean;
  /** EtherTypes that packet sockets are bound to on it. */
  readonly packetSockets?: readonly number[];
}

/** A filter's part of a TC hook, beside its program. */
export interface FilterSpec {
  /** Filters run in the order of their priorities, of one priority the last added first. 1 unless said. */
  readonly priority?: number;
  /** Whether the program's return value is the verdict (direct-action); true unless said. Otherwise it is a class, and the action decides. */
  readonly direct?: boolean;
  /** Class of the filter, major << 16 | minor; 0 unless said. */
  readonly classid?: number;
  readonly mirred?: MirredAction;
}

/** `tc … action mirred`: where to, and what becomes of the packet itself. */
export interface MirredAction {
  readonly device: Device;
  readonly direction: TcDirection;
  readonly kind: "redirect" | "mirror";
  /** TC_ACT_*. */
  readonly verdict: number;
}

/** A part of the memory that the device may lay itself out in. */
export interface DeviceMemory {
  readonly view: DataView;
  readonly bytes: Uint8Array;
  allocate(zone: "engine", size: number, align: number, what: string): number;
}

/** Longest frame without metadata that fits one buffer of a page: 4,096 less headroom and skb_shared_info. */
const ONE_BUFFER = 4096 - XDP_PACKET_HEADROOM - SKB_SHARED_INFO_SIZE;
/** Largest MTU at which native XDP has one buffer a frame. Measured on veth: 3,506. */
const NATIVE_MTU_LIMIT = ONE_BUFFER - ETH_HLEN;
/** Fragments that skb_shared_info has room for. include/linux/skbuff.h. */
const MAX_SKB_FRAGS = 17;

/** What drivers take for `ethtool -G … rx`. */
const RING_SIZES: readonly number[] = [64, 128, 256, 512, 1024, 2048, 4096, 8192];

const MIRRED_KINDS = {
  egress: { redirect: TCA_EGRESS_REDIR, mirror: TCA_EGRESS_MIRROR },
  ingress: { redirect: TCA_INGRESS_REDIR, mirror: TCA_INGRESS_MIRROR },
} as const;
const XDP_FIELDS = { native: "xdp", generic: "generic" } as const;

/** A simulated network device. Its state stands in the memory (layout/device.ts); this is the main thread's handle. What may be changed while workers run says so. */
export class Device {
  readonly name: string;
  readonly ifindex: number;
  readonly mtu: number;
  readonly mac: string;
  readonly mode: XdpMode;
  readonly queues: number;
  readonly ring: number | undefined;
  /** Place among the machine's devices. */
  readonly index: number;
  /** Address of its layout Device, which begins with its NetDevice. */
  readonly address: number;
  /** Name of the device at the other end. */
  readonly peer: string | undefined;
  readonly #affinity: readonly number[];
  #peerDevice: Device | undefined;
  readonly #memory: DeviceMemory;
  /** What stands in the memory's chains, in order. */
  readonly #chains: Readonly<Record<TcDirection, TcEntry[]>> = { ingress: [], egress: [] };

  constructor(memory: DeviceMemory, spec: DeviceSpec, index: number) {
    this.#memory = memory;
    this.name = spec.name;
    this.index = index;
    this.ifindex = spec.ifindex ?? index + 2;
    this.mtu = spec.mtu ?? 1500;
    this.queues = spec.queues ?? 1;
    this.mode = spec.mode ?? "native";
    this.ring = spec.ring;
    if (this.ring !== undefined && !RING_SIZES.includes(this.ring)) {
      throw new ProblemError(problems.device_setting({ name: spec.name, what: "ring", value: this.ring, expected: RING_SIZES.join(", ") }));
    }
    this.peer = spec.peer;
    this.#affinity = spec.affinity ?? [];
    if (!Number.isInteger(this.queues) || this.queues < 1 || this.queues > INDIRECTION_ENTRIES) {
      throw new ProblemError(
        problems.device_setting({ name: spec.name, what: "queues", value: this.queues, expected: `1 to ${INDIRECTION_ENTRIES}` }),
      );
    }
    const mac = spec.mac === undefined ? Uint8Array.of(0x02, 0x78, 0x64, 0x70, index >> 8, index & 0xff) : parseMac(spec.mac);
    if (mac === undefined) {
      throw new ProblemError(
        problems.device_setting({ name: spec.name, what: "mac", value: spec.mac ?? "", expected: "six hexadecimal bytes" }),
      );
    }
    this.mac = formatMac(mac);
    const tables = memory.allocate("engine", TOEPLITZ_TABLE_SIZE, 64, `device ${spec.name}`);
    this.address = memory.allocate("engine", Layout.size, 64, `device ${spec.name}`);
    const { view, bytes } = memory;
    for (const [place, word] of toeplitzTables(spec.rssKey ?? DEFAULT_RSS_KEY).entries()) view.setUint32(tables + place * 4, word, true);
    NetDevice.write(view, this.address, "ifindex", this.ifindex);
    NetDevice.write(view, this.address, "mtu", this.mtu);
    NetDevice.write(view, this.address, "hard_header_len", ETH_HLEN);
    NetDevice.write(view, this.address, "flags", (spec.up ?? true) ? IFF_UP : 0);
    NetDevice.write(view, this.address, "rx_queues", this.queues);
    NetDevice.write(view, this.address, "forwarding4", 1);
    NetDevice.write(view, this.address, "forwarding6", 1);
    bytes.set(mac, this.address + NetDevice.at.mac);
    bytes.fill(0xff, this.address + NetDevice.at.broadcast, this.address + NetDevice.at.broadcast + 6);
    Layout.write(view, this.address, "index", index);
    Layout.write(view, this.address, "queue_count", this.queues);
    Layout.write(view, this.address, "takes_redirects", (spec.takesRedirects ?? true) ? 1 : 0);
    Layout.write(view, this.address, "toeplitz", tables);
    Layout.write(view, this.address, "gro", spec.gro === true ? 1 : 0);
    Layout.write(view, this.address, "tapped", spec.tap === true ? 1 : 0);
    Layout.write(view, this.address, "vlan_offload", (spec.vlanOffload ?? true) ? 1 : 0);
    Layout.write(view, this.address, "pool_offset", PAGE_SIZE);
    const sockets = (spec.packetSockets ?? []).slice(0, PACKET_SOCKETS);
    Layout.write(view, this.address, "socket_count", sockets.length);
    for (const [place, type] of sockets.entries()) view.setUint16(this.address + Layout.at.sockets + place * 2, type, false);
    for (let entry = 0; entry < INDIRECTION_ENTRIES; entry++) this.setIndirection(entry, entry % this.queues);
  }

  /** `ethtool -X`: the queue of a value of the hash's low bits. */
  setIndirection(entry: number, queue: number): void {
    this.#memory.view.setUint16(this.address + Layout.at.indirection + entry * 2, queue, true);
  }

  /** Number of the CPU that polls the queue. */
  affinity(queue: number): number {
    return this.#affinity[queue] ?? queue;
  }

  enterNamespace(namespace: number): void {
    NetDevice.write(this.#memory.view, this.address, "network", namespace);
  }

  /** The other end of the pair. */
  connect(peer: Device): void {
    this.#peerDevice = peer;
    NetDevice.write(this.#memory.view, this.address, "peer", peer.address);
  }

  /** Number of queue 0 among the queues of all devices. */
  setFirstQueue(number: number): void {
    Layout.write(this.#memory.view, this.address, "first_queue", number);
  }

  setUp(up: boolean): void {
    NetDevice.write(this.#memory.view, this.address, "flags", up ? IFF_UP : 0);
  }

  /** Puts the program at table index `slot` behind the XDP hook. `frags`: it was loaded for frames of several buffers. Throws a Problem where the kernel would refuse it. */
  attachXdp(slot: number, mode: XdpMode, frags = false): void {
    const { view } = this.#memory;
    for (const there of ["native", "generic"] as const) {
      if (Layout.read(view, this.address, XDP_FIELDS[there]) === 0) continue;
      throw new ProblemError((there === mode ? problems.xdp_attached : problems.xdp_mode_conflict)({ name: this.name, there }));
    }
    // A veth gets frames as long as its peer may send.
    const mtu = this.#peerDevice?.mtu ?? this.mtu;
    if (mode === "native" && mtu > NATIVE_MTU_LIMIT + (frags ? MAX_SKB_FRAGS * PAGE_SIZE : 0)) {
      throw new ProblemError(problems.xdp_mtu({ name: this.name, mtu, limit: NATIVE_MTU_LIMIT }));
    }
    if (mode === "native") Layout.write(view, this.address, "pool_offset", PAGE_SIZE);
    this.setXdp(slot, mode);
  }

  /** The XDP program of that mode is another from now on, or none (0): one atomic store, so that a packet meets either the old or the new one. */
  setXdp(slot: number, mode: XdpMode): void {
    this.#store(this.address + Layout.at[XDP_FIELDS[mode]], slot);
  }

  /** Adds a program to a TC hook: tcx programs at the end, before all cls_bpf filters; these by priority. No CPU may be running. */
  attachTc(slot: number, direction: TcDirection, kind: TcKind, filter: FilterSpec = {}): TcEntry {
    const entries = this.#chains[direction];
    if (entries.length === CHAIN_LIMIT)
      throw new ProblemError(problems.chain_full({ name: this.name, limit: CHAIN_LIMIT, hook: direction }));
    const priority = filter.priority ?? 0;
    const entry = { direction, kind, slot, priority, filter: kind === "tcx" ? 0 : this.#layOutFilter(filter) };
    // Of one priority the last added runs first; without one a filter gets the next free priority.
    const behind = (other: TcEntry): boolean =>
      other.kind === "clsact" && (kind === "tcx" || (priority !== 0 && other.priority >= priority));
    const place = entries.findIndex(behind);
    entries.splice(place >= 0 ? place : entries.length, 0, entry);
    this.#writeChain(direction);
    return entry;
  }

  /** A plain direct-action filter needs nothing but its program. */
  #layOutFilter({ direct = true, classid = 0, mirred }: FilterSpec): number {
    if (direct && classid === 0 && mirred === undefined) return 0;
    const at = this.#memory.allocate("engine", TcFilter.size, 8, `a filter of ${this.name}`);
    const { view } = this.#memory;
    TcFilter.write(view, at, "direct", direct ? 1 : 0);
    TcFilter.write(view, at, "classid", classid);
    if (mirred === undefined) return at;
    TcFilter.write(view, at, "mirred", MIRRED_KINDS[mirred.direction][mirred.kind]);
    TcFilter.write(view, at, "device", mirred.device.address);
    TcFilter.write(view, at, "verdict", mirred.verdict);
    return at;
  }

  /** Takes a program away from a TC hook. No CPU may be running. */
  detachTc(entry: TcEntry): void {
    const entries = this.#chains[entry.direction];
    entries.splice(entries.indexOf(entry), 1);
    this.#writeChain(entry.direction);
  }

  /** Puts another program in the place of one at a TC hook: one atomic store, as `setXdp`. */
  replaceTc(entry: TcEntry, slot: number): void {
    entry.slot = slot;
    const chain = this.address + Layout.at[entry.direction];
    this.#store(chain + TcChain.at.entries + this.#chains[entry.direction].indexOf(entry) * 4, chainWord(entry));
  }

  #writeChain(direction: TcDirection): void {
    const { view } = this.#memory;
    const chain = this.address + Layout.at[direction];
    const entries = this.#chains[direction];
    for (const [index, entry] of entries.entries()) {
      view.setUint32(chain + TcChain.at.entries + index * 4, chainWord(entry), true);
      view.setUint32(chain + TcChain.at.filters + index * 4, entry.filter, true);
    }
    TcChain.write(view, chain, "count", entries.length);
  }

  #store(address: number, word: number): void {
    Atomics.store(new Uint32Array(this.#memory.view.buffer, address, 1), 0, word);
  }
}

const chainWord = ({ kind, slot }: TcEntry): number => (kind === "tcx" ? slot | CHAIN_TCX : slot) >>> 0;
