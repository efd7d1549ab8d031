import { decodePlain } from "../bpf/btf/index.ts";
import { BPF_MAP_TYPE_PERF_EVENT_ARRAY, BPF_MAP_TYPE_RINGBUF, mapTypeName } from "../layout/index.ts";
import { ProblemError } from "../problem/index.ts";
import { type BpfMap, closePerfBuffer, openPerfBuffer, ringLost, type SimulatedMemory } from "../runtime/index.ts";
import { problems } from "./problems.ts";
import { type RecordType, recordType } from "./recordType.ts";
import { emptyRings, type ListenedRing, type RingBatch, unpack, type WindowRecords } from "./ringRecords.ts";

export interface RingBufferOptions<T> extends RecordType {
  /** Called for each record, in the order in which programs reserved them. Without it records wait for the iterator. */
  readonly onRecord?: (record: T) => void;
}

/** A consumer of a RINGBUF, as libbpf's ring_buffer. Iterated, it gives each record, waits for more, and ends when it is closed. */
export interface RingBuffer<T> extends AsyncIterable<T> {
  /** Records that found no room so far. Linux does not count them: there only the program knows. */
  readonly lost: number;
  /** Takes the records that are there now; for between two runs. How many there were. */
  consume(): number;
  /** Takes what was emptied already, and listens no more: from now on records fill the ring. */
  close(): void;
}

export interface PerfBufferOptions<T> extends RecordType {
  /** Pages of 4,096 bytes of each CPU's ring; 64 unless said, a power of two. */
  readonly pages?: number;
  /** Called for each sample, in order for each CPU. Without it samples wait for the iterator. */
  readonly onSample?: (sample: T, cpu: number) => void;
  /** Told how many records of a CPU found no room (PERF_RECORD_LOST), behind the samples of the same window. */
  readonly onLost?: (lost: number, cpu: number) => void;
}

/** What a perf buffer's iterator gives: a sample, or how many were lost. */
export type PerfEvent<T> = { readonly cpu: number; readonly sample: T } | { readonly cpu: number; readonly lost: number };

/** A consumer of a PERF_EVENT_ARRAY, as libbpf's perf_buffer: a ring for each simulated CPU. */
export interface PerfBuffer<T> extends AsyncIterable<PerfEvent<T>> {
  /** Records that found no room so far, of all CPUs. */
  readonly lost: number;
  consume(): number;
  close(): void;
}

/** What one consumer does with a batch. */
interface Consumer {
  readonly ring: ListenedRing;
  readonly take: (batch: RingBatch) => void;
}

export interface ConsumersPlace {
  readonly memory: SimulatedMemory;
  readonly cpus: number;
  /** Told when somebody begins or ceases to listen; when it returns, no other rings are emptied any more, and what was taken out has been collected. */
  readonly changed: (rings: readonly ListenedRing[]) => void;
  /** Whether a run is under way, in which rings are emptied at the windows' ends. */
  readonly running: () => boolean;
}

/**
 * Everybody who listens to rings. During a run each ring is emptied at the end of every window, when no CPU runs, by the thread that left the window last: so how full a ring
 * gets, and what is lost, depends on the packets and never on how fast threads were. Consumers are called on the main thread, window by window, before `onWindow`.
 */
export class Consumers {
  readonly #place: ConsumersPlace;
  readonly #consumers = new Map<number, Consumer>();
  /** Records of windows that are done but were not handed over yet. */
  #waiting: WindowRecords[] = [];

  constructor(place: ConsumersPlace) {
    this.#place = place;
  }

  get rings(): readonly ListenedRing[] {
    return [...this.#consumers.values()].map(({ ring }) => ring);
  }

  ringBuffer<T>(map: BpfMap, options: RingBufferOptions<T>): RingBuffer<T> {
    checkKind(map, BPF_MAP_TYPE_RINGBUF);
    const { memory } = this.#place;
    const decode = decoder<T>(map, options);
    const queue = new RecordQueue<T>();
    const give = options.onRecord ?? ((record: T) => queue.push(record));
    const consumer = this.#listen(map, (batch) => {
      for (const record of unpack(batch)) give(decode(record));
    });
    return {
      get lost() {
        return Number(ringLost(memory, map));
      },
      consume: () => this.#consume(consumer),
      close: () => this.#close(consumer, queue),
      [Symbol.asyncIterator]: () => queue.values(),
    };
  }

  perfBuffer<T>(map: BpfMap, options: PerfBufferOptions<T>): PerfBuffer<T> {
    checkKind(map, BPF_MAP_TYPE_PERF_EVENT_ARRAY);
    this.#checkFree(map);
    openPerfBuffer(this.#place.memory, map, this.#place.cpus, options.pages);
    const decode = decoder<T>(map, options);
    const queue = new RecordQueue<PerfEvent<T>>();
    const iterated = options.onSample === undefined && options.onLost === undefined;
    let lost = 0;
    const consumer = this.#listen(map, (batch) => {
      const { cpu } = batch;
      for (const record of unpack(batch)) {
        const sample = decode(record);
        if (iterated) queue.push({ cpu, sample });
        else options.onSample?.(sample, cpu);
      }
      if (batch.lost === 0) return;
      lost += batch.lost;
      if (iterated) queue.push({ cpu, lost: batch.lost });
      else options.onLost?.(batch.lost, cpu);
    });
    return {
      get lost() {
        return lost;
      },
      consume: () => this.#consume(consumer),
      close: () => {
        this.#close(consumer, queue);
        closePerfBuffer(this.#place.memory, map);
      },
      [Symbol.asyncIterator]: () => queue.values(),
    };
  }

  #listen(map: BpfMap, take: Consumer["take"]): Consumer {
    this.#checkFree(map);
    const { id, address, elements, spec } = map;
    const consumer = { ring: { id, address, elements, spec: { type: spec.type, maxEntries: spec.maxEntries } }, take };
    this.#consumers.set(id, consumer);
    this.#place.changed(this.rings);
    return consumer;
  }

  #checkFree(map: BpfMap): void {
    if (this.#consumers.has(map.id)) throw new ProblemError(problems.ring_taken({ map: map.name }));
  }

  #close(consumer: Consumer, queue: RecordQueue<unknown>): void {
    if (this.#consumers.get(consumer.ring.id) === consumer) {
      this.#consumers.delete(consumer.ring.id);
      this.#place.changed(this.rings);
      // Nothing more is taken out for this consumer; what was, is its.
      for (const { batches } of this.#waiting) for (const batch of batches) if (batch.ring === consumer.ring.id) consumer.take(batch);
      this.#waiting = this.#waiting.map(({ window, batches }) => ({
        window,
        batches: batches.filter(({ ring }) => ring !== consumer.ring.id),
      }));
    }
    queue.close();
  }

  #consume(consumer: Consumer): number {
    if (this.#place.running() || this.#consumers.get(consumer.ring.id) !== consumer) return 0;
    const batches = emptyRings(this.#place.memory, [consumer.ring]);
    for (const batch of batches) consumer.take(batch);
    return batches.reduce((sum, { ends }) => sum + ends.length, 0);
  }

  /** Records that a worker sent. */
  collect(records: WindowRecords): void {
    this.#waiting.push(records);
  }

  /** Empties the rings now, for `window`, on the main thread: no CPU may be running. */
  empty(window: number): void {
    if (this.#consumers.size === 0) return;
    const batches = emptyRings(this.#place.memory, this.rings);
    if (batches.length > 0) this.collect({ window, batches });
  }

  /** Hands over what came up to `window`. */
  deliver(window: number): void {
    if (this.#waiting.length === 0) return;
    const due = this.#waiting.filter((records) => records.window <= window).sort((a, b) => a.window - b.window);
    this.#waiting = this.#waiting.filter((records) => records.window > window);
    for (const { batches } of due) for (const batch of batches) this.#consumers.get(batch.ring)?.take(batch);
  }
}

function checkKind(map: BpfMap, type: number): void {
  if (map.type === type) return;
  throw new ProblemError(problems.ring_kind({ map: map.name, type: mapTypeName(map.type), expected: mapTypeName(type) }));
}

function decoder<T>(map: BpfMap, { type, ...place }: RecordType): (record: Uint8Array) => T {
  // A record is a view of its window's: a copy of its own does not keep the others alive.
  if (type === undefined) return (record) => record.slice() as T;
  const { btf, id, size } = recordType(map, { type, ...place });
  return (record) => {
    if (record.length < size) throw new ProblemError(problems.record_short({ map: map.name, given: record.length, type, expected: size }));
    const decoded = decodePlain(btf, id, record.subarray(0, size), map.name);
    if (!decoded.ok) throw new ProblemError(decoded.problem);
    return decoded.value as T;
  };
}

/** What was given and not yet taken. */
class RecordQueue<T> {
  #items: T[] = [];
  /** Index of the next one to give. */
  #next = 0;
  #closed = false;
  #wake: (() => void)[] = [];

  push(item: T): void {
    this.#items.push(item);
    this.#ring();
  }

  close(): void {
    this.#closed = true;
    this.#ring();
  }

  #ring(): void {
    for (const wake of this.#wake.splice(0)) wake();
  }

  async *values(): AsyncGenerator<T> {
    for (;;) {
      while (this.#next < this.#items.length) yield this.#items[this.#next++]!;
      this.#items = [];
      this.#next = 0;
      if (this.#closed) return;
      await new Promise<void>((resolve) => this.#wake.push(resolve));
    }
  }
}
