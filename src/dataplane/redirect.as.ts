/**
 * XDP_REDIRECT carried out: by ifindex, through a devmap (one entry or all), through a cpumap. Native frames wait in bulk queues until the poll ends; generic
 * ones go at once. net/core/filter.c: xdp_do_redirect, xdp_do_generic_redirect; kernel/bpf/devmap.c.
 */
import {
  BPF_F_EXCLUDE_INGRESS,
  BPF_MAP_TYPE_CPUMAP,
  BPF_MAP_TYPE_DEVMAP,
  BPF_MAP_TYPE_DEVMAP_HASH,
  CpuBlock_redirect_entry,
  CpuBlock_redirect_flags,
  CpuBlock_redirect_index,
  CpuBlock_redirect_kind,
  CpuBlock_redirect_map,
  CpuBlock_redirect_map_id,
  DEV_MAP_BULK_SIZE,
  DeviceBulk_SIZE,
  DeviceBulk_count,
  DeviceBulk_device,
  DeviceBulk_device_rx,
  DeviceBulk_first,
  DeviceBulk_last_of_flush,
  DeviceBulk_left,
  DeviceBulk_listed,
  DeviceBulk_next,
  DeviceBulk_passed_first,
  DeviceBulk_program,
  DeviceBulk_taken,
  DeviceCounters_SIZE,
  DeviceCounters_tx_bytes,
  DeviceCounters_tx_packets,
  DeviceCounters_tx_xdp_xmit,
  Device_gro,
  Device_index,
  Device_takes_redirects,
  Device_xdp,
  EBADRQC,
  EINVAL,
  EMSGSIZE,
  ENETDOWN,
  ENOMEM,
  EOPNOTSUPP,
  ETH_HLEN,
  EVENT_XDP_DEVMAP_XMIT,
  EVENT_XDP_REDIRECT,
  EVENT_XDP_REDIRECT_ERR,
  FATE_ABORTED,
  FATE_DROP,
  FATE_REDIRECT,
  FRAME_BUFFER,
  FRAME_SKB,
  Frame_SIZE,
  Frame_buffer_size,
  Frame_cloned,
  Frame_data,
  Frame_data_end,
  Frame_data_meta,
  Frame_has_skb,
  Frame_outcome,
  Frame_queue,
  HOOK_DEVMAP,
  HashElement_hash,
  HashElement_next,
  HashHeader_bucket_mask,
  HashHeader_buckets,
  HashHeader_value_offset,
  IFF_UP,
  MapHeader_elements,
  MapHeader_max_entries,
  MapHeader_stride,
  MapHeader_type,
  NetDevice_flags,
  NetDevice_ifindex,
  NetDevice_mtu,
  NetDevice_peer,
  PAGE_SIZE,
  PollState_device_bulks,
  PollState_device_counters,
  PollState_device_flush,
  PollState_events,
  PollState_program,
  PollState_xdp_context,
  PollState_xmit_recursion,
  QueueCounters_xdp_redirect,
  QueueCounters_xdp_redirect_err,
  REASON_DOWN,
  REASON_MEMORY,
  REASON_NO_TARGET,
  REASON_XDP_DROP,
  REASON_XDP_EXCEPTION,
  REASON_XDP_REDIRECT_ERR,
  REDIRECT_BROADCAST,
  REDIRECT_IFINDEX,
  REDIRECT_MAP,
  REDIRECT_NONE,
  SkBuff_SIZE,
  SkBuff_end,
  SkBuff_head,
  TO_DEVICE,
  XDP_DROP,
  XDP_PASS,
  XMIT_RECURSION_LIMIT,
} from "../layout/layout.generated.as";
import { cpu } from "../runtime/cpu.as";
import { deviceByIndex, deviceIn } from "../runtime/devices.as";
import { mapNetwork } from "../runtime/maps/redirectMaps.as";
import { redirectEntry } from "../runtime/redirectEntry.as";
import { becomeXdpFrame, takeFromXdp } from "./buffers.as";
import { enqueueCpu, enqueueCpuGeneric } from "./cpumap.as";
import { trace, traceException } from "./events.as";
import { appendFrame, listLength, takeFirst } from "./frameList.as";
import { copyBytes, frameLimit, releaseFrame, takeEdges, takeFrame } from "./frames.as";
import { arrive, copyOutcome, lose } from "./outcome.as";
import { prepareEntryContext, runOn } from "./programs.as";
import { count } from "./receive.as";
import { step } from "./steps.as";
import { vethTransmit, vethXdpXmit } from "./veth.as";
import { toXdpSocket } from "./xdpSocket.as";

const VLAN_HLEN: u32 = 4;

/** Adds to a counter of a device, on this CPU. */
export function countDevice(state: u32, device: u32, counter: u32, by: u32): void {
  const at = load<u32>(state, PollState_device_counters) + load<u32>(device, Device_index) * DeviceCounters_SIZE + counter;
  store<u64>(at, load<u64>(at) + u64(by));
}

function frameLength(frame: u32): u32 {
  return load<u32>(frame, Frame_data_end) - load<u32>(frame, Frame_data);
}

/** Whether the driver has ndo_xdp_xmit now. That of veth depends on the peer: it must be able to poll its ring (veth_set_xdp_features). */
function takesRedirects(device: u32): bool {
  const peer = load<u32>(device, NetDevice_peer);
  if (peer == 0) return load<u32>(device, Device_takes_redirects) != 0;
  return load<u32>(peer, Device_xdp) != 0 || load<u32>(peer, Device_gro) != 0;
}

/** Why `device` does not take a redirected frame of `length` bytes, or 0 (xdp_ok_fwd_dev and what comes before it in native mode). */
export function redirectFault(device: u32, length: u32, generic: bool): i32 {
  if (!generic && !takesRedirects(device)) return -EOPNOTSUPP;
  if ((load<u32>(device, NetDevice_flags) & IFF_UP) == 0) return -ENETDOWN;
  return length > load<u32>(device, NetDevice_mtu) + ETH_HLEN + VLAN_HLEN ? -EMSGSIZE : 0;
}

/** The frame leaves through the device, past its TC hook and queueing discipline. */
export function transmitFrame(state: u32, frame: u32, device: u32, fate: u32): void {
  countDevice(state, device, DeviceCounters_tx_packets, 1);
  countDevice(state, device, DeviceCounters_tx_bytes, frameLength(frame));
  arrive(state, frame, fate, TO_DEVICE | load<u32>(device, NetDevice_ifindex));
}

/** generic_xdp_tx: the skb goes to the driver as it is, past TC hook, queueing discipline and taps. */
export function transmitGeneric(state: u32, frame: u32, device: u32, fate: u32): void {
  if (load<u32>(device, NetDevice_peer) == 0) {
    transmitFrame(state, frame, device, fate);
    return;
  }
  if (load<u32>(state, PollState_xmit_recursion) > XMIT_RECURSION_LIMIT) {
    lose(state, frame, FATE_DROP, REASON_DOWN, 0);
    return;
  }
  // Only XDP_PASS keeps metadata.
  store<u32>(frame, load<u32>(frame, Frame_data), Frame_data_meta);
  takeFromXdp(frame);
  vethTransmit(state, frame, device);
}

/** A native program of `device` returned XDP_REDIRECT: carries it out and counts. */
export function redirectNative(state: u32, frame: u32, device: u32): void {
  const queue = load<u32>(frame, Frame_queue);
  const error = redirect(state, frame, device, load<u32>(state, PollState_program), false);
  count(state, queue, error == 0 ? QueueCounters_xdp_redirect : QueueCounters_xdp_redirect_err, 1);
}

/**
 * Carries out what the redirect helpers left in the CPU block. The frame is gone afterwards, also when that fails: then the errno, which the record names too, comes
 * back. `received`: the device whose program, `program`, it was.
 */
export function redirect(state: u32, frame: u32, received: u32, program: u32, generic: bool): i32 {
  const block = cpu;
  const kind = load<u32>(block, CpuBlock_redirect_kind);
  const index = load<u32>(block, CpuBlock_redirect_index);
  const map = load<u32>(block, CpuBlock_redirect_map);
  const mapId = load<u32>(block, CpuBlock_redirect_map_id);
  const entry = load<u32>(block, CpuBlock_redirect_entry);
  const error = carryOut(state, frame, received, kind, generic);
  if (load<u32>(state, PollState_events) != 0) {
    const event = error == 0 ? EVENT_XDP_REDIRECT : EVENT_XDP_REDIRECT_ERR;
    if (kind == REDIRECT_IFINDEX) trace(state, event, received, program, index, i32.MAX_VALUE, 0, error);
    else if (kind == REDIRECT_NONE) trace(state, event, received, program, 0, 0, index, error);
    // The index is read again: a program of a devmap entry that a generic frame meets on the way may have redirected too.
    else trace(state, event, received, program, entry == 0 ? 0 : entryIfindex(map, entry), mapId, load<u32>(block, CpuBlock_redirect_index), error);
  }
  if (error != 0) lose(state, frame, FATE_DROP, REASON_XDP_REDIRECT_ERR, error);
  return error;
}

/** to_ifindex of the tracepoint: that of a devmap's entry, 0 for the other maps. */
function entryIfindex(map: u32, entry: u32): u32 {
  const type = load<u32>(map, MapHeader_type);
  return type == BPF_MAP_TYPE_DEVMAP || type == BPF_MAP_TYPE_DEVMAP_HASH ? load<u32>(entry) : 0;
}

function carryOut(state: u32, frame: u32, received: u32, kind: u32, generic: bool): i32 {
  const block = cpu;
  store<u32>(block, REDIRECT_NONE, CpuBlock_redirect_kind);
  let error: i32 = 0;
  if (kind == REDIRECT_IFINDEX) {
    error = toDevice(state, frame, deviceByIndex(load<u32>(block, CpuBlock_redirect_index)), 0, received, generic);
  } else if (kind == REDIRECT_MAP) {
    const type = load<u32>(load<u32>(block, CpuBlock_redirect_map), MapHeader_type);
    const entry = load<u32>(block, CpuBlock_redirect_entry);
    if (type == BPF_MAP_TYPE_DEVMAP || type == BPF_MAP_TYPE_DEVMAP_HASH) {
      error = toEntry(state, frame, load<u32>(block, CpuBlock_redirect_map), entry, received, generic);
    } else if (type == BPF_MAP_TYPE_CPUMAP) {
      const target = load<u32>(block, CpuBlock_redirect_index);
      const map = load<u32>(block, CpuBlock_redirect_map);
      error = generic ? enqueueCpuGeneric(state, frame, map, entry, target) : enqueueCpu(state, frame, map, entry, target);
    } else error = toXdpSocket(state, frame, load<u32>(entry), received);
  } else if (kind == REDIRECT_BROADCAST) {
    error = broadcast(state, frame, received, generic);
  } else error = -EBADRQC;
  return error;
}

function toDevice(state: u32, frame: u32, target: u32, program: u32, received: u32, generic: bool): i32 {
  if (target == 0) return -EINVAL;
  const error = redirectFault(target, frameLength(frame), generic);
  if (error != 0) return error;
  if (!generic) {
    becomeXdpFrame(frame);
    enqueueDevice(state, frame, target, program, received);
  } else if (program == 0 || runDevmapProgram(state, frame, target, program, received, true)) {
    transmitGeneric(state, frame, target, FATE_REDIRECT);
  }
  return 0;
}

/** A copy of an XDP frame with a record of its own, or 0 when no frame is left. */
function copyFrame(state: u32, frame: u32): u32 {
  const copy = takeFrame(state);
  if (copy == 0) return 0;
  const meta = load<u32>(frame, Frame_data_meta);
  memory.copy(copy, frame, Frame_SIZE);
  copyBytes(copy + (meta - frame), meta, load<u32>(frame, Frame_data_end) - meta);
  const shift = copy - frame;
  store<u32>(copy, load<u32>(frame, Frame_data) + shift, Frame_data);
  store<u32>(copy, load<u32>(frame, Frame_data_end) + shift, Frame_data_end);
  store<u32>(copy, meta + shift, Frame_data_meta);
  store<u32>(copy, copyOutcome(state, load<u32>(frame, Frame_outcome)), Frame_outcome);
  if (load<u32>(frame, Frame_has_skb) != 0) copySkbOf(state, frame, copy);
  // xdpf_clone takes a page for the copy.
  else if (load<u32>(copy, Frame_buffer_size) != 0) store<u32>(copy, PAGE_SIZE, Frame_buffer_size);
  return copy;
}

/** The copy of a frame that a generic program redirects is a clone of the skb: both share the bytes. */
function copySkbOf(state: u32, frame: u32, copy: u32): void {
  memory.copy(copy + FRAME_SKB, frame + FRAME_SKB, SkBuff_SIZE);
  store<u32>(copy + FRAME_SKB, copy + FRAME_BUFFER, SkBuff_head);
  store<u32>(copy + FRAME_SKB, frameLimit(state, copy), SkBuff_end);
  store<u32>(copy, 1, Frame_cloned);
  store<u32>(frame, 1, Frame_cloned);
}

/**
 * To every device of a devmap, in the order of the map; the original goes to the last. Native mode passes over devices that would not take it, generic
 * mode over none but the receiving one, and fails at the first that is down (dev_map_enqueue_multi, dev_map_redirect_multi).
 */
function broadcast(state: u32, frame: u32, received: u32, generic: bool): i32 {
  const map = load<u32>(cpu, CpuBlock_redirect_map);
  const exclude = (load<u32>(cpu, CpuBlock_redirect_flags) & BPF_F_EXCLUDE_INGRESS) != 0;
  const length = frameLength(frame);
  let waiting: u32 = 0;
  // A chain that a wrong program overwrote may lead round and round: no map holds more than max_entries.
  let left = load<u32>(map, MapHeader_max_entries);
  for (let entry = firstEntry(map); entry != 0 && left != 0; entry = nextEntry(map, entry), left--) {
    const target = deviceIn(mapNetwork(map), load<u32>(entry));
    // By number, whatever network namespace it is in (is_ifindex_excluded).
    if (target == 0 || (exclude && load<u32>(target, NetDevice_ifindex) == load<u32>(received, NetDevice_ifindex))) continue;
    if (!generic && redirectFault(target, length, false) != 0) continue;
    if (waiting != 0) {
      const copy = copyFrame(state, frame);
      if (copy == 0) return -ENOMEM;
      const error = toEntry(state, copy, map, waiting, received, generic);
      if (error != 0) {
        releaseFrame(state, copy);
        return error;
      }
    }
    waiting = entry;
  }
  if (waiting != 0) return toEntry(state, frame, map, waiting, received, generic);
  lose(state, frame, FATE_DROP, REASON_NO_TARGET, 0);
  return 0;
}

/** The first filled entry of a DEVMAP or DEVMAP_HASH, or 0. */
function firstEntry(map: u32): u32 {
  return load<u32>(map, MapHeader_type) == BPF_MAP_TYPE_DEVMAP_HASH ? inChain(map, 0, bucketHead(map, 0)) : filledFrom(map, 0);
}

/** The filled entry behind `entry`, or 0: by index in a DEVMAP, by buckets in a DEVMAP_HASH. */
function nextEntry(map: u32, entry: u32): u32 {
  if (load<u32>(map, MapHeader_type) != BPF_MAP_TYPE_DEVMAP_HASH) {
    return filledFrom(map, (entry - load<u32>(map, MapHeader_elements)) / load<u32>(map, MapHeader_stride) + 1);
  }
  const element = entry - load<u32>(map, HashHeader_value_offset);
  return inChain(map, load<u32>(element, HashElement_hash) & load<u32>(map, HashHeader_bucket_mask), load<u32>(element, HashElement_next));
}

function filledFrom(map: u32, index: u32): u32 {
  for (const limit = load<u32>(map, MapHeader_max_entries); index < limit; index++) {
    const entry = redirectEntry(map, index);
    if (entry != 0) return entry;
  }
  return 0;
}

function bucketHead(map: u32, bucket: u32): u32 {
  return load<u32>(load<u32>(map, HashHeader_buckets) + (bucket << 2));
}

/** The value of `element`, or of the next one there is. An odd `element` ends the chain of `bucket`; 0 is a bucket that never held one. */
function inChain(map: u32, bucket: u32, element: u32): u32 {
  const mask = load<u32>(map, HashHeader_bucket_mask);
  while (element == 0 || (element & 1) != 0) {
    if (bucket == mask) return 0;
    element = bucketHead(map, ++bucket);
  }
  return element + load<u32>(map, HashHeader_value_offset);
}

/** To the device and through the program of a devmap entry. On an error the frame is still the caller's. */
function toEntry(state: u32, frame: u32, map: u32, entry: u32, received: u32, generic: bool): i32 {
  return toDevice(state, frame, deviceIn(mapNetwork(map), load<u32>(entry)), load<u32>(entry, 4), received, generic);
}

/**
 * Puts a frame into the bulk queue of its target (bq_enqueue). The first frame after a flush decides program and receiving device for all of them.
 * A queue that is full is sent first; the frame is put in before that, so that it is not lost if the program traps.
 */
function enqueueDevice(state: u32, frame: u32, target: u32, program: u32, received: u32): void {
  const bulk = load<u32>(state, PollState_device_bulks) + load<u32>(target, Device_index) * DeviceBulk_SIZE;
  if (load<u32>(bulk, DeviceBulk_listed) == 0) {
    store<u32>(bulk, 1, DeviceBulk_listed);
    store<u32>(bulk, program, DeviceBulk_program);
    store<u32>(bulk, received, DeviceBulk_device_rx);
    store<u32>(bulk, target, DeviceBulk_device);
    // At the head: targets are flushed in reverse order of their first use.
    store<u32>(bulk, load<u32>(state, PollState_device_flush), DeviceBulk_next);
    store<u32>(state, bulk, PollState_device_flush);
  }
  appendFrame(bulk + DeviceBulk_first, frame);
  if (load<u32>(bulk, DeviceBulk_count) > DEV_MAP_BULK_SIZE) beginBulk(bulk, DEV_MAP_BULK_SIZE, false);
  while (load<u32>(bulk, DeviceBulk_taken) != 0) sendBulk(state, bulk);
}

/** The first `count` frames of the queue are to be sent. */
function beginBulk(bulk: u32, count: u32, last: bool): void {
  store<u32>(bulk, count, DeviceBulk_taken);
  store<u32>(bulk, count, DeviceBulk_left);
  store<u32>(bulk, u32(last), DeviceBulk_last_of_flush);
}

/** Sends what `beginBulk` named (bq_xmit_all): all frames go through the program first, then those that passed to the driver, in one call. */
function sendBulk(state: u32, bulk: u32): void {
  const target = load<u32>(bulk, DeviceBulk_device);
  const program = load<u32>(bulk, DeviceBulk_program);
  const received = load<u32>(bulk, DeviceBulk_device_rx);
  const passed = bulk + DeviceBulk_passed_first;
  for (let left = load<u32>(bulk, DeviceBulk_left); left != 0; left--) {
    // Before the program runs: what is left of a bulk after a trap goes on behind the lost frame.
    store<u32>(bulk, left - 1, DeviceBulk_left);
    const frame = takeFirst(bulk + DeviceBulk_first);
    if (frame == 0) break;
    if (program == 0 || runDevmapProgram(state, frame, target, program, received, false)) appendFrame(passed, frame);
  }
  const taken = load<u32>(bulk, DeviceBulk_taken);
  store<u32>(bulk, 0, DeviceBulk_taken);
  store<u32>(bulk, 0, DeviceBulk_left);
  const sent = listLength(passed) == 0 ? 0 : xmitFrames(state, target, passed, load<u32>(bulk, DeviceBulk_last_of_flush) != 0);
  const error = min(sent, 0);
  const done = max(sent, 0);
  loseAll(state, passed, error);
  if (load<u32>(state, PollState_events) != 0) trace(state, EVENT_XDP_DEVMAP_XMIT, received, 0, target, done, taken - done, error);
}

/** ndo_xdp_xmit: how many frames of the list the driver took, or why none. */
function xmitFrames(state: u32, device: u32, frames: u32, flush: bool): i32 {
  if (load<u32>(device, NetDevice_peer) != 0) return vethXdpXmit(state, device, frames, flush, true);
  let sent: u32 = 0;
  for (let frame = takeFirst(frames); frame != 0; frame = takeFirst(frames)) {
    countDevice(state, device, DeviceCounters_tx_xdp_xmit, 1);
    transmitFrame(state, frame, device, FATE_REDIRECT);
    sent++;
  }
  return sent;
}

/** The driver did not take these frames. */
export function loseAll(state: u32, frames: u32, error: i32): void {
  for (let frame = takeFirst(frames); frame != 0; frame = takeFirst(frames)) lose(state, frame, FATE_DROP, REASON_XDP_REDIRECT_ERR, error);
}

/** The program of a devmap entry sees the frame at transmit time; only XDP_PASS lets it go. False: the frame is gone. */
function runDevmapProgram(state: u32, frame: u32, target: u32, program: u32, received: u32, generic: bool): bool {
  const context = load<u32>(state, PollState_xdp_context);
  // Generic XDP shows no metadata of before.
  if (generic) store<u32>(frame, load<u32>(frame, Frame_data), Frame_data_meta);
  prepareEntryContext(state, context, frame, received, target, generic);
  const verdict = runOn(state, frame, program, context, HOOK_DEVMAP, target);
  if (verdict == XDP_DROP) lose(state, frame, FATE_DROP, REASON_XDP_DROP, 0);
  else if (verdict != XDP_PASS) {
    traceException(state, target, program, verdict);
    lose(state, frame, FATE_ABORTED, REASON_XDP_EXCEPTION, i32(verdict));
  } else if (!takeEdges(state, frame, context)) lose(state, frame, FATE_ABORTED, REASON_MEMORY, 0);
  else return true;
  return false;
}

/** Sends all that waits for devices. */
export function flushDevices(state: u32): void {
  for (;;) {
    const bulk = load<u32>(state, PollState_device_flush);
    if (bulk == 0) return;
    step();
    if (load<u32>(bulk, DeviceBulk_taken) == 0 && load<u32>(bulk, DeviceBulk_count) != 0) {
      beginBulk(bulk, load<u32>(bulk, DeviceBulk_count), true);
    }
    if (load<u32>(bulk, DeviceBulk_taken) != 0) {
      sendBulk(state, bulk);
      continue;
    }
    store<u32>(bulk, 0, DeviceBulk_listed);
    store<u32>(state, load<u32>(bulk, DeviceBulk_next), PollState_device_flush);
  }
}
