import { ARENA_PAGE } from "../layout/index.ts";
import { ProblemError } from "../problem/index.ts";
import { errnoText, type Libc } from "./libc.node.ts";
import { problems } from "./problems.ts";

/** The memory of the live kernel's ARENA, mapped into this process, as libbpf does when it makes the map. What is touched first makes its page. */
export class KernelArena {
  /** User address of the first byte: where the kernel put it. */
  readonly start: bigint;
  readonly #libc: Libc;
  readonly #size: number;

  constructor(libc: Libc, fd: number, pages: number) {
    this.#libc = libc;
    this.#size = pages * ARENA_PAGE;
    const address = libc.share(fd, this.#size, 0, true);
    if (address < 0)
      throw new ProblemError(problems.kernel_call_failed({ call: "mapping an arena", errno: errnoText(address), detail: "see mmap(2)" }));
    this.start = BigInt(address);
  }

  read(offset: number, size: number): Uint8Array {
    this.#libc.begin();
    const at = this.#libc.copyFrom(Number(this.start) + offset, size);
    return this.#libc.scratch.slice(at, at + size);
  }

  write(offset: number, bytes: Uint8Array): void {
    this.#libc.begin();
    this.#libc.copyTo(Number(this.start) + offset, this.#libc.place(bytes), bytes.length);
  }

  close(): void {
    this.#libc.unshare(Number(this.start), this.#size);
  }
}
