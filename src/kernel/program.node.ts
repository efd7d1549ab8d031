import type { ProgramSpec } from "../bpf/spec.ts";
import { ProblemError } from "../problem/index.ts";
import { BPF_PROG_LOAD, BPF_PROG_TEST_RUN, programTypeNumbers } from "./commands.ts";
import { FUNC_INFO_SIZE, loadFunctionTypes } from "./functionTypes.node.ts";
import { kernelFunctionId } from "./kfuncs.node.ts";
import { errnoText, type Libc } from "./libc.node.ts";
import { type KernelMap, objectName } from "./map.node.ts";
import { problems } from "./problems.ts";

const LOAD_ATTRIBUTES = 144;
const TEST_RUN_ATTRIBUTES = 80;
/** The verifier's log is kept up to this many bytes, its end where it is longer. */
const LOG_SIZE = 4 << 20;
/** First byte of ld_imm64 and of a call, and what their source register says of the immediate. */
const LD_IMM64 = 0x18;
const CALL = 0x85;
const BPF_PSEUDO_KFUNC_CALL = 2;
const BPF_PSEUDO_MAP_FD = 1;
const BPF_PSEUDO_MAP_VALUE = 2;
/** What a call gives that a signal to this thread cut short: the verifier EAGAIN, a test run between two repeats EINTR. include/uapi/asm-generic/errno-base.h. */
const EAGAIN = 11;
const EINTR = 4;
/** How often such a call is made before its error counts. */
const ATTEMPTS = 16;

/** What BPF_PROG_TEST_RUN is to do. */
export interface TestRun {
  readonly packet: Uint8Array;
  /** struct xdp_md or __sk_buff as input. */
  readonly context?: Uint8Array;
  /** How often; the packet is not restored in between. 1 unless said. */
  readonly repeat?: number;
}

export interface TestRunResult {
  /** 0 or −errno of the call itself. */
  readonly error: number;
  /** What the program returned, unsigned. */
  readonly returned: number;
  readonly packet: Uint8Array;
  readonly context: Uint8Array | undefined;
  /** Mean time of one run in whole nanoseconds, as the kernel reports it. */
  readonly nanoseconds: number;
}

/** A program of the live kernel. */
export class KernelProgram {
  readonly spec: ProgramSpec;
  readonly fd: number;
  readonly #libc: Libc;

  constructor(libc: Libc, spec: ProgramSpec, fd: number) {
    this.#libc = libc;
    this.spec = spec;
    this.fd = fd;
  }

  /** Loads it with these maps, by name. A rejection throws, with the end of the verifier's log as the hint. */
  static load(libc: Libc, spec: ProgramSpec, maps: ReadonlyMap<string, KernelMap>): KernelProgram {
    const instructions = withKernelReferences(spec, maps);
    const types = loadFunctionTypes(libc, spec);
    const load = (logLevel: number): { fd: number; log: string } => {
      libc.begin();
      const at = libc.reserve(LOAD_ATTRIBUTES);
      const { view } = libc;
      const license = new TextEncoder().encode(`${spec.license}\0`);
      view.setUint32(at, programTypeNumbers[spec.type], true);
      view.setUint32(at + 4, instructions.length / 8, true);
      view.setBigUint64(at + 8, libc.address(libc.place(instructions)), true);
      view.setBigUint64(at + 16, libc.address(libc.place(license)), true);
      view.setUint32(at + 44, spec.flags, true);
      libc.scratch.set(objectName(spec.name), at + 48);
      view.setUint32(at + 68, spec.expectedAttachType, true);
      if (types !== undefined) {
        view.setUint32(at + 72, types.fd, true);
        view.setUint32(at + 76, FUNC_INFO_SIZE, true);
        view.setBigUint64(at + 80, libc.address(libc.place(types.records)), true);
        view.setUint32(at + 88, types.records.length / FUNC_INFO_SIZE, true);
      }
      let log = 0;
      if (logLevel > 0) {
        log = libc.reserve(LOG_SIZE);
        view.setUint32(at + 24, logLevel, true);
        view.setUint32(at + 28, LOG_SIZE, true);
        view.setBigUint64(at + 32, libc.address(log), true);
      }
      const fd = uninterrupted(EAGAIN, () => libc.bpf(BPF_PROG_LOAD, at, LOAD_ATTRIBUTES));
      const end = logLevel > 0 ? libc.scratch.indexOf(0, log) : 0;
      return { fd, log: new TextDecoder().decode(libc.scratch.slice(log, end)) };
    };
    const { fd } = load(0);
    const again = fd >= 0 ? { fd, log: "" } : load(1);
    if (types !== undefined) libc.close(types.fd);
    if (again.fd >= 0) return new KernelProgram(libc, spec, again.fd);
    const tail = again.log.trimEnd().split("\n").slice(-12).join("\n");
    throw new ProblemError(problems.kernel_rejected({ program: spec.name, errno: errnoText(fd), log: tail }, { program: spec.name }));
  }

  /** BPF_PROG_TEST_RUN. Throws nothing: see `error`. */
  run({ packet, context, repeat = 1 }: TestRun): TestRunResult {
    const libc = this.#libc;
    libc.begin();
    const at = libc.reserve(TEST_RUN_ATTRIBUTES);
    const { view } = libc;
    const input = libc.place(packet);
    const outputSize = packet.length + 4096;
    const output = libc.reserve(outputSize);
    view.setUint32(at, this.fd, true);
    view.setUint32(at + 8, packet.length, true);
    view.setUint32(at + 12, outputSize, true);
    view.setBigUint64(at + 16, libc.address(input), true);
    view.setBigUint64(at + 24, libc.address(output), true);
    view.setUint32(at + 32, repeat, true);
    let contextOutput = 0;
    if (context !== undefined) {
      const contextInput = libc.place(context);
      contextOutput = libc.reserve(context.length);
      view.setUint32(at + 40, context.length, true);
      view.setUint32(at + 44, context.length, true);
      view.setBigUint64(at + 48, libc.address(contextInput), true);
      view.setBigUint64(at + 56, libc.address(contextOutput), true);
    }
    const result = uninterrupted(EINTR, () => libc.bpf(BPF_PROG_TEST_RUN, at, TEST_RUN_ATTRIBUTES));
    return {
      error: Math.min(result, 0),
      returned: view.getUint32(at + 4, true),
      nanoseconds: view.getUint32(at + 36, true),
      packet: libc.scratch.slice(output, output + view.getUint32(at + 12, true)),
      context: context && libc.scratch.slice(contextOutput, contextOutput + view.getUint32(at + 44, true)),
    };
  }

  close(): void {
    this.#libc.close(this.fd);
  }
}

/** Makes a call until something other than a signal ends it. Node's own threads and timers send signals at any time. */
function uninterrupted(errno: number, call: () => number): number {
  let result = call();
  for (let attempt = 1; result === -errno && attempt < ATTEMPTS; attempt++) result = call();
  return result;
}

/** The instructions with map descriptors where the spec has indexes into its maps, and the kernel's type ids where it has its own numbers for kfuncs. */
function withKernelReferences(spec: ProgramSpec, maps: ReadonlyMap<string, KernelMap>): Uint8Array {
  const bytes = spec.instructions.slice();
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let at = 0; at < bytes.length; at += 8) {
    const source = bytes[at + 1]! >> 4;
    if (bytes[at] === CALL && source === BPF_PSEUDO_KFUNC_CALL) {
      const name = spec.kfuncs?.get(view.getInt32(at + 4, true));
      const id = name === undefined ? undefined : kernelFunctionId(name.split("___", 1)[0]!);
      // An id that no function has: the verifier refuses the call if it comes to it, as it does for what libbpf could not find.
      view.setInt32(at + 4, id ?? 0x7fffffff, true);
    }
    if (bytes[at] !== LD_IMM64) continue;
    if (source === BPF_PSEUDO_MAP_FD || source === BPF_PSEUDO_MAP_VALUE) {
      const index = view.getInt32(at + 4, true);
      const name = spec.maps[index]?.name;
      const map = name === undefined ? undefined : maps.get(name);
      if (map === undefined) throw new RangeError(`${spec.name} names map ${index} (${name}), which was not made`);
      view.setInt32(at + 4, map.fd, true);
    }
    at += 8;
  }
  return bytes;
}
