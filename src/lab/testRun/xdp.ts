import {
  EINVAL,
  ENODEV,
  ENOMEM,
  ENOSPC,
  ETH_HLEN,
  NetDevice,
  SKB_SHARED_INFO_SIZE,
  XDP_METADATA_MAX,
  XDP_PACKET_HEADROOM,
  XdpContext,
  XdpFragment,
} from "../../layout/index.ts";
import type { SimulatedMemory } from "../../runtime/index.ts";
import { PAGE_SIZE, type RunProgram, type TestRunInput, type TestRunOutput } from "./input.ts";
import { findDevice } from "./loopback.ts";

/** Fragments that skb_shared_info has room for. include/linux/skbuff.h. */
const MAX_SKB_FRAGS = 17;

/**
 * BPF_PROG_TEST_RUN of XDP programs without live frames: net/bpf/test_run.c. One buffer of a page with 256 bytes of headroom; what ctx_in.data_end leaves
 * out, or the page has no room for, becomes fragments of a page each.
 */
export class XdpTestRun {
  readonly #memory: SimulatedMemory;
  readonly #namespace: number;
  readonly #device: number;
  readonly #context: number;
  readonly #buffer: number;
  readonly #frags: number;
  readonly #pages: number;

  /** `device`: the NetDevice that frames come from unless ctx_in names another. */
  constructor(memory: SimulatedMemory, network: { namespace: number; device: number }) {
    this.#memory = memory;
    this.#namespace = network.namespace;
    this.#device = network.device;
    this.#context = memory.allocate("program", XdpContext.size, 64, "context");
    this.#buffer = memory.allocate("program", PAGE_SIZE, 64, "frame");
    this.#frags = memory.allocate("program", MAX_SKB_FRAGS * XdpFragment.size, 64, "fragments");
    this.#pages = memory.allocate("program", MAX_SKB_FRAGS * PAGE_SIZE, 64, "fragments");
  }

  run(input: TestRunInput, program: RunProgram): TestRunOutput {
    const { data } = input;
    const given = (name: string): number => Number(input.context?.[name] ?? 0);
    const metadata = given("data");
    const dataEnd = input.context ? given("data_end") : data.length;
    if (given("data_meta") !== 0 || dataEnd > data.length || metadata > dataEnd) return { errno: EINVAL };
    if (metadata % 4 !== 0 || metadata > XDP_METADATA_MAX) return { errno: EINVAL };
    const headroom = XDP_PACKET_HEADROOM - metadata;
    const linear = Math.min(dataEnd, PAGE_SIZE - headroom - SKB_SHARED_INFO_SIZE);
    if (data.length - metadata < ETH_HLEN) return { errno: EINVAL };
    const device = this.#receiver(given);
    if (typeof device !== "number") return device;
    const fragments = Math.ceil((data.length - linear) / PAGE_SIZE);
    if (fragments > MAX_SKB_FRAGS) return { errno: ENOMEM };

    const { view, bytes } = this.#memory;
    const context = this.#context;
    bytes.fill(0, context, context + XdpContext.size);
    bytes.fill(0, this.#buffer, this.#buffer + PAGE_SIZE);
    const start = this.#buffer + headroom;
    bytes.set(data.subarray(0, linear), start);
    const set = (field: Parameters<typeof XdpContext.write>[2], value: number): void => XdpContext.write(view, context, field, value);
    set("data_meta", start);
    set("data", start + metadata);
    set("data_end", start + linear);
    set("data_hard_start", this.#buffer);
    set("frame_sz", PAGE_SIZE);
    set("device", device);
    set("ingress_ifindex", NetDevice.read(view, device, "ifindex"));
    set("rx_queue_index", given("rx_queue_index"));
    set("frags", this.#frags);
    set("frag_count", fragments);
    set("frag_len", data.length - linear);
    this.#writeFragments(data.subarray(linear));

    const retval = Number(BigInt.asUintN(32, program(context)));
    return this.#result(retval, given, input.dataSizeOut);
  }

  /** The device that ctx_in names, or the usual one. net/bpf/test_run.c: xdp_convert_md_to_buff. */
  #receiver(given: (name: string) => number): number | { errno: number } {
    const ifindex = given("ingress_ifindex");
    if (given("egress_ifindex") !== 0 || (ifindex === 0 && given("rx_queue_index") !== 0)) return { errno: EINVAL };
    if (ifindex === 0) return this.#device;
    const device = findDevice(this.#memory, this.#namespace, ifindex);
    if (device === 0) return { errno: ENODEV };
    return given("rx_queue_index") < NetDevice.read(this.#memory.view, device, "rx_queues") ? device : { errno: EINVAL };
  }

  #writeFragments(rest: Uint8Array): void {
    const { view, bytes } = this.#memory;
    for (let at = 0, index = 0; at < rest.length; at += PAGE_SIZE, index++) {
      const fragment = this.#frags + index * XdpFragment.size;
      const page = this.#pages + index * PAGE_SIZE;
      const part = rest.subarray(at, at + PAGE_SIZE);
      bytes.set(part, page);
      bytes.fill(0, page + part.length, page + PAGE_SIZE);
      XdpFragment.write(view, fragment, "address", page);
      XdpFragment.write(view, fragment, "length", part.length);
      XdpFragment.write(view, fragment, "room", PAGE_SIZE);
    }
  }

  #result(retval: number, given: (name: string) => number, dataSizeOut: number): TestRunOutput {
    const { view, bytes } = this.#memory;
    const get = (field: Parameters<typeof XdpContext.read>[2]): number => XdpContext.read(view, this.#context, field);
    const meta = get("data_meta");
    const end = Math.min(Math.max(get("data_end"), meta), this.#buffer + PAGE_SIZE);
    const pieces = [bytes.slice(meta, end)];
    for (let index = 0; index < Math.min(get("frag_count"), MAX_SKB_FRAGS); index++) {
      const fragment = this.#frags + index * XdpFragment.size;
      const start = XdpFragment.read(view, fragment, "address");
      pieces.push(bytes.slice(start, start + Math.min(XdpFragment.read(view, fragment, "length"), PAGE_SIZE)));
    }
    const out = joined(pieces);
    if (out.length > dataSizeOut) return { errno: ENOSPC };
    const context = {
      data: get("data") - meta,
      data_end: get("data_end") - meta,
      data_meta: 0,
      ingress_ifindex: given("ingress_ifindex"),
      rx_queue_index: given("rx_queue_index"),
      egress_ifindex: 0,
    };
    return { retval, out, context };
  }
}

function joined(pieces: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(pieces.reduce((length, piece) => length + piece.length, 0));
  let at = 0;
  for (const piece of pieces) {
    whole.set(piece, at);
    at += piece.length;
  }
  return whole;
}
