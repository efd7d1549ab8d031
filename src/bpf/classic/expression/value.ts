import type { ClassicOperation, ClassicRelation, LoadSize } from "../instruction.ts";
import { holds, operate } from "../interpret.ts";

/**
 * What a filter computes of a packet: 32 bits without sign. Equal values are one object, so they are compared by identity. `load`: bytes of the packet in network
 * order, at `k` or at `base` + `k`; where there are none the filter ends with no match. `header_length`: 4 * (low four bits of the byte at `k`). `scratch`: what a
 * `store` with the same slot and version kept.
 */
export type Value =
  | { readonly kind: "constant"; readonly id: number; readonly k: number }
  | { readonly kind: "length"; readonly id: number }
  | { readonly kind: "load"; readonly id: number; readonly size: LoadSize; readonly k: number; readonly base: Value | undefined }
  | { readonly kind: "header_length"; readonly id: number; readonly k: number }
  | {
      readonly kind: "operation";
      readonly id: number;
      readonly operation: ClassicOperation;
      readonly left: Value;
      readonly right: Value;
    }
  | { readonly kind: "negate"; readonly id: number; readonly of: Value }
  | { readonly kind: "scratch"; readonly id: number; readonly slot: number; readonly version: number }
  | { readonly kind: "ancillary"; readonly id: number; readonly k: number };

/** A condition: evaluated from left to right, and no further than is needed. */
export type Condition =
  | { readonly kind: "always"; readonly value: boolean }
  | { readonly kind: "test"; readonly relation: ClassicRelation; readonly left: Value; readonly right: Value }
  | { readonly kind: "and" | "or"; readonly left: Condition; readonly right: Condition }
  | { readonly kind: "not"; readonly of: Condition }
  /** One or the other, and never the other after the one failed. */
  | { readonly kind: "choice"; readonly of: Condition; readonly chosen: Condition; readonly otherwise: Condition }
  /** Keeps a value, then goes on. */
  | { readonly kind: "store"; readonly slot: number; readonly version: number; readonly value: Value; readonly after: Condition };

/** An offset that no packet reaches. */
const OUTSIDE = 0x7fffffff;

/** Makes values, each once. */
export class Values {
  readonly #known = new Map<string, Value>();
  #versions = 0;

  #once(key: string, make: (id: number) => Value): Value {
    let value = this.#known.get(key);
    if (value === undefined) {
      value = make(this.#known.size);
      this.#known.set(key, value);
    }
    return value;
  }

  constant(k: number): Value {
    return this.#once(`#${k >>> 0}`, (id) => ({ kind: "constant", id, k: k >>> 0 }));
  }

  get length(): Value {
    return this.#once("len", (id) => ({ kind: "length", id }));
  }

  /** `k` bytes behind `base`, or behind the beginning of the packet. Constant parts of the base go into the offset. */
  load(size: LoadSize, k: number, base?: Value): Value {
    if (base?.kind === "constant") return this.load(size, k + base.k);
    if (base?.kind === "operation" && base.operation === "add") {
      const { left, right } = base;
      if (right.kind === "constant" && k + right.k <= 0x7fffffff) return this.load(size, k + right.k, left);
      if (left.kind === "constant" && k + left.k <= 0x7fffffff) return this.load(size, k + left.k, right);
    }
    // Linux takes offsets from 2^31 on for something else than the packet; there the packet has no bytes, as anywhere behind its end.
    if (base === undefined && k >>> 0 > OUTSIDE) return this.load(size, OUTSIDE);
    return this.#once(`load${size} ${k >>> 0} ${base?.id}`, (id) => ({ kind: "load", id, size, k: k >>> 0, base }));
  }

  headerLength(k: number): Value {
    return this.#once(`msh ${k}`, (id) => ({ kind: "header_length", id, k }));
  }

  ancillary(k: number): Value {
    return this.#once(`anc ${k}`, (id) => ({ kind: "ancillary", id, k }));
  }

  scratch(slot: number, version: number): Value {
    return this.#once(`M ${slot} ${version}`, (id) => ({ kind: "scratch", id, slot, version }));
  }

  /** A version that no store had before. */
  nextVersion(): number {
    return ++this.#versions;
  }

  /** What ends the filter without a match wherever it is needed. */
  get failure(): Value {
    return this.load(1, OUTSIDE);
  }

  operation(operation: ClassicOperation, left: Value, right: Value): Value {
    if (right.kind === "constant") {
      if ((operation === "div" || operation === "mod") && right.k === 0) return this.failure;
      // Linux takes no such shift; libpcap's gives 0.
      if ((operation === "lsh" || operation === "rsh") && right.k > 31) return this.operation("and", left, this.constant(0));
    }
    if (left.kind === "constant" && right.kind === "constant") return this.constant(operate(operation, left.k, right.k));
    if (right.kind === "constant" && right.k === 0 && keepsWithZero.has(operation)) return left;
    return this.#once(`${operation} ${left.id} ${right.id}`, (id) => ({ kind: "operation", id, operation, left, right }));
  }

  negate(of: Value): Value {
    if (of.kind === "constant") return this.constant(-of.k);
    return this.#once(`neg ${of.id}`, (id) => ({ kind: "negate", id, of }));
  }
}

const keepsWithZero: ReadonlySet<ClassicOperation> = new Set(["add", "sub", "or", "xor", "lsh", "rsh"]);

export const always: Condition = { kind: "always", value: true };
export const never: Condition = { kind: "always", value: false };

export function test(relation: ClassicRelation, left: Value, right: Value): Condition {
  if (left.kind === "constant" && right.kind === "constant") return holds(relation, left.k, right.k) ? always : never;
  // One instruction fewer: whether no bit of a mask is set.
  if (
    relation === "jeq" &&
    right.kind === "constant" &&
    right.k === 0 &&
    left.kind === "operation" &&
    left.operation === "and" &&
    left.right.kind === "constant"
  )
    return not({ kind: "test", relation: "jset", left: left.left, right: left.right });
  return { kind: "test", relation, left, right };
}

export function and(left: Condition, right: Condition): Condition {
  if (left.kind === "always") return left.value ? right : left;
  if (right.kind === "always" && right.value) return left;
  return { kind: "and", left, right };
}

export function or(left: Condition, right: Condition): Condition {
  if (left.kind === "always") return left.value ? left : right;
  if (right.kind === "always" && !right.value) return left;
  return { kind: "or", left, right };
}

/** `chosen` where `of` holds, else `otherwise`. */
export const choice = (of: Condition, chosen: Condition, otherwise: Condition): Condition => ({ kind: "choice", of, chosen, otherwise });

export function not(of: Condition): Condition {
  if (of.kind === "always") return of.value ? never : always;
  return of.kind === "not" ? of.of : { kind: "not", of };
}
