import { expect } from "vitest";
import { BPF_F_NO_COMMON_LRU, HashHeader, LruLocal, LruNode, LruState } from "../../src/layout/index.ts";
import type { BpfMap } from "../../src/runtime/index.ts";
import type { TestMachine } from "./machine.ts";

/** The elements of an LRU map by their indices: those in lists of what is in use, and the free ones. Their counts are right. */
export function lruLists({ memory: { view }, host }: TestMachine, map: BpfMap): { readonly inUse: number[]; readonly free: number[] } {
  const cpus = host.cpus.blocks.length;
  const state = HashHeader.read(view, map.address, "lru");
  const count = (map.spec.flags & BPF_F_NO_COMMON_LRU) === 0 ? 1 : cpus;
  const states = Array.from({ length: count }, (_, index) => state + index * LruState.size);
  const nodes = LruState.read(view, state, "nodes");
  const limit = LruState.read(view, state, "limit");
  const listOf = (head: number): number[] => {
    const members: number[] = [];
    for (let node = LruNode.read(view, nodes + head * 16, "next"); node !== head && members.length <= limit; ) {
      members.push(node);
      node = LruNode.read(view, nodes + node * 16, "next");
    }
    return members;
  };
  const inUse: number[] = [];
  const free: number[] = [];
  for (const at of states) {
    const active = listOf(LruState.read(view, at, "active"));
    const inactive = listOf(LruState.read(view, at, "inactive"));
    expect([active.length, inactive.length]).toEqual([LruState.read(view, at, "active_count"), LruState.read(view, at, "inactive_count")]);
    inUse.push(...active, ...inactive);
    free.push(...listOf(LruState.read(view, at, "free")));
    for (let fresh = LruState.read(view, at, "fresh"); fresh < LruState.read(view, at, "fresh_end"); fresh++) free.push(fresh);
  }
  const locals = LruState.read(view, state, "locals");
  for (let cpu = 0; cpu < cpus && locals !== 0; cpu++) {
    inUse.push(...listOf(LruLocal.read(view, locals + cpu * LruLocal.size, "pending")));
    free.push(...listOf(LruLocal.read(view, locals + cpu * LruLocal.size, "free")));
  }
  return { inUse, free };
}
