import type { MapSpec } from "../bpf/spec.ts";
import {
  BPF_MAP_TYPE_ARRAY,
  BPF_MAP_TYPE_ARRAY_OF_MAPS,
  BPF_MAP_TYPE_BLOOM_FILTER,
  BPF_MAP_TYPE_CPUMAP,
  BPF_MAP_TYPE_DEVMAP,
  BPF_MAP_TYPE_LPM_TRIE,
  BPF_MAP_TYPE_LRU_PERCPU_HASH,
  BPF_MAP_TYPE_PERCPU_ARRAY,
  BPF_MAP_TYPE_PERCPU_HASH,
  BPF_MAP_TYPE_PERF_EVENT_ARRAY,
  BPF_MAP_TYPE_PROG_ARRAY,
  BPF_MAP_TYPE_QUEUE,
  BPF_MAP_TYPE_RINGBUF,
  BPF_MAP_TYPE_STACK,
  BPF_MAP_TYPE_XSKMAP,
  HashElement,
  HashHeader,
  LPM_ENTRY,
  LpmHeader,
  LpmNode,
  QueueHeader,
} from "../layout/index.ts";
import type { SimulatedMemory } from "./memory.ts";

/** What is known of a map without asking the memory. */
export interface ElementPlace {
  readonly memory: SimulatedMemory;
  readonly spec: MapSpec;
  readonly address: number;
  readonly elements: number;
  readonly stride: number;
}

/** An element of a map: its key, and where its value (CPU 0's, in per-CPU kinds) stands. */
export interface MapElement {
  readonly key: Uint8Array;
  readonly valueAt: number;
}

/** The elements of a map, read straight from the memory. Links that lead outside the map's own elements end the walk they are met on. */
export function elementsInUse(place: ElementPlace): Generator<MapElement> | readonly MapElement[] {
  switch (place.spec.type) {
    case BPF_MAP_TYPE_ARRAY:
    case BPF_MAP_TYPE_PERCPU_ARRAY:
    case BPF_MAP_TYPE_PROG_ARRAY:
    case BPF_MAP_TYPE_ARRAY_OF_MAPS:
    case BPF_MAP_TYPE_DEVMAP:
    case BPF_MAP_TYPE_CPUMAP:
    case BPF_MAP_TYPE_XSKMAP:
      return ofArray(place);
    case BPF_MAP_TYPE_LPM_TRIE:
      return ofTrie(place);
    case BPF_MAP_TYPE_QUEUE:
    case BPF_MAP_TYPE_STACK:
      return ofQueue(place);
    case BPF_MAP_TYPE_RINGBUF:
    case BPF_MAP_TYPE_PERF_EVENT_ARRAY:
    case BPF_MAP_TYPE_BLOOM_FILTER:
      return [];
    default:
      return ofHash(place);
  }
}

function* ofArray({ spec, elements, stride }: ElementPlace): Generator<MapElement> {
  for (let index = 0; index < spec.maxEntries; index++) {
    const key = new Uint8Array(4);
    new DataView(key.buffer).setUint32(0, index, true);
    yield { key, valueAt: elements + index * stride };
  }
}

function* ofHash({ memory, spec, address, elements, stride }: ElementPlace): Generator<MapElement> {
  const { view, bytes } = memory;
  const heads = HashHeader.read(view, address, "buckets");
  const buckets = HashHeader.read(view, address, "bucket_mask") + 1;
  const limit = HashHeader.read(view, address, "capacity") + HashHeader.read(view, address, "slots");
  const end = Math.min(elements + limit * stride, bytes.length);
  const perCpu = spec.type === BPF_MAP_TYPE_PERCPU_HASH || spec.type === BPF_MAP_TYPE_LRU_PERCPU_HASH;
  const valueOffset = HashElement.size + Math.ceil(spec.keySize / 8) * 8;
  let left = limit;
  for (let bucket = 0; bucket < buckets; bucket++) {
    let element = view.getUint32(heads + bucket * 4, true);
    while (element >= elements && element + stride <= end && (element - elements) % stride === 0 && left-- > 0) {
      const key = bytes.slice(element + HashElement.size, element + HashElement.size + spec.keySize);
      const valueAt = element + valueOffset;
      yield { key, valueAt: perCpu ? view.getUint32(valueAt, true) : valueAt };
      element = view.getUint32(element + HashElement.at.next, true);
    }
  }
}

function* ofTrie({ memory, spec, address, elements, stride }: ElementPlace): Generator<MapElement> {
  const { view, bytes } = memory;
  const handedOut = Math.min(LpmHeader.read(view, address, "fresh"), LpmHeader.read(view, address, "capacity"));
  const dataSize = spec.keySize - 4;
  const valueOffset = LpmNode.size + Math.ceil(dataSize / 8) * 8;
  for (let index = 0; index < handedOut; index++) {
    const node = elements + index * stride;
    if (node + stride > bytes.length) return;
    if (LpmNode.read(view, node, "kind") !== LPM_ENTRY) continue;
    const key = new Uint8Array(spec.keySize);
    new DataView(key.buffer).setUint32(0, LpmNode.read(view, node, "prefix_length"), true);
    key.set(bytes.subarray(node + LpmNode.size, node + LpmNode.size + dataSize), 4);
    yield { key, valueAt: node + valueOffset };
  }
}

function* ofQueue({ memory, spec, address, elements, stride }: ElementPlace): Generator<MapElement> {
  const { view } = memory;
  const head = QueueHeader.read(view, address, "head");
  const length = Math.min(QueueHeader.read(view, address, "length"), spec.maxEntries);
  for (let turn = 0; turn < length; turn++) {
    const index = spec.type === BPF_MAP_TYPE_STACK ? head + length - 1 - turn : head + turn;
    yield { key: new Uint8Array(0), valueAt: elements + (index % spec.maxEntries) * stride };
  }
}
