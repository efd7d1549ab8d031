import { PacketDescriptor, SteerState, WINDOW_PACKETS, WindowSlot } from "../layout/index.ts";
import type { PacketSource } from "../packet/index.ts";
import type { RuntimeInstance, SimulatedMemory } from "../runtime/index.ts";
import type { Control } from "./control.ts";
import type { MachineLayout } from "./machine.ts";
import type { PacketFilter } from "./packetFilter.ts";
import { turn } from "./turn.ts";

/** The walker's and steering's exports (packet/capture.as.ts, nic/steer.as.ts). */
interface Steering {
  readonly captureWalk: (state: number, first: number, max: number) => number;
  readonly openWindow: (steer: number, slot: number, cpus: number) => void;
  readonly steer: (steer: number, slot: number) => number;
}

/** Batches of which the filter left nothing, one after the other, before the event loop gets a turn. */
const EMPTY_BATCHES = 64;
/** How long the main thread waits for a window before it looks around, milliseconds. */
const PATIENCE_MS = 20;

/**
 * The main thread's side of the windows: fills slots from a source, publishes them, and hands them to `finished` in their order when the CPUs are done with them.
 * layout/window.ts has the protocol.
 */
export class Windows {
  readonly #memory: SimulatedMemory;
  readonly #steering: Steering;
  readonly #layout: MachineLayout;
  readonly #control: Control;
  readonly #finished: (slot: number) => void;
  readonly #advanced: (source: PacketSource) => void;
  readonly #filter: PacketFilter | undefined;
  /** Windows published, and handed to `finished`, so far. */
  #published = 0;
  #harvested = 0;
  #spill = 0;
  #givenUp = false;
  #emptyBatches = 0;

  /**
   * `finished` is given each window in its order; `advanced` is told when the source has read on, and may describe more interfaces. Packets that `filter`
   * does not want come into no window.
   */
  constructor(
    memory: SimulatedMemory,
    runtime: RuntimeInstance,
    layout: MachineLayout,
    control: Control,
    on: {
      readonly finished: (slot: number) => void;
      readonly advanced: (source: PacketSource) => void;
      readonly filter?: PacketFilter | undefined;
    },
  ) {
    this.#memory = memory;
    this.#steering = runtime.exports as unknown as Steering;
    this.#layout = layout;
    this.#control = control;
    this.#finished = on.finished;
    this.#advanced = on.advanced;
    this.#filter = on.filter;
  }

  get published(): number {
    return this.#published;
  }

  #slot(number: number): number {
    return this.#layout.slots[number % this.#layout.slots.length]!;
  }

  /** The slot of the next window, emptied. It must be free: see `waitForRoom`. */
  open(): number {
    const slot = this.#slot(this.#published);
    this.#steering.openWindow(this.#layout.steer, slot, this.#layout.states.length);
    return slot;
  }

  /** Fills the open window. False when the source has ended; a promise only where the source must wait. */
  fill(source: PacketSource, slot: number): boolean | Promise<boolean> {
    for (;;) {
      if (this.#pending() === 0) {
        const { staging, steer } = this.#layout;
        const count = this.#steering.captureWalk(source.state, staging, WINDOW_PACKETS);
        if (count === 0) {
          const more = source.advance();
          if (more instanceof Promise) return more.then((came) => came && !this.#givenUp && this.#goOn(source, slot));
          if (!more) return false;
          this.#advanced(source);
          continue;
        }
        const kept = this.#filter?.keep(staging, count, SteerState.read(this.#memory.view, steer, "interface_count")) ?? count;
        SteerState.write(this.#memory.view, steer, "pending", staging);
        SteerState.write(this.#memory.view, steer, "pending_count", kept);
        this.#emptyBatches = kept === 0 ? this.#emptyBatches + 1 : 0;
        if (this.#emptyBatches === EMPTY_BATCHES) {
          this.#emptyBatches = 0;
          return turn().then(() => !this.#givenUp && this.fill(source, slot));
        }
        if (kept === 0) continue;
      }
      if (this.#steering.steer(this.#layout.steer, slot) !== 0) return true;
    }
  }

  /** The run ends although the source still waits for input: what comes then finds no window to go into. */
  giveUpFilling(): void {
    this.#givenUp = true;
  }

  #goOn(source: PacketSource, slot: number): boolean | Promise<boolean> {
    this.#advanced(source);
    return this.fill(source, slot);
  }

  #pending(): number {
    return SteerState.read(this.#memory.view, this.#layout.steer, "pending_count");
  }

  publish(): void {
    this.#published++;
    this.#control.store("published", this.#published);
  }

  /** Hands over what is finished. */
  harvest(): void {
    const finished = this.#control.load("finished");
    while (this.#harvested < finished) this.#finished(this.#slot(this.#harvested++));
  }

  /** Waits at most `patience` milliseconds for windows. True when at most `inFlight` of them are not yet handed over. */
  wait(inFlight: number, patience = PATIENCE_MS): boolean {
    this.harvest();
    if (this.#published - this.#harvested <= inFlight) return true;
    if (patience > 0) this.#control.waitForFinished(this.#published - inFlight, patience);
    this.harvest();
    return this.#published - this.#harvested <= inFlight;
  }

  /** Waits at most `milliseconds` until no published window is being worked on; whether that is so. Hands over nothing. */
  areFinished(milliseconds: number): boolean {
    this.#control.waitForFinished(this.#published, milliseconds);
    return this.#control.load("finished") >= this.#published;
  }

  /** Windows that may be in flight while the next is being filled. */
  get depth(): number {
    return this.#layout.slots.length - 1;
  }

  /**
   * Moves the bytes of the open window's packets out of the source's buffers, which are about to be reused. A packet is kept as far as a frame can hold it: of
   * longer ones only the beginning is looked at.
   */
  keepOpenBytes(): void {
    const slot = this.#slot(this.#published);
    const { view, bytes } = this.#memory;
    const count = WindowSlot.read(view, slot, "count");
    const descriptors = WindowSlot.read(view, slot, "descriptors");
    const size = this.#layout.frameSize;
    for (let index = 0; index < count; index++) {
      const descriptor = descriptors + index * PacketDescriptor.size;
      const address = PacketDescriptor.read(view, descriptor, "address");
      const length = Math.min(PacketDescriptor.read(view, descriptor, "caplen"), size);
      const to = this.#ownRoom(index);
      if (address === to) continue;
      bytes.copyWithin(to, address, address + length);
      PacketDescriptor.write(view, descriptor, "address", to);
    }
  }

  /**
   * Fills those of the open window's packets up with zeros whose captured bytes are fewer than the wire had, as far as a frame can hold them, in room of their
   * own. Gives how many there were.
   */
  padSnapped(): number {
    const slot = this.#slot(this.#published);
    const { view, bytes } = this.#memory;
    const count = WindowSlot.read(view, slot, "count");
    const descriptors = WindowSlot.read(view, slot, "descriptors");
    let padded = 0;
    for (let index = 0; index < count; index++) {
      const descriptor = descriptors + index * PacketDescriptor.size;
      const length = PacketDescriptor.read(view, descriptor, "length");
      const caplen = PacketDescriptor.read(view, descriptor, "caplen");
      if (caplen >= length || length > this.#layout.frameSize) continue;
      const address = PacketDescriptor.read(view, descriptor, "address");
      const to = this.#ownRoom(index);
      bytes.copyWithin(to, address, address + caplen);
      bytes.fill(0, to + caplen, to + length);
      PacketDescriptor.write(view, descriptor, "address", to);
      PacketDescriptor.write(view, descriptor, "caplen", length);
      padded++;
    }
    return padded;
  }

  /** Where bytes of packet `index` of the open window may be kept. */
  #ownRoom(index: number): number {
    return this.#spill + ((this.#published % this.#layout.slots.length) * WINDOW_PACKETS + index) * this.#layout.frameSize;
  }

  /** Sets room aside for `keepOpenBytes` and `padSnapped`; before the workers start. */
  prepareToKeepBytes(): void {
    if (this.#spill !== 0) return;
    const size = this.#layout.slots.length * WINDOW_PACKETS * this.#layout.frameSize;
    this.#spill = this.#memory.allocate("engine", size, 64, "packets of open windows");
  }
}
