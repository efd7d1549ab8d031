import {
  ControlBlock,
  CPU_BULKS,
  CpuBlock,
  CpuBulk,
  CpuThread,
  DeviceBulk,
  DeviceCounters,
  ETH_HLEN,
  FRAME_GAP,
  FRAME_SKB_ROOM,
  Frame,
  MAIL_SIZE,
  Mail,
  NAPI_POLL_WEIGHT,
  Napi,
  NetNamespace,
  OutcomeRecord,
  PacketDescriptor,
  POOL_FRAMES,
  PollRecord,
  PollState,
  QueueTally,
  RxQueue,
  SKB_SHARED_INFO_SIZE,
  SteerState,
  TALLY_ENTRIES,
  TallyEntry,
  VethCounters,
  WINDOW_COPIES,
  WINDOW_PACKETS,
  WINDOW_SLOTS,
  WindowSlot,
  XDP_PACKET_HEADROOM,
  XdpContext,
} from "../layout/index.ts";
import type { Device } from "../nic/index.ts";
import type { SimulatedCpus, SimulatedMemory } from "../runtime/index.ts";

/** Buffer of a frame unless a device's MTU asks for more: a page. */
const PAGE = 4096;
/** Interfaces of a capture that can lead to devices of their own. */
export const INTERFACE_LIMIT = 1024;

/** Addresses of all that a running machine keeps in the memory. Plain numbers: it can be sent to a worker as it is. */
export interface MachineLayout {
  readonly control: number;
  readonly steer: number;
  /** Room for descriptors between walker and steering: WINDOW_PACKETS of them. */
  readonly staging: number;
  /** Devices by capture interface: INTERFACE_LIMIT words. */
  readonly interfaces: number;
  /** WindowSlots. */
  readonly slots: readonly number[];
  /** PollStates and CpuBlocks by CPU. */
  readonly states: readonly number[];
  readonly blocks: readonly number[];
  readonly queues: readonly QueueLayout[];
  readonly deviceCount: number;
  /** Bytes of a frame's buffer. */
  readonly frameSize: number;
}

export interface QueueLayout {
  /** Index of the device, and number within it. */
  readonly device: number;
  readonly index: number;
  readonly cpu: number;
}

/** Enters devices in a new network namespace, and gives its address. */
export function layOutNamespace(memory: SimulatedMemory, devices: readonly Device[]): number {
  const limit = Math.max(0, ...devices.map(({ ifindex }) => ifindex)) + 1;
  const namespace = memory.allocate("engine", NetNamespace.size, 64, "network namespace");
  const table = memory.allocate("engine", limit * 4, 4, "devices");
  const { view } = memory;
  NetNamespace.write(view, namespace, "devices", table);
  NetNamespace.write(view, namespace, "device_limit", limit);
  for (const device of devices) {
    view.setUint32(table + device.ifindex * 4, device.address, true);
    device.enterNamespace(namespace);
  }
  return namespace;
}

/**
 * Bytes of a frame's buffer: a page, or as many as the largest MTU needs. Behind a veth the kernel may have a frame in the next power of two of that, twice over
 * (the skb as it was sent, and with the headroom for generic XDP), and adjust_tail may use all of it.
 */
function frameSizeFor(devices: readonly Device[]): number {
  const longest = Math.max(...devices.map(({ mtu }) => mtu)) + ETH_HLEN + 4;
  const needed = XDP_PACKET_HEADROOM + longest + SKB_SHARED_INFO_SIZE;
  if (devices.some(({ peer }) => peer !== undefined)) return Math.max(PAGE, 2 ** Math.ceil(Math.log2(needed + 64)) * 2);
  return Math.max(PAGE, Math.ceil(needed / 64) * 64);
}

/** Lays out queues, windows and the CPUs' packet loops. Queue n of a device belongs to CPU n modulo the number of CPUs. */
export function layOutMachine(memory: SimulatedMemory, cpus: SimulatedCpus, devices: readonly Device[]): MachineLayout {
  const count = cpus.blocks.length;
  const queues: QueueLayout[] = [];
  for (const device of devices) {
    device.setFirstQueue(queues.length);
    for (let index = 0; index < device.queues; index++) queues.push({ device: device.index, index, cpu: device.affinity(index) % count });
  }
  const rxQueues = memory.allocate("engine", queues.length * RxQueue.size, 64, "receive queues");
  for (const [number, { device, index, cpu }] of queues.entries()) {
    const at = rxQueues + number * RxQueue.size;
    RxQueue.write(memory.view, at, "device", devices[device]!.address);
    RxQueue.write(memory.view, at, "index", index);
    RxQueue.write(memory.view, at, "cpu", cpu);
  }
  const frameSize = frameSizeFor(devices);
  const states = cpus.blocks.map((block, cpu) => layOutCpu(memory, { block, cpu, count, queues, rxQueues, frameSize, devices }));
  const table = memory.allocate("engine", count * 4, 4, "CPUs");
  for (const [cpu, state] of states.entries()) {
    memory.view.setUint32(table + cpu * 4, state, true);
    PollState.write(memory.view, state, "states", table);
  }
  const steer = memory.allocate("engine", SteerState.size, 128, "steering");
  const interfaces = memory.allocate("engine", INTERFACE_LIMIT * 4, 64, "interfaces");
  const staging = memory.allocate("engine", WINDOW_PACKETS * PacketDescriptor.size, 64, "packet descriptors");
  memory.view.setUint32(interfaces, devices[0]!.address, true);
  SteerState.write(memory.view, steer, "interfaces", interfaces);
  SteerState.write(memory.view, steer, "queue_total", queues.length);
  return {
    control: memory.allocate("engine", ControlBlock.size, 128, "control words"),
    steer,
    staging,
    interfaces,
    slots: Array.from({ length: WINDOW_SLOTS }, () => layOutSlot(memory, queues.length, count)),
    states,
    blocks: cpus.blocks,
    queues,
    deviceCount: devices.length,
    frameSize,
  };
}

function layOutSlot(memory: SimulatedMemory, queues: number, cpus: number): number {
  const slot = memory.allocate("engine", WindowSlot.size, 64, "window");
  const set = (field: keyof typeof WindowSlot.at, size: number): void => {
    const at = memory.allocate("engine", size, 64, "window");
    WindowSlot.write(memory.view, slot, field, at);
  };
  set("descriptors", WINDOW_PACKETS * PacketDescriptor.size);
  set("queue_counts", queues * 4);
  set("queue_lists", queues * WINDOW_PACKETS * 2);
  set("copy_counts", (cpus + 1) * 4);
  WindowSlot.write(memory.view, slot, "copy_limit", WINDOW_COPIES - 1);
  return slot;
}

interface CpuPlace {
  readonly block: number;
  readonly cpu: number;
  readonly count: number;
  readonly queues: readonly QueueLayout[];
  readonly rxQueues: number;
  readonly frameSize: number;
  readonly devices: readonly Device[];
}

function layOutCpu(memory: SimulatedMemory, { block, cpu, count, queues, rxQueues, frameSize, devices }: CpuPlace): number {
  const what = `CPU ${cpu}`;
  const engine = (size: number): number => memory.allocate("engine", size, 64, what);
  const state = memory.allocate("engine", PollState.size, 128, what);
  const own = [...queues.keys()].filter((number) => queues[number]!.cpu === cpu);
  const stride = FRAME_SKB_ROOM + frameSize + FRAME_GAP;
  const frames = memory.allocateTwice(POOL_FRAMES * stride, 64, what);
  const fields = {
    queues: engine(own.length * 4),
    queue_count: own.length,
    cursors: engine(own.length * 4),
    free_frames: engine(POOL_FRAMES * 4),
    free_count: POOL_FRAMES,
    frame_size: frameSize,
    xdp_context: memory.allocate("program", XdpContext.size, 64, what),
    device_bulks: engine(devices.length * DeviceBulk.size),
    cpu_bulks: engine(CPU_BULKS * CpuBulk.size),
    mail_buffers: count > 1 ? engine(2 * MAIL_SIZE) : 0,
    mail_heads: engine(2 * count * 4),
    mail_tails: engine(2 * count * 4),
    cpu_count: count,
    // A poll's packets, each as long as a frame can hold. What a frame of several pages would need beyond the buffer is left to the check when mail is sent.
    mail_reserve: Math.min(NAPI_POLL_WEIGHT * (Mail.size + Frame.size + frameSize), MAIL_SIZE),
    outcome_tally: engine((TALLY_ENTRIES + 1) * TallyEntry.size),
    verdict_tally: engine((TALLY_ENTRIES + 1) * TallyEntry.size),
    queue_tallies: engine(queues.length * QueueTally.size),
    device_counters: engine(devices.length * DeviceCounters.size),
    veth_counters: engine(devices.length * VethCounters.size),
    threads: engine(CPU_BULKS * CpuThread.size),
    backlog: engine(Napi.size),
    napis: layOutNapis(memory, devices),
    records: engine(NAPI_POLL_WEIGHT * PollRecord.size),
    rx_queues: rxQueues,
  };
  const { view } = memory;
  for (const [field, value] of Object.entries(fields)) PollState.write(view, state, field as keyof typeof fields, value);
  for (const [turn, number] of own.entries()) view.setUint32(fields.queues + turn * 4, number, true);
  for (let index = 0; index < POOL_FRAMES; index++) view.setUint32(fields.free_frames + index * 4, frames + index * stride, true);
  CpuBlock.write(view, block, "frames", frames);
  CpuBlock.write(view, block, "frame_count", POOL_FRAMES);
  CpuBlock.write(view, block, "poll_state", state);
  return state;
}

/** The rings of a CPU; 0 when no device has a peer. */
function layOutNapis(memory: SimulatedMemory, devices: readonly Device[]): number {
  if (!devices.some(({ peer }) => peer !== undefined)) return 0;
  const at = memory.allocate("engine", devices.length * Napi.size, 64, "receive rings");
  for (const { index, address } of devices) Napi.write(memory.view, at + index * Napi.size, "device", address);
  return at;
}

/** Has a record written of every packet's outcome, or no longer. Room for them is made when it is first wanted. */
export function recordOutcomes(memory: SimulatedMemory, layout: MachineLayout, wanted: boolean): void {
  for (const slot of layout.slots) {
    WindowSlot.write(memory.view, slot, "recording", wanted ? 1 : 0);
    if (!wanted || WindowSlot.read(memory.view, slot, "outcomes") !== 0) continue;
    const room = (records: number): number => memory.allocate("engine", records * OutcomeRecord.size, 64, "outcomes");
    WindowSlot.write(memory.view, slot, "outcomes", room(WINDOW_PACKETS));
    WindowSlot.write(memory.view, slot, "copies", room(layout.blocks.length * WINDOW_COPIES));
  }
}

/** Bytes of memory for the final bytes of copies, all windows together. What is not written to costs nothing but addresses. */
const COPIES_MEMORY = 1 << 28;

/** Makes room for the packets' final bytes: one place a packet in each window, and one a copy, which limits the copies that are recorded. */
export function keepFinalBytes(memory: SimulatedMemory, layout: MachineLayout): void {
  const stride = layout.frameSize - SKB_SHARED_INFO_SIZE;
  const cpus = layout.states.length;
  const copies = Math.min(WINDOW_COPIES - 1, Math.floor(COPIES_MEMORY / (WINDOW_SLOTS * cpus * stride)));
  for (const slot of layout.slots) {
    if (WindowSlot.read(memory.view, slot, "final_bytes") !== 0) continue;
    const at = memory.allocate("engine", WINDOW_PACKETS * stride, 64, "final bytes of packets");
    WindowSlot.write(memory.view, slot, "final_bytes", at);
    WindowSlot.write(memory.view, slot, "final_stride", stride);
    const copiesAt = memory.allocate("engine", cpus * copies * stride, 64, "final bytes of copies");
    WindowSlot.write(memory.view, slot, "final_copies", copiesAt);
    WindowSlot.write(memory.view, slot, "copy_limit", copies);
  }
}
