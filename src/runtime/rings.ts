import {
  BPF_MAP_TYPE_PERF_EVENT_ARRAY,
  BPF_RINGBUF_BUSY_BIT,
  BPF_RINGBUF_DISCARD_BIT,
  BPF_RINGBUF_HDR_SZ,
  PERF_SAMPLE_MAX,
  PerfRing,
  RingHeader,
} from "../layout/index.ts";
import type { BpfMap } from "./bpfMap.ts";
import type { SimulatedMemory } from "./memory.ts";

/** The memory as it is now. */
export interface RingMemory {
  readonly view: DataView;
  readonly bytes: Uint8Array;
}

/** What reading a ring needs of its map; plain numbers, so that it can be sent to a worker. */
export interface RingMap {
  readonly address: number;
  readonly elements: number;
  readonly spec: { readonly type: number; readonly maxEntries: number };
}

const record8 = (size: number): number => Math.ceil(size / 8) * 8;

/** The word of the memory at this address, to be read and written by Atomics. */
const wideWord = ({ view }: RingMemory, address: number): BigUint64Array => new BigUint64Array(view.buffer, address, 1);

/**
 * Takes what programs submitted to a RINGBUF since the last time, oldest first, up to the first record that is still being written; discarded records
 * are passed over. May run while programs write.
 */
export function drainRing(memory: RingMemory, map: RingMap): Uint8Array[] {
  const { samples, consumer } = waiting(memory, map);
  Atomics.store(wideWord(memory, map.address + RingHeader.at.consumer), 0, consumer);
  return samples;
}

/** What `drainRing` would take, left where it is. */
export const peekRing = (memory: RingMemory, map: RingMap): Uint8Array[] => waiting(memory, map).samples;

/** Samples that wait, and the consumer's position behind them. */
function waiting(memory: RingMemory, map: RingMap): { readonly samples: Uint8Array[]; readonly consumer: bigint } {
  const { bytes, view } = memory;
  const ringSize = map.spec.maxEntries;
  const producer = Atomics.load(wideWord(memory, map.address + RingHeader.at.producer), 0);
  const start = Atomics.load(wideWord(memory, map.address + RingHeader.at.consumer), 0);
  const samples: Uint8Array[] = [];
  let consumer = start;
  while (producer > consumer && producer - start <= BigInt(ringSize)) {
    const at = map.elements + Number(consumer % BigInt(ringSize));
    const header = Atomics.load(new Uint32Array(view.buffer, at, 1), 0);
    if ((header & BPF_RINGBUF_BUSY_BIT) !== 0) break;
    const length = header & ~(BPF_RINGBUF_BUSY_BIT | BPF_RINGBUF_DISCARD_BIT);
    const size = record8(length + BPF_RINGBUF_HDR_SZ);
    if (size > ringSize) break;
    const sampleAt = at + BPF_RINGBUF_HDR_SZ;
    if ((header & BPF_RINGBUF_DISCARD_BIT) === 0) samples.push(bytes.slice(sampleAt, sampleAt + length));
    consumer += BigInt(size);
  }
  return { samples, consumer };
}

/**
 * User space's side of a USER_RINGBUF: writes one record. False when the ring has no room for it until programs have drained some. One producer at a time; may
 * run while programs drain. Throws a RangeError for a record that no ring of this size can hold.
 */
export function writeUserRing(memory: SimulatedMemory, map: BpfMap, record: Uint8Array): boolean {
  const ringSize = map.spec.maxEntries;
  const size = record8(record.length + BPF_RINGBUF_HDR_SZ);
  if (size > ringSize) throw new RangeError(`a record of ${record.length} bytes in a ring of ${ringSize}`);
  const producerWord = wideWord(memory, map.address + RingHeader.at.producer);
  const producer = Atomics.load(producerWord, 0);
  const consumer = Atomics.load(wideWord(memory, map.address + RingHeader.at.consumer), 0);
  if (producer - consumer + BigInt(size) > BigInt(ringSize)) return false;
  const at = map.elements + Number(producer % BigInt(ringSize));
  memory.view.setUint32(at, record.length, true);
  memory.view.setUint32(at + 4, 0, true);
  memory.bytes.set(record, at + BPF_RINGBUF_HDR_SZ);
  Atomics.store(producerWord, 0, producer + BigInt(size));
  return true;
}

/** Records of a RINGBUF that found no room so far. */
export const ringLost = (memory: RingMemory, map: RingMap): bigint => RingHeader.readBig(memory.view, map.address, "lost");

/** What a perf ring gave: samples with the CPU they came from, and how many were lost before. */
export interface PerfRecords {
  readonly cpu: number;
  /** Raw data, with the zero padding that the kernel counts as part of them. */
  readonly samples: readonly Uint8Array[];
  readonly lost: number;
}

const PERF_PAGE = 4096;
const PERF_HEADER = 12;

/** Listens to a PERF_EVENT_ARRAY as libbpf's perf_buffer__new does: one ring of `pages` pages for each CPU that the map has an entry for. */
export function openPerfBuffer(memory: SimulatedMemory, map: BpfMap, cpuCount: number, pages = 64): void {
  if (map.type !== BPF_MAP_TYPE_PERF_EVENT_ARRAY) throw new TypeError(`${map.name} is not a PERF_EVENT_ARRAY`);
  const size = 2 ** Math.ceil(Math.log2(Math.max(pages, 1))) * PERF_PAGE;
  for (let cpu = 0; cpu < Math.min(cpuCount, map.spec.maxEntries); cpu++) {
    const ring = memory.allocate("engine", PerfRing.size, 64, map.name);
    const data = memory.allocate("engine", size + PERF_SAMPLE_MAX + 24, 64, map.name);
    const { view } = memory;
    PerfRing.write(view, ring, "cpu", cpu);
    PerfRing.write(view, ring, "data", data);
    PerfRing.write(view, ring, "mask", size - 1);
    Atomics.store(new Uint32Array(view.buffer, map.elements + cpu * 4, 1), 0, ring);
  }
}

/** Nobody listens any more: from now on programs' calls answer -ENOENT. The rings' memory is not used again. */
export function closePerfBuffer(memory: RingMemory, map: RingMap): void {
  const entries = new Uint32Array(memory.view.buffer, map.elements, map.spec.maxEntries);
  for (const index of entries.keys()) Atomics.store(entries, index, 0);
}

/** Takes all records from all rings of a PERF_EVENT_ARRAY. May run while programs write. */
export function drainPerfBuffer(memory: RingMemory, map: RingMap): PerfRecords[] {
  const { view } = memory;
  const records: PerfRecords[] = [];
  for (let entry = 0; entry < map.spec.maxEntries; entry++) {
    const ring = view.getUint32(map.elements + entry * 4, true);
    if (ring !== 0 && ring + PerfRing.size <= view.byteLength && ring % 8 === 0) records.push(drainPerfRing(memory, ring));
  }
  return records;
}

function drainPerfRing(memory: RingMemory, ring: number): PerfRecords {
  const { bytes, view } = memory;
  const ringSize = PerfRing.read(view, ring, "mask") + 1;
  const data = PerfRing.read(view, ring, "data");
  const head = Atomics.load(wideWord(memory, ring + PerfRing.at.head), 0);
  const tailWord = wideWord(memory, ring + PerfRing.at.tail);
  let tail = Atomics.load(tailWord, 0);
  const samples: Uint8Array[] = [];
  for (let left = Math.ceil(ringSize / 8); left > 0 && tail < head; left--) {
    const at = data + Number(tail % BigInt(ringSize));
    if (at + PERF_HEADER > view.byteLength) break;
    const record = view.getUint16(at + 6, true);
    if (record < PERF_HEADER || at + record > view.byteLength) break;
    samples.push(bytes.slice(at + PERF_HEADER, at + record));
    tail += BigInt(record);
  }
  Atomics.store(tailWord, 0, head);
  const lost = Number(Atomics.exchange(wideWord(memory, ring + PerfRing.at.lost), 0, 0n));
  return { cpu: PerfRing.read(view, ring, "cpu"), samples, lost };
}
