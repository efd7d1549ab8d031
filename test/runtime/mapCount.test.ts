import { expect, test } from "vitest";
import type { MapSpec } from "../../src/bpf/spec.ts";
import {
  BPF_F_NO_PREALLOC,
  BPF_MAP_TYPE_ARRAY,
  BPF_MAP_TYPE_HASH,
  BPF_MAP_TYPE_LPM_TRIE,
  BPF_MAP_TYPE_LRU_HASH,
  BPF_MAP_TYPE_LRU_PERCPU_HASH,
  BPF_MAP_TYPE_PERCPU_HASH,
} from "../../src/layout/index.ts";
import { agreedResults, keep, withKernel } from "../kernel/everyEngine.ts";

const map = (type: number, rest: Partial<MapSpec> = {}): MapSpec => ({
  ...{ name: "counted", type, keySize: 4, valueSize: 8, maxEntries: 64, flags: 0 },
  ...rest,
});

/** Updates or deletes the element of a key of 4 or 8 bytes. */
const change = (key: number, helper: "update" | "delete"): string =>
  `*(u64 *)(r10 -8) = ${key}\n*(u64 *)(r10 -16) = 1\nr1 = map[counted]\nr2 = r10\nr2 += -8\nr3 = r10\nr3 += -16\nr4 = 0\ncall bpf_map_${helper}_elem`;
const count = (at: number): string => `r1 = map[counted]\ncall kfunc bpf_map_sum_elem_count\n${keep(at)}`;

test.each([
  ["HASH", map(BPF_MAP_TYPE_HASH), true],
  ["HASH without preallocation", map(BPF_MAP_TYPE_HASH, { flags: BPF_F_NO_PREALLOC }), true],
  ["PERCPU_HASH", map(BPF_MAP_TYPE_PERCPU_HASH), true],
  ["LRU_HASH", map(BPF_MAP_TYPE_LRU_HASH), true],
  ["LRU_PERCPU_HASH", map(BPF_MAP_TYPE_LRU_PERCPU_HASH), true],
  ["LPM_TRIE", map(BPF_MAP_TYPE_LPM_TRIE, { keySize: 8, flags: BPF_F_NO_PREALLOC }), false],
  ["ARRAY", map(BPF_MAP_TYPE_ARRAY), false],
] as const)(`bpf_map_sum_elem_count of a %s${withKernel}`, (_, counted, isCounted) => {
  const keys = [1, 2, 3, 17, 33, 2];
  const text = [count(0), ...keys.map((key, index) => `${change(key, "update")}\n${count(1 + index)}`)];
  const deletions = [2, 2, 17].map((key, index) => `${change(key, "delete")}\n${count(7 + index)}`);
  const results = agreedResults({ results: 10, maps: [counted], text: [...text, ...deletions, "r0 = 0\nexit"].join("\n") });
  expect(results).toEqual(isCounted ? [0n, 1n, 2n, 3n, 4n, 5n, 5n, 4n, 4n, 3n] : results.map(() => 0n));
});
