import { CpuBlock, NetDevice, NetNamespace, SkBuff, XdpContext, XdpFragment } from "../src/layout/index.ts";
import { createCpus, instantiateRuntime, type RuntimeInstance, SimulatedMemory } from "../src/runtime/index.ts";

type HelperFunction = (...values: (number | bigint)[]) => number;

/** Bytes of a frame's buffer. */
const FRAME = 4096;

/** A memory with one CPU and devices, for calling helpers of the runtime directly. */
export class HelperBench {
  readonly memory = new SimulatedMemory();
  readonly runtime: RuntimeInstance;
  readonly cpu: number;
  readonly namespace: number;
  readonly #exports: Readonly<Record<string, unknown>>;

  constructor() {
    const runtime = instantiateRuntime(this.memory.memory, () => {});
    this.runtime = runtime;
    this.#exports = runtime.exports;
    this.cpu = createCpus(this.memory, { count: 1 }).blocks[0]!;
    (runtime.exports.cpu as WebAssembly.Global).value = this.cpu;
    this.namespace = this.memory.allocate("engine", NetNamespace.size, 64, "namespace");
    const devices = this.memory.allocate("engine", 64 * 4, 4, "devices");
    NetNamespace.write(this.view, this.namespace, "devices", devices);
    NetNamespace.write(this.view, this.namespace, "device_limit", 64);
    CpuBlock.write(this.view, this.cpu, "network", this.namespace);
  }

  get view(): DataView {
    return this.memory.view;
  }

  call(helper: string, ...values: (number | bigint)[]): number {
    return (this.#exports[helper] as HelperFunction)(...values);
  }

  addDevice(ifindex: number, { mtu = 1500, mac = [2, 0, 0, 0, 0, ifindex] }: { mtu?: number; mac?: readonly number[] } = {}): number {
    const device = this.memory.allocate("engine", NetDevice.size, 64, "device");
    const set = (field: Parameters<typeof NetDevice.write>[2], value: number) => NetDevice.write(this.view, device, field, value);
    set("ifindex", ifindex);
    set("mtu", mtu);
    set("hard_header_len", 14);
    set("flags", 1);
    set("forwarding4", 1);
    set("forwarding6", 1);
    this.memory.bytes.set(mac, device + NetDevice.at.mac);
    this.memory.bytes.fill(0xff, device + NetDevice.at.broadcast, device + NetDevice.at.broadcast + 6);
    const table = NetNamespace.read(this.view, this.namespace, "devices");
    this.view.setUint32(table + ifindex * 4, device, true);
    return device;
  }

  /** Puts bytes into the memory; gives their address. */
  place(bytes: ArrayLike<number>, zone: "program" | "engine" = "program"): number {
    const at = this.memory.allocate(zone, Math.max(bytes.length, 8), 8, "bytes");
    this.memory.bytes.set(Array.from(bytes), at);
    return at;
  }

  read(at: number, length: number): number[] {
    return Array.from(this.memory.bytes.subarray(at, at + length));
  }

  /** An XDP context on a frame with 256 bytes of headroom in a page; `fragments` follow the linear part. */
  xdpFrame(data: ArrayLike<number>, fragments: readonly ArrayLike<number>[] = []): number {
    const buffer = this.memory.allocate("program", FRAME, 64, "frame");
    const context = this.memory.allocate("program", XdpContext.size, 64, "context");
    const start = buffer + 256;
    this.memory.bytes.set(Array.from(data), start);
    const frags = this.memory.allocate("program", 17 * XdpFragment.size, 64, "fragments");
    for (const [index, bytes] of fragments.entries()) {
      const at = frags + index * XdpFragment.size;
      const page = this.memory.allocate("program", FRAME, 64, "fragment");
      this.memory.bytes.set(Array.from(bytes), page);
      XdpFragment.write(this.view, at, "address", page);
      XdpFragment.write(this.view, at, "length", bytes.length);
      XdpFragment.write(this.view, at, "room", FRAME);
    }
    const set = (field: Parameters<typeof XdpContext.write>[2], value: number) => XdpContext.write(this.view, context, field, value);
    set("data_hard_start", buffer);
    set("frame_sz", FRAME);
    set("data_meta", start);
    set("data", start);
    set("data_end", start + data.length);
    set("frags", frags);
    set("frag_count", fragments.length);
    set(
      "frag_len",
      fragments.reduce((sum, { length }) => sum + length, 0),
    );
    return context;
  }

  /** Bytes from data_meta to data_end and in the fragments. */
  xdpBytes(context: number): number[] {
    const get = (field: Parameters<typeof XdpContext.read>[2]) => XdpContext.read(this.view, context, field);
    const bytes = this.read(get("data_meta"), get("data_end") - get("data_meta"));
    for (let index = 0; index < get("frag_count"); index++) {
      const at = get("frags") + index * XdpFragment.size;
      bytes.push(...this.read(XdpFragment.read(this.view, at, "address"), XdpFragment.read(this.view, at, "length")));
    }
    return bytes;
  }

  /** An skb as `device` has just received it, with 64 bytes of headroom. */
  skb(data: ArrayLike<number>, device: number): number {
    const buffer = this.memory.allocate("program", FRAME, 64, "frame");
    const skb = this.memory.allocate("program", SkBuff.size, 64, "skb");
    this.memory.bytes.set(Array.from(data), buffer + 64);
    const set = (field: Parameters<typeof SkBuff.write>[2], value: number) => SkBuff.write(this.view, skb, field, value);
    set("head", buffer);
    set("end", buffer + FRAME - 320);
    set("data", buffer + 64);
    set("data_meta", buffer + 64);
    set("data_end", buffer + 64 + data.length);
    this.call("skbReceive", skb, device);
    return skb;
  }

  skbBytes(skb: number): number[] {
    return this.read(SkBuff.read(this.view, skb, "data"), SkBuff.read(this.view, skb, "len"));
  }

  field(skb: number, name: Parameters<typeof SkBuff.read>[2]): number {
    return SkBuff.read(this.view, skb, name);
  }
}
