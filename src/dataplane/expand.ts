import {
  OUTCOME_STEPS,
  OutcomeRecord,
  PACKET_FLAG_NO_TIME,
  PacketDescriptor,
  OutcomeStep as StepLayout,
  WINDOW_COPIES,
  WindowSlot,
} from "../layout/index.ts";
import type { MachineLayout } from "./machine.ts";
import { fateName, type HelperName, hasArrived, reasonName, stepNames, targetName } from "./names.ts";
import type { Outcome, OutcomeStep } from "./outcome.ts";

/** Names that records hold numbers for. */
export interface RecordNames {
  /** By index among the machine's devices, and by ifindex. */
  readonly device: (index: number) => string;
  readonly interface: (ifindex: number) => string;
  /** By table index. */
  readonly program: (slot: number) => string;
  readonly helper: HelperName;
}

/** An outcome with what belongs to the packet and not to the record. */
export interface ExpandedOutcome {
  readonly outcome: Outcome;
  /** Nanoseconds since 1970. */
  readonly timeNs: bigint;
  /** The packet in the end, where final bytes are kept; else as it was captured. A view of the memory: valid until the callback that was given it returns. */
  readonly bytes: Uint8Array;
}

const SECOND = 1_000_000_000n;

/** When a packet was captured, by its descriptor: nanoseconds since 1970, and as outcomes have it. */
export function timeOf(view: DataView, packet: number): { readonly timeNs: bigint; readonly ts: string | null } {
  const timeNs = view.getBigInt64(packet + PacketDescriptor.at.ts_ns, true);
  return { timeNs, ts: (PacketDescriptor.read(view, packet, "flags") & PACKET_FLAG_NO_TIME) === 0 ? secondsText(timeNs) : null };
}

/** Seconds with nine decimals of signed nanoseconds since 1970. */
function secondsText(ns: bigint): string {
  const magnitude = ns < 0n ? -ns : ns;
  return `${ns < 0n ? "-" : ""}${magnitude / SECOND}.${String(magnitude % SECOND).padStart(9, "0")}`;
}

/** Reads the outcome records of a finished window, in the order of the packets' ids; copies follow their packet. */
export class RecordReader {
  readonly #layout: MachineLayout;
  readonly #names: RecordNames;

  constructor(layout: MachineLayout, names: RecordNames) {
    this.#layout = layout;
    this.#names = names;
  }

  /** Copies of a window that were made, but found no room for a record. */
  unrecorded(view: DataView, slot: number): number {
    return view.getUint32(WindowSlot.read(view, slot, "copy_counts") + this.#layout.states.length * 4, true);
  }

  *read(memory: { readonly view: DataView; readonly bytes: Uint8Array }, slot: number): Generator<ExpandedOutcome> {
    const { view } = memory;
    const count = WindowSlot.read(view, slot, "count");
    const outcomes = WindowSlot.read(view, slot, "outcomes");
    const copies = this.#copies(view, slot);
    const descriptors = WindowSlot.read(view, slot, "descriptors");
    for (let index = 0; index < count; index++) {
      yield* this.#expand(memory, slot, outcomes + index * OutcomeRecord.size);
      for (const copy of copies.get(descriptors + index * PacketDescriptor.size) ?? []) yield* this.#expand(memory, slot, copy);
    }
  }

  /** Records of copies by their packet's descriptor, in the order of their numbers. */
  #copies(view: DataView, slot: number): Map<number, number[]> {
    const byPacket = new Map<number, number[]>();
    const counts = WindowSlot.read(view, slot, "copy_counts");
    const copies = WindowSlot.read(view, slot, "copies");
    for (let cpu = 0; cpu < this.#layout.states.length; cpu++) {
      const count = Math.min(view.getUint32(counts + cpu * 4, true), WINDOW_COPIES);
      for (let index = 0; index < count; index++) {
        const record = copies + (cpu * WINDOW_COPIES + index) * OutcomeRecord.size;
        const packet = OutcomeRecord.read(view, record, "packet");
        const list = byPacket.get(packet);
        if (list === undefined) byPacket.set(packet, [record]);
        else list.push(record);
      }
    }
    const number = (record: number): number => OutcomeRecord.read(view, record, "copy");
    for (const list of byPacket.values())
      list.sort((a, b) => copyPath(number(a)).localeCompare(copyPath(number(b)), "en", { numeric: true }));
    return byPacket;
  }

  *#expand(
    { view, bytes }: { readonly view: DataView; readonly bytes: Uint8Array },
    slot: number,
    record: number,
  ): Generator<ExpandedOutcome> {
    const read = (field: keyof typeof OutcomeRecord.at): number => OutcomeRecord.read(view, record, field);
    const fate = fateName(read("fate"));
    // A copy that failed half way was taken back.
    if (fate === undefined) return;
    const packet = read("packet");
    const { timeNs, ts } = timeOf(view, packet);
    const id = Number(PacketDescriptor.readBig(view, packet, "id"));
    const copy = read("copy");
    const queue = this.#layout.queues[read("queue")]!;
    const outLength = read("out_length");
    const outcome: Outcome = {
      id: copy === 0 ? id : `${id}.${copyPath(copy)}`,
      ts,
      dev: this.#names.device(queue.device),
      queue: queue.index,
      cpu: read("cpu"),
      len: read("length"),
      steps: this.#steps(view, record),
      fate,
      to: targetName(read("to"), this.#names.interface),
      reason: reasonName(read("reason"), read("detail"), this.#names.helper),
      out_len: hasArrived(read("fate")) ? outLength : null,
    };
    yield { outcome, timeNs, bytes: this.#bytes({ view, bytes }, slot, record, outLength) };
  }

  #bytes(
    { view, bytes }: { readonly view: DataView; readonly bytes: Uint8Array },
    slot: number,
    record: number,
    length: number,
  ): Uint8Array {
    const packet = OutcomeRecord.read(view, record, "packet");
    if (WindowSlot.read(view, slot, "final_bytes") === 0 || length === 0) {
      const address = PacketDescriptor.read(view, packet, "address");
      return bytes.subarray(address, address + PacketDescriptor.read(view, packet, "caplen"));
    }
    const stride = WindowSlot.read(view, slot, "final_stride");
    const at = finalPlace(view, slot, record, stride);
    return bytes.subarray(at, at + Math.min(length, stride));
  }

  #steps(view: DataView, record: number): OutcomeStep[] {
    const steps: OutcomeStep[] = [];
    const count = Math.min(OutcomeRecord.read(view, record, "steps"), OUTCOME_STEPS);
    for (let index = 0; index < count; index++) {
      const at = record + OutcomeRecord.at.step + index * StepLayout.size;
      const { hook, mode, verdict } = stepNames(StepLayout.read(view, at, "hook"), StepLayout.read(view, at, "verdict"));
      steps.push({ hook, mode, program: this.#names.program(StepLayout.read(view, at, "program")), verdict });
    }
    return steps;
  }
}

/** Where the final bytes of a record's packet stand: in the packet's own place, or in the copy's. outcome.as.ts writes them by the same rule. */
function finalPlace(view: DataView, slot: number, record: number, stride: number): number {
  if (OutcomeRecord.read(view, record, "copy") === 0) {
    const packet = OutcomeRecord.read(view, record, "packet");
    const index = (packet - WindowSlot.read(view, slot, "descriptors")) / PacketDescriptor.size;
    return WindowSlot.read(view, slot, "final_bytes") + index * stride;
  }
  const number = (record - WindowSlot.read(view, slot, "copies")) / OutcomeRecord.size;
  const index = Math.floor(number / WINDOW_COPIES) * WindowSlot.read(view, slot, "copy_limit") + (number % WINDOW_COPIES);
  return WindowSlot.read(view, slot, "final_copies") + index * stride;
}

/** A copy's number has one byte for each generation, the oldest first. */
function copyPath(number: number): string {
  const path = [number >>> 24, (number >>> 16) & 255, (number >>> 8) & 255, number & 255].filter((part) => part !== 0);
  return path.join(".");
}
