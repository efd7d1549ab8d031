import type { HelperSpec, KfuncSpec, RuntimeFunction } from "../bpf/spec.ts";
import { CpuBlock, EINVAL, ENOENT, PROGRAM_ZONE } from "../layout/index.ts";
import { type FormatMemory, formatText } from "./format.ts";
import type { SlowCall } from "./instance.ts";

/** A line that a program printed with bpf_trace_printk, bpf_trace_vprintk or bpf_stream_vprintk. */
export interface TraceLine {
  readonly cpu: number;
  /** bpf_ktime_get_ns at that moment. */
  readonly nanoseconds: bigint;
  readonly text: string;
}

/** Where cold helpers leave what they make. */
export interface ColdSinks {
  readonly trace?: (line: TraceLine) => void;
}

/** A cold helper: r1..r5 to the result, both 64 bits without sign. */
type ColdHelper = (registers: readonly bigint[], memory: ColdMemory, cpu: number, sinks: ColdSinks) => bigint;

/** Most arguments of bpf_snprintf and bpf_trace_vprintk. include/linux/bpf.h: MAX_BPRINTF_VARARGS. */
const MAX_VARARGS = 12;
/** Longest line of bpf_trace_printk with its NUL. include/linux/bpf.h: MAX_BPRINTF_BUF. */
const TRACE_BUFFER = 1024;
/** Longest format that is looked at, for a longer one has no end in sight; and the longest text that is made. */
const FORMAT_MAX = 65536;

/** As a kernel function returns an int: the upper half of r0 is empty. */
const errno32 = (value: number): bigint => BigInt.asUintN(32, BigInt(value));
const errno = (value: number): bigint => BigInt.asUintN(64, BigInt(value));
const low32 = (register: bigint): number => Number(register & 0xffffffffn);

/** The memory as helpers read it: with bounds, and copied out, because it is shared. */
class ColdMemory implements FormatMemory {
  readonly #memory: WebAssembly.Memory;

  constructor(memory: WebAssembly.Memory) {
    this.#memory = memory;
  }

  get view(): DataView {
    return new DataView(this.#memory.buffer);
  }

  bytesAt(address: bigint, size: number): Uint8Array | undefined {
    const { byteLength } = this.#memory.buffer;
    if (address === 0n || address + BigInt(size) > BigInt(byteLength)) return undefined;
    return new Uint8Array(this.#memory.buffer, Number(address), size).slice();
  }

  textAt(address: bigint, limit: number): Uint8Array | undefined {
    const { byteLength } = this.#memory.buffer;
    if (address === 0n || address >= BigInt(byteLength)) return undefined;
    const at = Number(address);
    const bytes = new Uint8Array(this.#memory.buffer, at, Math.min(limit, byteLength - at));
    const end = bytes.indexOf(0);
    return bytes.slice(0, end < 0 ? bytes.length : end);
  }

  /** Throws, which ends the run, where no program may write. */
  write(address: bigint, bytes: Uint8Array): void {
    if (address < BigInt(PROGRAM_ZONE)) throw new WebAssembly.RuntimeError("memory access out of bounds");
    if (address + BigInt(bytes.length) <= BigInt(this.#memory.buffer.byteLength)) {
      new Uint8Array(this.#memory.buffer, Number(address), bytes.length).set(bytes);
    }
  }

  /** The 64-bit arguments at an address; undefined for a size that the helpers refuse. */
  arguments(address: bigint, size: number): bigint[] | undefined {
    if (size % 8 !== 0 || size > MAX_VARARGS * 8 || (size > 0 && address === 0n)) return undefined;
    const bytes = this.bytesAt(address, size);
    if (size > 0 && bytes === undefined) return undefined;
    return Array.from({ length: size / 8 }, (_, index) => new DataView(bytes!.buffer).getBigUint64(index * 8, true));
  }
}

/** bpf_snprintf(buffer, size, format, arguments, their size): bytes of the whole text with its NUL, whether they fit or not; or -EINVAL. */
const snprintf: ColdHelper = ([buffer, size, format, data, dataSize], memory) => {
  const values = memory.arguments(data!, low32(dataSize!));
  const text = memory.textAt(format!, FORMAT_MAX);
  if (values === undefined || text === undefined) return errno(-EINVAL);
  const room = Math.min(low32(size!), FORMAT_MAX);
  const made = formatText(text, values, memory, room);
  if (typeof made === "number") return errno(made);
  if (room > 0) memory.write(buffer!, Uint8Array.from([...made.bytes, 0]));
  return BigInt(made.length + 1);
};

/** Prints one line; the number of bytes printed, or -EINVAL when the format has no end or is refused. */
function trace(format: bigint, size: number, values: readonly bigint[], memory: ColdMemory, cpu: number, sinks: ColdSinks): bigint {
  const limit = Math.min(size, FORMAT_MAX);
  const text = memory.textAt(format, limit);
  if (text === undefined || text.length === limit) return errno(-EINVAL);
  const made = formatText(text, values, memory, TRACE_BUFFER);
  if (typeof made === "number") return errno(made);
  const { view } = memory;
  const nanoseconds = CpuBlock.readBig(view, cpu, "ktime_ns");
  sinks.trace?.({ cpu: CpuBlock.read(view, cpu, "id"), nanoseconds, text: String.fromCharCode(...made.bytes) });
  return BigInt(made.length);
}

const tracePrintk: ColdHelper = ([format, size, ...values], memory, cpu, sinks) => trace(format!, low32(size!), values, memory, cpu, sinks);

const traceVprintk: ColdHelper = ([format, size, data, dataSize], memory, cpu, sinks) => {
  const values = memory.arguments(data!, low32(dataSize!));
  return values === undefined ? errno(-EINVAL) : trace(format!, low32(size!), values, memory, cpu, sinks);
};

/** Streams of a program: BPF_STDOUT and BPF_STDERR. include/linux/bpf.h. */
const STREAMS: ReadonlySet<number> = new Set([1, 2]);

/** bpf_stream_vprintk_impl(stream, format, arguments, their size): 0 or an errno. Somebody is always reading, so that no stream is ever full. */
const streamVprintk: ColdHelper = ([stream, format, data, dataSize], memory, cpu, sinks) => {
  if (!STREAMS.has(low32(stream!))) return errno32(-ENOENT);
  const values = memory.arguments(data!, low32(dataSize!));
  const printed = values === undefined ? errno(-EINVAL) : trace(format!, FORMAT_MAX, values, memory, cpu, sinks);
  return BigInt.asIntN(64, printed) < 0n ? BigInt.asUintN(32, printed) : 0n;
};

const rows: readonly (readonly [id: number, name: string, run: ColdHelper])[] = [
  [6, "bpf_trace_printk", tracePrintk],
  [165, "bpf_snprintf", snprintf],
  [177, "bpf_trace_vprintk", traceVprintk],
];

const call: RuntimeFunction = { entry: "cold", parameters: ["i32", "i64", "i64", "i64", "i64", "i64"], result: "i64" };

/** The cold helpers as a program type lists them. */
export const coldHelperSpecs: ReadonlyMap<number, HelperSpec> = new Map(rows.map(([id, name]) => [id, { id, name, call, cold: true }]));

/** Kernel functions are numbered behind the helpers. */
const kfuncRows: readonly (readonly [number: number, name: string, run: ColdHelper])[] = [
  [0x10000, "bpf_stream_vprintk_impl", streamVprintk],
];

export const coldKfuncs: readonly KfuncSpec[] = kfuncRows.map(([cold, name]) => ({ name, call, cold }));

const byNumber: ReadonlyMap<number, ColdHelper> = new Map([...rows, ...kfuncRows].map(([number, , run]) => [number, run]));

/** What a thread gives to its runtime instance: runs helper `number` with the arguments in the CPU block and leaves its result there. */
export function coldHelpers(memory: WebAssembly.Memory, sinks: ColdSinks = {}): SlowCall {
  const cold = new ColdMemory(memory);
  return (number, cpu) => {
    const { view } = cold;
    const registers = Array.from({ length: 5 }, (_, index) => view.getBigUint64(cpu + CpuBlock.at.arguments + index * 8, true));
    const result = byNumber.get(number)?.(registers, cold, cpu, sinks) ?? errno(-EINVAL);
    CpuBlock.writeBig(view, cpu, "result", result);
  };
}
