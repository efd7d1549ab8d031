import type { MapSpec } from "../bpf/spec.ts";
import {
  BPF_MAP_TYPE_ARENA,
  BPF_MAP_TYPE_ARRAY,
  BPF_MAP_TYPE_ARRAY_OF_MAPS,
  BPF_MAP_TYPE_BLOOM_FILTER,
  BPF_MAP_TYPE_CGROUP_ARRAY,
  BPF_MAP_TYPE_CPUMAP,
  BPF_MAP_TYPE_DEVMAP,
  BPF_MAP_TYPE_DEVMAP_HASH,
  BPF_MAP_TYPE_HASH,
  BPF_MAP_TYPE_HASH_OF_MAPS,
  BPF_MAP_TYPE_LPM_TRIE,
  BPF_MAP_TYPE_LRU_HASH,
  BPF_MAP_TYPE_LRU_PERCPU_HASH,
  BPF_MAP_TYPE_PERCPU_ARRAY,
  BPF_MAP_TYPE_PERCPU_HASH,
  BPF_MAP_TYPE_PERF_EVENT_ARRAY,
  BPF_MAP_TYPE_PROG_ARRAY,
  BPF_MAP_TYPE_QUEUE,
  BPF_MAP_TYPE_RINGBUF,
  BPF_MAP_TYPE_SK_STORAGE,
  BPF_MAP_TYPE_SOCKHASH,
  BPF_MAP_TYPE_SOCKMAP,
  BPF_MAP_TYPE_STACK,
  BPF_MAP_TYPE_USER_RINGBUF,
  BPF_MAP_TYPE_XSKMAP,
  CpuBlock,
  MAP_MAGIC,
  MapHeader,
  mapTypeName,
} from "../layout/index.ts";
import { ProblemError } from "../problem/index.ts";
import { layOutArena } from "./arena.ts";
import { BpfMap } from "./bpfMap.ts";
import { layOutFields } from "./fieldLayout.ts";
import { layOutHash } from "./hashLayout.ts";
import { layOutLpm } from "./lpmLayout.ts";
import type { MapHost } from "./mapHost.ts";
import { layOutArray, layOutBloom, layOutQueue, layOutRing, type MapPlace, padded } from "./mapLayout.ts";
import { checkMapSpec } from "./mapRules.ts";
import { problems } from "./problems.ts";
import { layOutSkStorage } from "./socketMapLayout.ts";

/** Makes a map and fills in its first contents. Throws a Problem where the kernel would refuse to create it, or when the memory is used up. */
export function createMap(host: MapHost, spec: MapSpec): BpfMap {
  checkMapSpec(spec);
  const layOut = layouts.get(spec.type);
  if (layOut === undefined)
    throw new ProblemError(problems.map_type_unsupported({ map: spec.name, type: mapTypeName(spec.type).toUpperCase() }));
  const address = host.memory.allocate("engine", MapHeader.size, 64, spec.name);
  const { blocks } = host.cpus;
  const network = CpuBlock.read(host.memory.view, blocks[0]!, "network");
  const place: MapPlace = { memory: host.memory, spec, address, cpuCount: blocks.length, network };
  const id = host.takeId();
  writeCommon(place, id);
  layOut(place);
  layOutFields(place);
  const map = new BpfMap(host, spec, address, id);
  if (spec.contents !== undefined) writeContents(map, spec.contents);
  if (spec.frozen === true) map.freeze();
  return map;
}

/** Global variables: of an ARENA, those of its section stand at its beginning, where libbpf puts them. */
function writeContents(map: BpfMap, contents: Uint8Array): void {
  if (map.arena === undefined) map.section.initialise(contents);
  else map.arena.write(map.arena.start, contents);
}

function writeCommon({ memory, spec, address, cpuCount }: MapPlace, id: number): void {
  const { view } = memory;
  MapHeader.write(view, address, "magic", MAP_MAGIC);
  MapHeader.write(view, address, "type", spec.type);
  MapHeader.write(view, address, "key_size", spec.keySize);
  MapHeader.write(view, address, "value_size", spec.valueSize);
  MapHeader.write(view, address, "max_entries", spec.maxEntries);
  MapHeader.write(view, address, "flags", spec.flags);
  MapHeader.write(view, address, "id", id);
  MapHeader.write(view, address, "cpu_count", cpuCount);
}

const values = (place: MapPlace): void => layOutArray(place, padded(place.spec.valueSize));
const words = (place: MapPlace): void => layOutArray(place, 4);
/** Targets of a redirect: two words each, whatever the value's size. */
const targets = (place: MapPlace): void => layOutArray(place, 8);

const layouts: ReadonlyMap<number, (place: MapPlace) => void> = new Map([
  [BPF_MAP_TYPE_ARRAY, values],
  [BPF_MAP_TYPE_PERCPU_ARRAY, values],
  [BPF_MAP_TYPE_PROG_ARRAY, words],
  [BPF_MAP_TYPE_PERF_EVENT_ARRAY, words],
  [BPF_MAP_TYPE_ARRAY_OF_MAPS, words],
  [BPF_MAP_TYPE_DEVMAP, targets],
  [BPF_MAP_TYPE_CPUMAP, targets],
  [BPF_MAP_TYPE_XSKMAP, targets],
  [BPF_MAP_TYPE_HASH, layOutHash],
  [BPF_MAP_TYPE_PERCPU_HASH, layOutHash],
  [BPF_MAP_TYPE_LRU_HASH, layOutHash],
  [BPF_MAP_TYPE_LRU_PERCPU_HASH, layOutHash],
  [BPF_MAP_TYPE_HASH_OF_MAPS, layOutHash],
  [BPF_MAP_TYPE_DEVMAP_HASH, layOutHash],
  [BPF_MAP_TYPE_LPM_TRIE, layOutLpm],
  [BPF_MAP_TYPE_QUEUE, layOutQueue],
  [BPF_MAP_TYPE_STACK, layOutQueue],
  [BPF_MAP_TYPE_BLOOM_FILTER, layOutBloom],
  [BPF_MAP_TYPE_RINGBUF, layOutRing],
  [BPF_MAP_TYPE_USER_RINGBUF, layOutRing],
  [BPF_MAP_TYPE_SK_STORAGE, layOutSkStorage],
  [BPF_MAP_TYPE_SOCKMAP, values],
  [BPF_MAP_TYPE_ARENA, layOutArena],
  [BPF_MAP_TYPE_SOCKHASH, layOutHash],
  [BPF_MAP_TYPE_CGROUP_ARRAY, words],
]);
