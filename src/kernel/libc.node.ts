import { createRequire } from "node:module";
import { constants } from "node:os";
import { failure, type Result, success } from "../problem/index.ts";
import { problems } from "./problems.ts";

/** Numbers of bpf(2) by architecture. include/uapi/asm-generic/unistd.h and arch/x86/entry/syscalls/syscall_64.tbl. */
const BPF_SYSCALL: Readonly<Record<string, number>> = { x64: 321, arm64: 280 };
const PROT_READ = 1;
const PROT_READ_WRITE = 3;
const MAP_SHARED = 1;
const MAP_PRIVATE_ANONYMOUS = 0x22;
const CLONE_NEWNET = 0x40000000;
const O_RDONLY = 0;
/** Room for the arguments of one call, the longest verifier log included. */
const SCRATCH_SIZE = 32 << 20;

type NativeFunction = (...values: readonly (number | bigint | string)[]) => number;

/** What of koffi is used. */
interface Koffi {
  load(library: string): { func(prototype: string): NativeFunction };
  view(address: bigint, length: number): ArrayBuffer;
  errno(): number;
}

const errnoNames = new Map(Object.entries(constants.errno).map(([name, number]) => [number, name]));

/** "ENOENT (2)", for a negative or positive errno. The kernel's own numbers have no name in user space. */
export function errnoText(errno: number): string {
  const number = Math.abs(errno);
  const name = number === 524 ? "ENOTSUPP" : errnoNames.get(number);
  return name === undefined ? String(number) : `${name} (${number})`;
}

/**
 * The C library, as far as the kernel needs it, and memory that the kernel can be pointed at. Arguments of a call are placed in `scratch` by bump and
 * forgotten by the next `begin`. Calls are synchronous and on the thread of the caller.
 */
export class Libc {
  readonly scratch: Uint8Array;
  readonly view: DataView;
  readonly #base: number;
  readonly #bpfNumber: number;
  readonly #syscall: NativeFunction;
  readonly #open: NativeFunction;
  readonly #close: NativeFunction;
  readonly #setns: NativeFunction;
  readonly #leaveNamespaces: NativeFunction;
  readonly #mmap: NativeFunction;
  readonly #munmap: NativeFunction;
  readonly #memcpy: NativeFunction;
  readonly #koffi: Koffi;
  #top = 0;

  constructor(koffi: Koffi, bpfNumber: number) {
    const library = koffi.load("libc.so.6");
    this.#koffi = koffi;
    this.#bpfNumber = bpfNumber;
    this.#syscall = library.func("long syscall(long number, long first, uintptr_t second, long third)");
    this.#open = library.func("int open(const char *path, int flags)");
    this.#close = library.func("int close(int fd)");
    this.#setns = library.func("int setns(int fd, int type)");
    this.#leaveNamespaces = library.func("int unshare(int flags)");
    this.#mmap = library.func("uintptr_t mmap(uintptr_t address, size_t length, int protection, int flags, int fd, long offset)");
    this.#munmap = library.func("int munmap(uintptr_t address, size_t length)");
    this.#memcpy = library.func("uintptr_t memcpy(uintptr_t to, uintptr_t from, size_t length)");
    this.#base = this.#mmap(0, SCRATCH_SIZE, PROT_READ_WRITE, MAP_PRIVATE_ANONYMOUS, -1, 0);
    if (this.#base === -1) throw new Error("mmap of the scratch memory failed");
    this.scratch = new Uint8Array(koffi.view(BigInt(this.#base), SCRATCH_SIZE));
    this.view = new DataView(this.scratch.buffer);
  }

  /** Forgets what the last call was given. */
  begin(): void {
    this.#top = 0;
  }

  /** Offset in `scratch` of `length` zeroed bytes, aligned to 8. */
  reserve(length: number): number {
    const at = this.#top;
    this.#top = at + ((length + 7) & ~7);
    if (this.#top > SCRATCH_SIZE) throw new RangeError(`${length} bytes are too many for one system call here`);
    this.scratch.fill(0, at, this.#top);
    return at;
  }

  /** Offset in `scratch` of a copy of these bytes. */
  place(bytes: Uint8Array): number {
    const at = this.reserve(bytes.length);
    this.scratch.set(bytes, at);
    return at;
  }

  /** The address that the kernel knows an offset in `scratch` by. */
  address(offset: number): bigint {
    return BigInt(this.#base + offset);
  }

  /** bpf(2) with its attributes at this offset in `scratch`: what it returned, or −errno. */
  bpf(command: number, attributes: number, size: number): number {
    return this.#result(this.#syscall(this.#bpfNumber, command, this.#base + attributes, size));
  }

  open(path: string): number {
    return this.#result(this.#open(path, O_RDONLY));
  }

  close(fd: number): void {
    this.#close(fd);
  }

  /** Maps `length` bytes of what `fd` stands for into this process, shared: their address, or −errno. */
  share(fd: number, length: number, offset: number, writable: boolean): number {
    return this.#result(this.#mmap(0, length, writable ? PROT_READ_WRITE : PROT_READ, MAP_SHARED, fd, offset));
  }

  unshare(address: number, length: number): void {
    this.#munmap(address, length);
  }

  /** Offset in `scratch` of a copy of bytes of this process. */
  copyFrom(address: number, length: number): number {
    const at = this.reserve(length);
    this.#memcpy(this.#base + at, address, length);
    return at;
  }

  /** Copies bytes of `scratch` to an address of this process. */
  copyTo(address: number, at: number, length: number): void {
    this.#memcpy(address, this.#base + at, length);
  }

  /** Moves this thread into the network namespace that `fd` stands for. */
  enterNetworkNamespace(fd: number): number {
    return this.#result(this.#setns(fd, CLONE_NEWNET));
  }

  /** Moves this thread into a new network namespace of its own. */
  newNetworkNamespace(): number {
    return this.#result(this.#leaveNamespaces(CLONE_NEWNET));
  }

  #result(value: number): number {
    return value === -1 ? -this.#koffi.errno() : value;
  }
}

/** koffi from where xdplane is installed, or from where it was started; undefined when it is in neither. */
function findKoffi(): Koffi | undefined {
  for (const from of [import.meta.url, `${process.cwd()}/package.json`]) {
    try {
      return createRequire(from)("koffi") as Koffi;
    } catch {
      // Not there, or not built for this machine: the next place, or the hint.
    }
  }
  return undefined;
}

let opened: Libc | undefined;

/** The C library through koffi, opened once. A failure says how to get koffi. */
export function openLibc(): Result<Libc> {
  if (opened) return success(opened);
  const number = BPF_SYSCALL[process.arch];
  if (process.platform !== "linux" || number === undefined)
    return failure(problems.kernel_not_linux({ platform: process.platform, arch: process.arch }));
  const koffi = findKoffi();
  if (koffi === undefined) return failure(problems.kernel_koffi_missing());
  opened = new Libc(koffi, number);
  return success(opened);
}
