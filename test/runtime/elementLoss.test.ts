import { describe, expect, test } from "vitest";
import {
  BPF_F_NO_COMMON_LRU,
  BPF_F_NO_PREALLOC,
  BPF_MAP_TYPE_HASH,
  BPF_MAP_TYPE_LPM_TRIE,
  BPF_MAP_TYPE_LRU_HASH,
  BPF_MAP_TYPE_LRU_PERCPU_HASH,
  BPF_MAP_TYPE_PERCPU_HASH,
  HashHeader,
} from "../../src/layout/index.ts";
import { type BpfMap, createMap } from "../../src/runtime/index.ts";
import { lruLists } from "./lruLists.ts";
import { mapSpec, TestMachine, u32Key, u64Value } from "./machine.ts";

const ENTRIES = 100;
const kinds = [
  { name: "HASH", type: BPF_MAP_TYPE_HASH },
  { name: "PERCPU_HASH", type: BPF_MAP_TYPE_PERCPU_HASH },
  { name: "LRU_HASH", type: BPF_MAP_TYPE_LRU_HASH },
  { name: "LRU_HASH with lists of each CPU", type: BPF_MAP_TYPE_LRU_HASH, flags: BPF_F_NO_COMMON_LRU },
  { name: "LRU_PERCPU_HASH", type: BPF_MAP_TYPE_LRU_PERCPU_HASH },
  { name: "LPM_TRIE", type: BPF_MAP_TYPE_LPM_TRIE, keySize: 8, flags: BPF_F_NO_PREALLOC },
];

interface Place {
  readonly machine: TestMachine;
  readonly map: BpfMap;
  update(number: number, value?: number): number;
}

function make({ type, ...rest }: (typeof kinds)[number]): Place {
  const machine = new TestMachine(1);
  machine.useCpu(0);
  const map = createMap(machine.host, mapSpec(type, { maxEntries: ENTRIES, ...rest }));
  const keyOf = (number: number) => (map.spec.keySize === 8 ? Uint8Array.from([...u32Key(32), ...u32Key(number)]) : u32Key(number));
  return {
    machine,
    map,
    update: (number, value = machine.put(1, u64Value(BigInt(number)))) =>
      machine.call("mapUpdateElem", map.address, machine.put(0, keyOf(number)), value, 0n),
  };
}

/** What a worker does behind a trap. */
function recover({ machine }: Place): void {
  machine.call("releaseLocks");
  (machine.host.runtime.exports.fuel as WebAssembly.Global).value = 1n << 40n;
}

/** How many entries there are behind each of twice as many updates as fit. */
function fill(place: Place): number[] {
  const counts: number[] = [];
  for (let number = 0; number < 2 * ENTRIES; number++) {
    place.update(number);
    if (number % 10 === 0) counts.push(place.map.used);
  }
  return counts;
}

describe.each(kinds)("$name", (kind) => {
  test("loses no element to runs that an update ends because its value is not in the memory", () => {
    const place = make(kind);
    const beyond = place.machine.memory.memory.buffer.byteLength - 4;
    for (let turn = 0; turn < 3 * ENTRIES; turn++) {
      expect(() => place.update(turn, beyond)).toThrow(WebAssembly.RuntimeError);
      recover(place);
    }
    expect(fill(place)).toEqual(fill(make(kind)));
  });

  test.skipIf(kind.type === BPF_MAP_TYPE_LPM_TRIE)("loses no element to runs that end inside an update for want of fuel", () => {
    const place = make(kind);
    // All keys in one bucket: the walk through it costs more than there is.
    HashHeader.write(place.machine.memory.view, place.map.address, "bucket_mask", 0);
    for (let number = 0; number < ENTRIES; number++) place.update(number);
    const fuel = place.machine.host.runtime.exports.fuel as WebAssembly.Global;
    let ended = 0;
    for (let turn = 0; turn < 3 * ENTRIES; turn++) {
      fuel.value = BigInt(turn % 70);
      try {
        place.update(turn % ENTRIES);
        place.update(turn % ENTRIES);
      } catch (error) {
        expect(error).toBeInstanceOf(WebAssembly.RuntimeError);
        ended++;
      }
      recover(place);
    }
    expect(ended).toBeGreaterThan(100);
    if (kind.type === BPF_MAP_TYPE_HASH || kind.type === BPF_MAP_TYPE_PERCPU_HASH) {
      for (let number = 0; number < ENTRIES; number++) expect(place.update(number)).toBe(0);
      expect(place.map.used).toBe(ENTRIES);
    } else {
      // What is in a list of elements in use, and not in the table, is lost.
      const { inUse, free } = lruLists(place.machine, place.map);
      expect([...inUse, ...free].sort((a, b) => a - b)).toEqual(Array.from({ length: ENTRIES }, (_, index) => index));
      expect(place.map.used).toBe(inUse.length);
    }
  });
});
