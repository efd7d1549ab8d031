import {
  EINVAL,
  ENODEV,
  ENOSPC,
  ETH_HLEN,
  ETH_P_IP,
  ETH_P_IPV6,
  NetDevice,
  SKB_SHARED_INFO_SIZE,
  SkBuff,
  type Struct,
} from "../../layout/index.ts";
import type { SimulatedMemory } from "../../runtime/index.ts";
import { PAGE_SIZE, type RunProgram, type TestRunInput, type TestRunOutput } from "./input.ts";
import { findDevice } from "./loopback.ts";

/** Bytes in front of the data in a test run's buffer. include/linux/skbuff.h. */
const NET_SKB_PAD = 64;
/** Longest skb that wire_len may claim, and most segments. include/linux/netdevice.h. */
const GSO_LEGACY_MAX_SIZE = 65536;
const GSO_MAX_SEGS = 65535;
/** Fields of ctx_in that may be given; any other that is not 0 is refused. net/bpf/test_run.c: convert___skb_to_skb. */
const GIVEN_WORDS = ["mark", "priority", "ingress_ifindex", "wire_len", "gso_segs"] as const;
const GIVEN_LONGS = ["tstamp", "hwtstamp"] as const;
const CB_WORDS = 5;
const ALLOWED: ReadonlySet<string> = new Set([
  ...GIVEN_WORDS,
  ...GIVEN_LONGS,
  ...Array.from({ length: CB_WORDS }, (_, index) => `cb${index}`),
  "ifindex",
  "gso_size",
]);

type Field<S> = S extends Struct<infer Name> ? Name : never;

/** BPF_PROG_TEST_RUN of SCHED_CLS programs: net/bpf/test_run.c. The skb is made from data_in as if it had just been received, and belongs to no hook. */
export class TcTestRun {
  readonly #memory: SimulatedMemory;
  readonly #namespace: number;
  readonly #device: number;
  readonly #receive: (skb: number, device: number) => void;
  readonly #skb: number;
  readonly #buffer: number;

  /** `receive`: the runtime's skbReceive. */
  constructor(memory: SimulatedMemory, network: { namespace: number; device: number }, receive: (skb: number, device: number) => void) {
    this.#memory = memory;
    this.#namespace = network.namespace;
    this.#device = network.device;
    this.#receive = receive;
    this.#skb = memory.allocate("program", SkBuff.size, 64, "context");
    this.#buffer = memory.allocate("program", PAGE_SIZE, 64, "frame");
  }

  run(input: TestRunInput, program: RunProgram): TestRunOutput {
    const { data } = input;
    if (data.length < ETH_HLEN || data.length > PAGE_SIZE - NET_SKB_PAD - SKB_SHARED_INFO_SIZE) return { errno: EINVAL };
    const given = (name: string): number => Number(input.context?.[name] ?? 0);
    const ifindex = given("ifindex");
    const device = ifindex > 1 ? findDevice(this.#memory, this.#namespace, ifindex) : this.#device;
    if (device === 0) return { errno: ENODEV };
    this.#makeSkb(data, device);
    if (this.#tooShort(data.length)) return { errno: EINVAL };
    if (input.context && !this.#takeContext(input.context, data.length)) return { errno: EINVAL };
    if (!input.context) SkBuff.write(this.#memory.view, this.#skb, "wire_len", data.length);
    const retval = Number(BigInt.asUintN(32, program(this.#skb)));
    return this.#result(retval, NetDevice.read(this.#memory.view, device, "ifindex"), given("gso_size"), input.dataSizeOut);
  }

  #makeSkb(data: Uint8Array, device: number): void {
    const { view, bytes } = this.#memory;
    bytes.fill(0, this.#skb, this.#skb + SkBuff.size);
    bytes.fill(0, this.#buffer, this.#buffer + PAGE_SIZE);
    const start = this.#buffer + NET_SKB_PAD;
    bytes.set(data, start);
    const set = (field: Field<typeof SkBuff>, value: number): void => SkBuff.write(view, this.#skb, field, value);
    set("head", this.#buffer);
    set("end", this.#buffer + PAGE_SIZE - SKB_SHARED_INFO_SIZE);
    set("data", start);
    set("data_meta", start);
    set("data_end", start + data.length);
    this.#receive(this.#skb, device);
  }

  /** IP packets must have room for their header. */
  #tooShort(length: number): boolean {
    const protocol = SkBuff.read(this.#memory.view, this.#skb, "protocol");
    const etherType = ((protocol & 0xff) << 8) | (protocol >> 8);
    if (etherType === ETH_P_IP) return length < ETH_HLEN + 20;
    return etherType === ETH_P_IPV6 && length < ETH_HLEN + 40;
  }

  /** Takes ctx_in over into the skb; false when it is refused. */
  #takeContext(context: Readonly<Record<string, number | string>>, length: number): boolean {
    const { view } = this.#memory;
    const skb = this.#skb;
    if (Object.entries(context).some(([name, value]) => BigInt(value) !== 0n && !ALLOWED.has(name))) return false;
    const given = (name: string): number => Number(context[name] ?? 0);
    for (const name of GIVEN_WORDS) SkBuff.write(view, skb, name, given(name));
    for (const name of GIVEN_LONGS) SkBuff.writeBig(view, skb, name, BigInt(context[name] ?? 0));
    for (let index = 0; index < CB_WORDS; index++) view.setUint32(skb + SkBuff.at.cb + index * 4, given(`cb${index}`), true);
    const wire = given("wire_len") || length;
    if (wire < length || wire > GSO_LEGACY_MAX_SIZE || given("gso_segs") > GSO_MAX_SEGS) return false;
    SkBuff.write(view, skb, "wire_len", wire);
    SkBuff.write(view, skb, "gso_size", given("gso_size") & 0xffff);
    return true;
  }

  /** What the program left. gso_size is not read back: ctx_out repeats what ctx_in had. */
  #result(retval: number, ifindex: number, gsoSize: number, dataSizeOut: number): TestRunOutput {
    const { view, bytes } = this.#memory;
    const skb = this.#skb;
    const data = SkBuff.read(view, skb, "data");
    const length = Math.min(SkBuff.read(view, skb, "len"), bytes.length - data);
    if (length > dataSizeOut) return { errno: ENOSPC };
    const context: Record<string, number | bigint> = { ifindex, gso_size: gsoSize };
    for (const name of GIVEN_WORDS) context[name] = SkBuff.read(view, skb, name);
    for (const name of GIVEN_LONGS) context[name] = SkBuff.readBig(view, skb, name);
    for (let index = 0; index < CB_WORDS; index++) context[`cb${index}`] = view.getUint32(skb + SkBuff.at.cb + index * 4, true);
    return { retval, out: bytes.slice(data, data + length), context };
  }
}
