import { BPF_MAP_TYPE_RINGBUF } from "../layout/index.ts";
import { drainPerfBuffer, drainRing, type RingMap, type RingMemory } from "../runtime/index.ts";

/** A ring that somebody listens to: what a worker needs of its map. */
export interface ListenedRing extends RingMap {
  /** Id of the map. */
  readonly id: number;
}

/** What one ring held at a window's end, oldest first. */
export interface RingBatch {
  readonly ring: number;
  /** Number of the CPU that a perf ring belongs to; 0 for a ring buffer, which all share. */
  readonly cpu: number;
  /** Records one behind the other, and where each ends. */
  readonly bytes: Uint8Array;
  readonly ends: Uint32Array;
  /** Perf rings: records that found no room. */
  readonly lost: number;
}

/** Records of a window, as the worker that left it last posts them before it says that the window is finished. */
export interface WindowRecords {
  readonly window: number;
  readonly batches: readonly RingBatch[];
}

function pack(ring: number, cpu: number, samples: readonly Uint8Array[], lost: number): RingBatch {
  const bytes = new Uint8Array(samples.reduce((sum, { length }) => sum + length, 0));
  const ends = new Uint32Array(samples.length);
  let end = 0;
  for (const [index, sample] of samples.entries()) {
    bytes.set(sample, end);
    end += sample.length;
    ends[index] = end;
  }
  return { ring, cpu, bytes, ends, lost };
}

/** Empties the rings: all that programs have submitted so far. Batches without anything are left out. */
export function emptyRings(memory: RingMemory, rings: readonly ListenedRing[]): RingBatch[] {
  const batches = rings.flatMap((ring) =>
    ring.spec.type === BPF_MAP_TYPE_RINGBUF
      ? [pack(ring.id, 0, drainRing(memory, ring), 0)]
      : drainPerfBuffer(memory, ring).map(({ cpu, samples, lost }) => pack(ring.id, cpu, samples, lost)),
  );
  return batches.filter(({ ends, lost }) => ends.length > 0 || lost > 0);
}

/** The records of a batch, in order. */
export function* unpack({ bytes, ends }: RingBatch): Generator<Uint8Array> {
  let start = 0;
  for (const end of ends) {
    yield bytes.subarray(start, end);
    start = end;
  }
}
