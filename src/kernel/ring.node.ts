import { BPF_RINGBUF_BUSY_BIT, BPF_RINGBUF_DISCARD_BIT, BPF_RINGBUF_HDR_SZ } from "../layout/index.ts";
import { ProblemError } from "../problem/index.ts";
import { errnoText, type Libc } from "./libc.node.ts";
import type { KernelMap } from "./map.node.ts";
import { problems } from "./problems.ts";

/** The pages that a RINGBUF maps are of this size on x86-64 and, as a rule, on arm64. */
const PAGE_SIZE = 4096;

/**
 * User space's side of a RINGBUF of the live kernel. Its memory: a page with the consumer's position, a page with the producer's, then the data, mapped twice in a row so that
 * records never wrap. kernel/bpf/ringbuf.c. One reader at a time; nothing may produce meanwhile.
 */
export class KernelRing {
  readonly #libc: Libc;
  readonly #size: number;
  readonly #consumer: number;
  readonly #producer: number;

  /** Throws when the kernel refuses to map it. */
  constructor(libc: Libc, map: KernelMap) {
    this.#libc = libc;
    this.#size = map.spec.maxEntries;
    this.#consumer = libc.share(map.fd, PAGE_SIZE, 0, true);
    this.#producer = this.#consumer < 0 ? this.#consumer : libc.share(map.fd, PAGE_SIZE + 2 * this.#size, PAGE_SIZE, false);
    if (this.#producer < 0)
      throw new ProblemError(
        problems.kernel_call_failed({ call: `mapping ${map.spec.name}`, errno: errnoText(this.#producer), detail: "see mmap(2)" }),
      );
  }

  /** Takes the records that were submitted since the last time, oldest first; discarded ones are passed over. */
  drain(): Uint8Array[] {
    const libc = this.#libc;
    libc.begin();
    const producer = libc.view.getBigUint64(libc.copyFrom(this.#producer, 8), true);
    const consumerAt = libc.copyFrom(this.#consumer, 8);
    let consumer = libc.view.getBigUint64(consumerAt, true);
    if (producer === consumer) return [];
    const data = libc.copyFrom(this.#producer + PAGE_SIZE, 2 * this.#size);
    const records: Uint8Array[] = [];
    while (consumer < producer) {
      const at = data + Number(consumer % BigInt(this.#size));
      const header = libc.view.getUint32(at, true);
      if ((header & BPF_RINGBUF_BUSY_BIT) !== 0) break;
      const length = header & ~(BPF_RINGBUF_BUSY_BIT | BPF_RINGBUF_DISCARD_BIT);
      const sample = at + BPF_RINGBUF_HDR_SZ;
      if ((header & BPF_RINGBUF_DISCARD_BIT) === 0) records.push(libc.scratch.slice(sample, sample + length));
      consumer += BigInt(Math.ceil((length + BPF_RINGBUF_HDR_SZ) / 8) * 8);
    }
    libc.view.setBigUint64(consumerAt, consumer, true);
    libc.copyTo(this.#consumer, consumerAt, 8);
    return records;
  }

  close(): void {
    this.#libc.unshare(this.#consumer, PAGE_SIZE);
    this.#libc.unshare(this.#producer, PAGE_SIZE + 2 * this.#size);
  }
}

/**
 * User space's side of a USER_RINGBUF of the live kernel, which it writes and programs drain. As a RINGBUF's memory, but that the producer's page and the data are the ones
 * that may be written. One writer at a time.
 */
export class KernelUserRing {
  readonly #libc: Libc;
  readonly #size: number;
  readonly #consumer: number;
  readonly #producer: number;

  /** Throws when the kernel refuses to map it. */
  constructor(libc: Libc, map: KernelMap) {
    this.#libc = libc;
    this.#size = map.spec.maxEntries;
    this.#consumer = libc.share(map.fd, PAGE_SIZE, 0, false);
    this.#producer = this.#consumer < 0 ? this.#consumer : libc.share(map.fd, PAGE_SIZE + 2 * this.#size, PAGE_SIZE, true);
    if (this.#producer < 0)
      throw new ProblemError(
        problems.kernel_call_failed({ call: `mapping ${map.spec.name}`, errno: errnoText(this.#producer), detail: "see mmap(2)" }),
      );
  }

  /** Writes one record; false when the ring has no room for it. */
  write(record: Uint8Array): boolean {
    const libc = this.#libc;
    libc.begin();
    const producerAt = libc.copyFrom(this.#producer, 8);
    const producer = libc.view.getBigUint64(producerAt, true);
    const consumer = libc.view.getBigUint64(libc.copyFrom(this.#consumer, 8), true);
    const size = Math.ceil((record.length + BPF_RINGBUF_HDR_SZ) / 8) * 8;
    if (producer - consumer + BigInt(size) > BigInt(this.#size)) return false;
    const at = libc.reserve(size);
    libc.view.setUint32(at, record.length, true);
    libc.scratch.set(record, at + BPF_RINGBUF_HDR_SZ);
    libc.copyTo(this.#producer + PAGE_SIZE + Number(producer % BigInt(this.#size)), at, size);
    libc.view.setBigUint64(producerAt, producer + BigInt(size), true);
    libc.copyTo(this.#producer, producerAt, 8);
    return true;
  }

  close(): void {
    this.#libc.unshare(this.#consumer, PAGE_SIZE);
    this.#libc.unshare(this.#producer, PAGE_SIZE + 2 * this.#size);
  }
}
