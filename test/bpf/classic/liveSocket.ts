import { createRequire } from "node:module";
import type { ClassicProgram } from "../../../src/bpf/classic/index.ts";

const AF_UNIX = 1;
const SOCK_DGRAM_NONBLOCK = 2 | 0o4000;
const SOL_SOCKET = 1;
const SO_ATTACH_FILTER = 26;
const SO_DETACH_FILTER = 27;
const PROT_READ_WRITE = 3;
const MAP_PRIVATE_ANONYMOUS = 0x22;
/** Memory that the kernel is pointed at: struct sock_fprog, then its rows; or a packet. */
const SCRATCH = 1 << 17;
const ROWS = 16;

type Native = (...values: readonly number[]) => number;
interface Koffi {
  load(path: string): { func(prototype: string): Native };
  view(address: bigint, length: number): ArrayBuffer;
}

/**
 * A pair of sockets of the live kernel. A filter is attached to one, packets are sent to it from the other: the kernel checks and translates the classic program itself,
 * and runs it on the bytes of each datagram. include/uapi/asm-generic/socket.h, net/unix/af_unix.c.
 */
export class LiveSocket {
  readonly #setsockopt: Native;
  readonly #send: Native;
  readonly #recv: Native;
  readonly #close: Native;
  readonly #scratch: number;
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #sender: number;
  readonly #receiver: number;

  private constructor(koffi: Koffi) {
    const library = koffi.load("libc.so.6");
    this.#setsockopt = library.func("int setsockopt(int socket, int level, int option, uintptr_t value, uint32_t length)");
    this.#send = library.func("long send(int socket, uintptr_t buffer, size_t length, int flags)");
    this.#recv = library.func("long recv(int socket, uintptr_t buffer, size_t length, int flags)");
    this.#close = library.func("int close(int fd)");
    const mmap = library.func("uintptr_t mmap(uintptr_t address, size_t length, int protection, int flags, int fd, long offset)");
    this.#scratch = Number(mmap(0, SCRATCH, PROT_READ_WRITE, MAP_PRIVATE_ANONYMOUS, -1, 0));
    this.#bytes = new Uint8Array(koffi.view(BigInt(this.#scratch), SCRATCH));
    this.#view = new DataView(this.#bytes.buffer, this.#bytes.byteOffset, SCRATCH);
    const socketpair = library.func("int socketpair(int family, int type, int protocol, uintptr_t pair)");
    if (socketpair(AF_UNIX, SOCK_DGRAM_NONBLOCK, 0, this.#scratch) !== 0) throw new Error("no pair of sockets");
    this.#sender = this.#view.getInt32(0, true);
    this.#receiver = this.#view.getInt32(4, true);
  }

  /** Undefined where this is not Linux, or has no foreign functions. */
  static open(): LiveSocket | undefined {
    if (process.platform !== "linux") return undefined;
    try {
      return new LiveSocket(createRequire(import.meta.url)("koffi"));
    } catch {
      return undefined;
    }
  }

  /** Attaches a program in place of the one before. False when the kernel refuses it. */
  attach(program: ClassicProgram): boolean {
    this.#setsockopt(this.#receiver, SOL_SOCKET, SO_DETACH_FILTER, this.#scratch, 4);
    for (const [index, { code, jt, jf, k }] of program.entries()) {
      const at = ROWS + index * 8;
      this.#view.setUint16(at, code, true);
      this.#view.setUint8(at + 2, jt);
      this.#view.setUint8(at + 3, jf);
      this.#view.setUint32(at + 4, k, true);
    }
    this.#view.setUint16(0, program.length, true);
    this.#view.setBigUint64(8, BigInt(this.#scratch + ROWS), true);
    return this.#setsockopt(this.#receiver, SOL_SOCKET, SO_ATTACH_FILTER, this.#scratch, ROWS) === 0;
  }

  /** How many bytes of a packet the filter lets through; 0 for none. Packets have at least one byte. */
  passes(packet: Uint8Array): number {
    this.#bytes.set(packet);
    if (this.#send(this.#sender, this.#scratch, packet.length, 0) !== packet.length) throw new Error("the packet was not sent");
    return Math.max(this.#recv(this.#receiver, this.#scratch, SCRATCH, 0), 0);
  }

  close(): void {
    this.#close(this.#sender);
    this.#close(this.#receiver);
  }
}
