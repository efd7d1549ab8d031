import type { ClassicRelation } from "../instruction.ts";
import type { Condition, Value } from "./value.ts";

/** Ends of a filter. */
export const ACCEPT = 1;
export const REJECT = 0;
export type End = typeof ACCEPT | typeof REJECT;

/** A place in the graph that a filter becomes: a test with two ways on, or a value kept on the way. Never a cycle. */
export type Block = TestBlock | StoreBlock;
export interface TestBlock {
  readonly kind: "test";
  readonly relation: ClassicRelation;
  readonly left: Value;
  readonly right: Value;
  readonly onTrue: Target;
  readonly onFalse: Target;
}
export interface StoreBlock {
  readonly kind: "store";
  readonly slot: number;
  readonly version: number;
  readonly value: Value;
  readonly next: Target;
}
export type Target = Block | End;

/** Makes blocks, equal ones once: what two alternatives have in common is there once. */
class Blocks {
  readonly #known = new Map<string, Block>();
  readonly #ids = new Map<Block, number>();

  #id(target: Target): string {
    return typeof target === "number" ? `e${target}` : String(this.#ids.get(target));
  }

  #once(key: string, make: () => Block): Block {
    let block = this.#known.get(key);
    if (block === undefined) {
      block = make();
      this.#ids.set(block, this.#ids.size);
      this.#known.set(key, block);
    }
    return block;
  }

  /** A test whose outcome does not matter is none. */
  test(relation: ClassicRelation, left: Value, right: Value, onTrue: Target, onFalse: Target): Target {
    if (onTrue === onFalse) return onTrue;
    const key = `${relation} ${left.id} ${right.id} ${this.#id(onTrue)} ${this.#id(onFalse)}`;
    return this.#once(key, () => ({ kind: "test", relation, left, right, onTrue, onFalse }));
  }

  store(slot: number, version: number, value: Value, next: Target): Target {
    if (typeof next === "number") return next;
    return this.#once(`M ${slot} ${version} ${value.id} ${this.#id(next)}`, () => ({ kind: "store", slot, version, value, next }));
  }
}

/** The graph of a condition: short-circuit evaluation from left to right, common parts shared, tests left out whose outcome is known where they stand. */
export function graphOf(condition: Condition): Target {
  let start = new Builder().build(condition, ACCEPT, REJECT);
  for (let round = 0; round < MAX_ROUNDS; round++) {
    const next = threaded(start);
    if (!next.changed) break;
    start = next.start;
  }
  return start;
}

/** Leaving out a test can make another's outcome known; a few rounds find what there is to find. */
const MAX_ROUNDS = 16;

/** Turns conditions into blocks. A condition that stands in two places, as the steps of a chain of headers do, is built once for the same ways on. */
class Builder {
  readonly #blocks = new Blocks();
  readonly #built = new Map<Condition, { readonly onTrue: Target; readonly onFalse: Target; readonly target: Target }[]>();

  build(condition: Condition, onTrue: Target, onFalse: Target): Target {
    if (condition.kind === "test") return this.#blocks.test(condition.relation, condition.left, condition.right, onTrue, onFalse);
    if (condition.kind === "always") return condition.value ? onTrue : onFalse;
    const before = this.#built.get(condition) ?? [];
    const same = before.find((one) => one.onTrue === onTrue && one.onFalse === onFalse);
    if (same !== undefined) return same.target;
    const target = this.#join(condition, onTrue, onFalse);
    this.#built.set(condition, [...before, { onTrue, onFalse, target }]);
    return target;
  }

  #join(condition: Exclude<Condition, { kind: "test" | "always" }>, onTrue: Target, onFalse: Target): Target {
    switch (condition.kind) {
      case "not":
        return this.build(condition.of, onFalse, onTrue);
      case "and":
        return this.build(condition.left, this.build(condition.right, onTrue, onFalse), onFalse);
      case "or":
        return this.build(condition.left, onTrue, this.build(condition.right, onTrue, onFalse));
      case "choice":
        return this.build(condition.of, this.build(condition.chosen, onTrue, onFalse), this.build(condition.otherwise, onTrue, onFalse));
      case "store":
        return this.#blocks.store(condition.slot, condition.version, condition.value, this.build(condition.after, onTrue, onFalse));
    }
  }
}

export const successors = (block: Block): readonly Target[] => (block.kind === "test" ? [block.onTrue, block.onFalse] : [block.next]);

/** The blocks that can be reached, each before those it leads to; what follows a test that holds comes first. */
export function inOrder(start: Target): Block[] {
  if (typeof start === "number") return [];
  const order: Block[] = [];
  const seen = new Set<Block>([start]);
  const stack: { readonly block: Block; next: number }[] = [{ block: start, next: successors(start).length }];
  while (stack.length > 0) {
    const top = stack.at(-1)!;
    if (top.next === 0) {
      order.push(top.block);
      stack.pop();
      continue;
    }
    const target = successors(top.block)[--top.next]!;
    if (typeof target === "number" || seen.has(target)) continue;
    seen.add(target);
    stack.push({ block: target, next: successors(target).length });
  }
  return order.reverse();
}

/** Outcomes of tests that are known somewhere, by value: what it is, or which tests of it had which outcome. */
type Facts = ReadonlyMap<number, ValueFacts>;
interface ValueFacts {
  readonly equals?: number;
  /** Tests by relation and operand, with their outcomes. */
  readonly tests: ReadonlyMap<string, boolean>;
}

const none: Facts = new Map();
const keyOf = (relation: ClassicRelation, right: Value): string => `${relation} ${right.id}`;

/**
 * The outcome of a test, as far as libpcap's optimiser tells it too: the same test was made, or the value was found to equal something else. To tell more would leave
 * out loads that tcpdump's code makes, and which end it on packets that were cut short.
 */
function known(facts: Facts, { relation, left, right }: TestBlock): boolean | undefined {
  const about = facts.get(left.id);
  if (about === undefined) return undefined;
  if (relation === "jeq" && about.equals !== undefined && right.kind === "constant") return about.equals === right.k;
  return about.tests.get(keyOf(relation, right));
}

function learned(facts: Facts, { relation, left, right }: TestBlock, outcome: boolean): Facts {
  const about = facts.get(left.id);
  const tests = new Map(about?.tests);
  tests.set(keyOf(relation, right), outcome);
  const equals = relation === "jeq" && outcome && right.kind === "constant" ? right.k : about?.equals;
  const next = new Map(facts);
  next.set(left.id, { tests, ...(equals === undefined ? {} : { equals }) });
  return next;
}

/** What is known on both ways. */
function common(a: Facts, b: Facts): Facts {
  if (a === b) return a;
  const shared = new Map<number, ValueFacts>();
  for (const [value, one] of a) {
    const other = b.get(value);
    if (other === undefined) continue;
    if (one === other) {
      shared.set(value, one);
      continue;
    }
    const tests = new Map([...one.tests].filter(([key, outcome]) => other.tests.get(key) === outcome));
    const equals = one.equals === other.equals ? one.equals : undefined;
    if (tests.size > 0 || equals !== undefined) shared.set(value, { tests, ...(equals === undefined ? {} : { equals }) });
  }
  return shared;
}

/** Leads every way past the tests whose outcome is known on it. Such a test's value was computed before, so no load is left out that could fail. */
function threaded(start: Target): { readonly start: Target; readonly changed: boolean } {
  const order = inOrder(start);
  const facts = new Map<Block, Facts>(order.slice(0, 1).map((block) => [block, none]));
  const ways = new Map<Block, readonly Target[]>();
  let changed = false;
  for (const block of order) {
    const here = facts.get(block);
    // All ways to it lead elsewhere now.
    if (here === undefined) continue;
    const out = successors(block).map((target, index) => {
      const then = block.kind === "test" ? learned(here, block, index === 0) : here;
      let to = target;
      for (;;) {
        const outcome = typeof to === "number" || to.kind === "store" ? undefined : known(then, to);
        if (outcome === undefined) break;
        to = outcome ? (to as TestBlock).onTrue : (to as TestBlock).onFalse;
        changed = true;
      }
      if (typeof to !== "number") {
        const before = facts.get(to);
        facts.set(to, before === undefined ? then : common(before, then));
      }
      return to;
    });
    ways.set(block, out);
  }
  const blocks = new Blocks();
  const made = new Map<Block, Target>();
  const renewed = (target: Target): Target => (typeof target === "number" ? target : made.get(target)!);
  for (const block of order.reverse()) {
    const out = ways.get(block);
    if (out === undefined) continue;
    const [first, second] = out.map(renewed) as [Target, Target];
    made.set(
      block,
      block.kind === "test"
        ? blocks.test(block.relation, block.left, block.right, first, second)
        : blocks.store(block.slot, block.version, block.value, first),
    );
  }
  return { start: renewed(start), changed };
}
