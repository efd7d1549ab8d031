import type { SimulatedMemory } from "../runtime/index.ts";
import type { IpPrefix } from "./prefix.ts";

/** Words of a trie node, one per value of an address byte (see match.as.ts for what a word holds). */
const NODE_WORDS = 256;

/** One prefix and the Route (address) that stands first for it. */
export interface TrieEntry {
  readonly prefix: IpPrefix;
  readonly route: number;
}

/**
 * Builds a trie of prefixes in the memory. Prefixes must come in order of length, shortest first: `insert` then gives the route that covered the new prefix so
 * far, which is what to fall back to.
 */
export class PrefixTrie {
  readonly #memory: SimulatedMemory;
  #root = 0;

  constructor(memory: SimulatedMemory) {
    this.#memory = memory;
  }

  /** Address of the root node, or 0 while nothing was inserted. */
  get root(): number {
    return this.#root;
  }

  #newNode(fill: number): number {
    const node = this.#memory.allocate("engine", NODE_WORDS * 4, 64, "routing table");
    const view = this.#memory.view;
    for (let word = 0; word < NODE_WORDS; word++) view.setUint32(node + word * 4, fill, true);
    return node;
  }

  /** Puts `route` in for all addresses of the prefix; gives the route that was there, or 0. */
  insert({ prefix: { address, length }, route }: TrieEntry): number {
    if (this.#root === 0) this.#root = this.#newNode(0);
    let node = this.#root;
    let depth = 0;
    for (; length > (depth + 1) * 8; depth++) node = this.#child(node, address[depth]!);
    const bits = length - depth * 8;
    const first = (address[depth] ?? 0) & (0xff00 >> bits) & 0xff;
    const covered = this.#memory.view.getUint32(node + first * 4, true);
    for (let value = first; value < first + (1 << (8 - bits)); value++) this.#memory.view.setUint32(node + value * 4, route, true);
    return covered;
  }

  #child(node: number, byte: number): number {
    const entry = this.#memory.view.getUint32(node + byte * 4, true);
    if ((entry & 1) === 1) return entry - 1;
    const child = this.#newNode(entry);
    this.#memory.view.setUint32(node + byte * 4, child + 1, true);
    return child;
  }
}
