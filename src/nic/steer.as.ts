/**
 * Steering: from the walker's descriptors to windows with a list of packets per receive queue.
 *
 *   for each pending packet, until the window is full or its time is up:
 *     device by capture interface; direction; hash; queue = indirection[hash]; append to the queue's list
 */
import {
  DIRECTION_CAPTURE,
  DIRECTION_EGRESS,
  DIRECTION_XMIT,
  Device_first_queue,
  Device_indirection,
  Device_queue_count,
  Device_toeplitz,
  INDIRECTION_ENTRIES,
  NetDevice_mac,
  PACKET_FLAG_EGRESS,
  PACKET_FLAG_INBOUND,
  PACKET_FLAG_OUTBOUND,
  PACKET_FLAG_SNAPPED,
  PACKET_FLAG_XMIT,
  PacketDescriptor_SIZE,
  PacketDescriptor_address,
  PacketDescriptor_caplen,
  PacketDescriptor_flags,
  PacketDescriptor_hash,
  PacketDescriptor_interface,
  PacketDescriptor_queue,
  PacketDescriptor_ts_ns,
  SteerState_bytes,
  SteerState_direction,
  SteerState_first_ns,
  SteerState_interface_count,
  SteerState_interfaces,
  SteerState_interval_ns,
  SteerState_latest_ns,
  SteerState_packets,
  SteerState_pending,
  SteerState_pending_count,
  SteerState_queue_total,
  SteerState_shift_ns,
  SteerState_snapped,
  SteerState_started,
  WINDOW_NS,
  WINDOW_PACKETS,
  WindowSlot_copy_counts,
  WindowSlot_count,
  WindowSlot_descriptors,
  WindowSlot_first_ns,
  WindowSlot_latest_ns,
  WindowSlot_queue_counts,
  WindowSlot_queue_lists,
} from "../layout/layout.generated.as";
import { rssHash } from "./rss.as";

/** Empties a slot for the next window of a machine with `cpus` CPUs. */
export function openWindow(steer: u32, slot: u32, cpus: u32): void {
  store<u32>(slot, 0, WindowSlot_count);
  store<i64>(slot, load<i64>(steer, SteerState_latest_ns), WindowSlot_latest_ns);
  store<i64>(slot, load<i64>(steer, SteerState_first_ns), WindowSlot_first_ns);
  memory.fill(load<u32>(slot, WindowSlot_queue_counts), 0, load<u32>(steer, SteerState_queue_total) * 4);
  memory.fill(load<u32>(slot, WindowSlot_copy_counts), 0, (cpus + 1) * 4);
}

/** Whether the frame's source is the device itself. */
function isOwn(frame: u32, device: u32): bool {
  return load<u32>(frame, 6) == load<u32>(device, NetDevice_mac) && load<u16>(frame, 10) == load<u16>(device, NetDevice_mac + 4);
}

/** Packets that the capture calls outbound, or that come from the device's own address, leave; the others arrive. */
function leaves(direction: u32, flags: u32, frame: u32, caplen: u32, device: u32): bool {
  if (direction != DIRECTION_CAPTURE) return direction == DIRECTION_EGRESS;
  if (flags & PACKET_FLAG_OUTBOUND) return true;
  return (flags & PACKET_FLAG_INBOUND) == 0 && caplen >= 12 && isOwn(frame, device);
}

/** Moves pending packets into the window. True when the window is complete: full, or the next packet is of a later window. */
export function steer(state: u32, slot: u32): bool {
  const interfaces = load<u32>(state, SteerState_interfaces);
  const interfaceCount = load<u32>(state, SteerState_interface_count);
  const direction = load<u32>(state, SteerState_direction);
  const shift = load<i64>(state, SteerState_shift_ns);
  const descriptors = load<u32>(slot, WindowSlot_descriptors);
  const counts = load<u32>(slot, WindowSlot_queue_counts);
  const lists = load<u32>(slot, WindowSlot_queue_lists);
  let index = load<u32>(slot, WindowSlot_count);
  let from = load<u32>(state, SteerState_pending);
  const end = from + load<u32>(state, SteerState_pending_count) * PacketDescriptor_SIZE;
  let latest = load<i64>(state, SteerState_latest_ns);
  let bytes = load<u64>(state, SteerState_bytes);
  let snapped: u32 = 0;
  let complete = false;
  const before = index;
  const interval = load<f64>(state, SteerState_interval_ns);
  if (from != end && load<u32>(state, SteerState_started) == 0) {
    latest = load<i64>(from, PacketDescriptor_ts_ns) + shift;
    store<i64>(state, latest, SteerState_first_ns);
    store<i64>(slot, latest, WindowSlot_latest_ns);
    store<i64>(slot, latest, WindowSlot_first_ns);
    store<u32>(state, 1, SteerState_started);
  }
  // Where a rate is offered, packet n of the run comes n intervals after the first.
  const firstNs = load<i64>(state, SteerState_first_ns);
  let number = load<u64>(state, SteerState_packets);
  let started: i64 = 0;
  if (index != 0) started = load<i64>(descriptors, PacketDescriptor_ts_ns);
  else if (interval != 0) started = firstNs + i64(f64(number) * interval);
  else if (from != end) started = load<i64>(from, PacketDescriptor_ts_ns) + shift;
  for (; from != end; from += PacketDescriptor_SIZE) {
    const time = interval == 0 ? load<i64>(from, PacketDescriptor_ts_ns) + shift : firstNs + i64(f64(number) * interval);
    if (index == WINDOW_PACKETS || time - started >= i64(WINDOW_NS)) {
      complete = true;
      break;
    }
    if (time > latest) latest = time;
    number++;
    const to = descriptors + index * PacketDescriptor_SIZE;
    v128.store(to, v128.load(from));
    v128.store(to, v128.load(from, 16), 16);
    v128.store(to, v128.load(from, 32), 32);
    store<i64>(to, time, PacketDescriptor_ts_ns);
    const caplen = load<u32>(from, PacketDescriptor_caplen);
    const frame = load<u32>(from, PacketDescriptor_address);
    const flags = load<u32>(from, PacketDescriptor_flags);
    const interfaceIndex = load<u32>(from, PacketDescriptor_interface);
    const device = load<u32>(interfaces + (min(interfaceIndex, interfaceCount) << 2));
    if (leaves(direction, flags, frame, caplen, device)) store<u32>(to, flags | PACKET_FLAG_EGRESS, PacketDescriptor_flags);
    else if (direction == DIRECTION_XMIT) store<u32>(to, flags | PACKET_FLAG_XMIT, PacketDescriptor_flags);
    snapped += (flags / PACKET_FLAG_SNAPPED) & 1;
    bytes += caplen;
    let queue = load<u32>(device, Device_first_queue);
    const hash = rssHash(load<u32>(device, Device_toeplitz), frame, caplen);
    // What has no hash goes to queue 0, whatever the indirection table says.
    if (hash != 0 && load<u32>(device, Device_queue_count) > 1) {
      queue += load<u16>(device + ((hash & (INDIRECTION_ENTRIES - 1)) << 1), Device_indirection);
    }
    store<u32>(to, hash, PacketDescriptor_hash);
    store<u16>(to, queue, PacketDescriptor_queue);
    const count = load<u32>(counts + (queue << 2));
    store<u16>(lists + queue * (WINDOW_PACKETS * 2) + (count << 1), index);
    store<u32>(counts + (queue << 2), count + 1);
    index++;
  }
  store<u32>(slot, index, WindowSlot_count);
  store<u32>(state, from, SteerState_pending);
  store<u32>(state, (end - from) / PacketDescriptor_SIZE, SteerState_pending_count);
  store<i64>(state, latest, SteerState_latest_ns);
  store<u64>(state, bytes, SteerState_bytes);
  store<u64>(state, load<u64>(state, SteerState_packets) + u64(index - before), SteerState_packets);
  store<u32>(state, load<u32>(state, SteerState_snapped) + snapped, SteerState_snapped);
  return complete || index == WINDOW_PACKETS;
}
