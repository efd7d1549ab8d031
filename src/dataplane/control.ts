import { ControlBlock } from "../layout/index.ts";
import type { CpuRunner } from "./cpuRunner.ts";

const word = (field: keyof typeof ControlBlock.at): number => ControlBlock.at[field] / 4;

/** Turns that a wait takes before the thread goes to sleep on the word: with a processor for every thread, and where a waiting thread keeps one from another. */
const SPINS = 2000;
const SPINS_SHARED = 100;

/** The control words, as both sides of the hand-over use them. */
export class Control {
  readonly #words: Int32Array;
  #spins = SPINS;

  constructor(memory: WebAssembly.Memory, address: number) {
    this.#words = new Int32Array(memory.buffer, address, ControlBlock.size / 4);
  }

  /** There are more threads than processors: who waits is soon to sleep. */
  shareProcessors(): void {
    this.#spins = SPINS_SHARED;
  }

  load(field: keyof typeof ControlBlock.at): number {
    return Atomics.load(this.#words, word(field));
  }

  store(field: keyof typeof ControlBlock.at, value: number): void {
    Atomics.store(this.#words, word(field), value);
    Atomics.notify(this.#words, word(field));
  }

  add(field: keyof typeof ControlBlock.at, by: number): number {
    return Atomics.add(this.#words, word(field), by) + by;
  }

  /** Waits until the word is no longer `value`, or `milliseconds` have gone; gives what it is then. */
  waitWhile(field: keyof typeof ControlBlock.at, value: number, milliseconds: number): number {
    for (let spin = 0; spin < this.#spins; spin++) {
      const now = this.load(field);
      if (now !== value) return now;
    }
    Atomics.wait(this.#words, word(field), value, milliseconds);
    return this.load(field);
  }

  /** A worker's word that so many windows are done. Steering is woken when it waits for no more than that. */
  finish(count: number): void {
    Atomics.store(this.#words, word("finished"), count);
    if (count >= this.load("wanted")) this.wake("finished");
  }

  /** Steering waits until `count` windows are finished, or `milliseconds` have gone. */
  waitForFinished(count: number, milliseconds: number): void {
    Atomics.store(this.#words, word("wanted"), count);
    for (let done = this.load("finished"); done < count; ) {
      const now = this.waitWhile("finished", done, milliseconds);
      if (now === done) return;
      done = now;
    }
  }

  /** Wakes who waits for a word that did not change. */
  wake(field: keyof typeof ControlBlock.at): void {
    Atomics.notify(this.#words, word(field));
  }

  /** A worker has carried out so many orders. */
  acknowledge(worker: number, orders: number): void {
    Atomics.store(this.#words, word("acknowledged") + worker, orders);
    Atomics.notify(this.#words, word("acknowledged") + worker);
  }

  /** Waits at most `milliseconds` until a worker has carried out so many orders; whether it has. */
  waitForAcknowledged(worker: number, orders: number, milliseconds: number): boolean {
    const at = word("acknowledged") + worker;
    const seen = Atomics.load(this.#words, at);
    if (seen >= orders) return true;
    Atomics.wait(this.#words, at, seen, milliseconds);
    return Atomics.load(this.#words, at) >= orders;
  }

  reset(): void {
    this.#words.fill(0);
  }
}

/**
 * Works off window `number` with this thread's CPUs, meeting the other threads' between phases. The thread that is last to leave the window calls `atEnd` before the
 * others may go on: no CPU runs then.
 */
export function runWindow(runner: CpuRunner, control: Control, number: number, workers: number, atEnd: (window: number) => void): void {
  runner.beginWindow(number);
  for (;;) {
    const left = runner.runPhase();
    if (workers > 1 ? !meet(control, left, number, workers, atEnd) : !left) break;
  }
  if (workers > 1) return;
  atEnd(number);
  control.finish(number + 1);
}

/** The barrier at the end of a phase: true when any CPU of any thread has something left. Else the window is finished. */
function meet(control: Control, left: boolean, number: number, workers: number, atEnd: (window: number) => void): boolean {
  const phase = control.load("phase");
  if (left) control.add("pending_cpus", 1);
  if (control.add("arrived", 1) === workers) {
    const more = control.load("pending_cpus") === 0 ? 0 : 1;
    control.store("more", more);
    control.store("pending_cpus", 0);
    control.store("arrived", 0);
    if (more === 0) {
      atEnd(number);
      control.finish(number + 1);
    }
    control.store("phase", phase + 1);
  } else while (control.load("phase") === phase) control.waitWhile("phase", phase, 100);
  return control.load("more") !== 0;
}
