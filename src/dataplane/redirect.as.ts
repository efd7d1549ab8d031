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
  DEV_MAP_BULK_SIZE,
  Device_index,
  Device_takes_redirects,
  DeviceBulk_SIZE,
  DeviceBulk_count,
  DeviceBulk_device,
  DeviceBulk_device_rx,
  DeviceBulk_first,
  DeviceBulk_last,
  DeviceBulk_listed,
  DeviceBulk_next,
  DeviceBulk_program,
  DeviceCounters_SIZE,
  DeviceCounters_tx_bytes,
  DeviceCounters_tx_packets,
  DeviceCounters_tx_xdp_xmit,
  EBADRQC,
  EINVAL,
  EMSGSIZE,
  ENETDOWN,
  ENOMEM,
  EOPNOTSUPP,
  ETH_HLEN,
  FATE_ABORTED,
  FATE_DROP,
  FATE_REDIRECT,
  Frame_SIZE,
  Frame_data,
  Frame_data_end,
  Frame_data_meta,
  Frame_next,
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
  PollState_device_bulks,
  PollState_device_counters,
  PollState_device_flush,
  PollState_xdp_context,
  QueueCounters_xdp_redirect,
  QueueCounters_xdp_redirect_err,
  REASON_MEMORY,
  REASON_NO_TARGET,
  REASON_XDP_DROP,
  REASON_XDP_EXCEPTION,
  REASON_XDP_REDIRECT_ERR,
  REDIRECT_BROADCAST,
  REDIRECT_IFINDEX,
  REDIRECT_MAP,
  REDIRECT_NONE,
  TO_DEVICE,
  XDP_DROP,
  XDP_PASS,
} from "../layout/layout.generated.as";
import { cpu } from "../runtime/cpu.as";
import { deviceByIndex } from "../runtime/devices.as";
import { redirectEntry } from "../runtime/redirectEntry.as";
import { enqueueCpu, enqueueCpuGeneric } from "./cpumap.as";
import { copyBytes, releaseFrame, takeEdges, takeFrame } from "./frames.as";
import { arrive, copyOutcome, lose } from "./outcome.as";
import { prepareEntryContext, runOn } from "./programs.as";
import { count } from "./receive.as";
import { step } from "./steps.as";

const VLAN_HLEN: u32 = 4;

/** Adds to a counter of a device, on this CPU. */
export function countDevice(state: u32, device: u32, counter: u32, by: u32): void {
  const at = load<u32>(state, PollState_device_counters) + load<u32>(device, Device_index) * DeviceCounters_SIZE + counter;
  store<u64>(at, load<u64>(at) + u64(by));
}

function frameLength(frame: u32): u32 {
  return load<u32>(frame, Frame_data_end) - load<u32>(frame, Frame_data);
}

/** Why `device` does not take a redirected frame of `length` bytes, or 0 (xdp_ok_fwd_dev and what comes before it in native mode). */
function fault(device: u32, length: u32, generic: bool): i32 {
  if (!generic && load<u32>(device, Device_takes_redirects) == 0) return -EOPNOTSUPP;
  if ((load<u32>(device, NetDevice_flags) & IFF_UP) == 0) return -ENETDOWN;
  return length > load<u32>(device, NetDevice_mtu) + ETH_HLEN + VLAN_HLEN ? -EMSGSIZE : 0;
}

/** The frame leaves through the device, past its TC hook and queueing discipline. */
export function transmitFrame(state: u32, frame: u32, device: u32, fate: u32): void {
  countDevice(state, device, DeviceCounters_tx_packets, 1);
  countDevice(state, device, DeviceCounters_tx_bytes, frameLength(frame));
  arrive(state, frame, fate, TO_DEVICE | load<u32>(device, NetDevice_ifindex));
}

/** A native program of `device` returned XDP_REDIRECT: carries it out and counts. */
export function redirectNative(state: u32, frame: u32, device: u32): void {
  const queue = load<u32>(frame, Frame_queue);
  const error = redirect(state, frame, device, false);
  count(state, queue, error == 0 ? QueueCounters_xdp_redirect : QueueCounters_xdp_redirect_err, 1);
}

/**
 * Carries out what the redirect helpers left in the CPU block. The frame is gone afterwards, also when that fails: then the errno, which the record names too, comes
 * back. `received`: the device whose program it was.
 */
export function redirect(state: u32, frame: u32, received: u32, generic: bool): i32 {
  const block = cpu;
  const kind = load<u32>(block, CpuBlock_redirect_kind);
  store<u32>(block, REDIRECT_NONE, CpuBlock_redirect_kind);
  let error: i32 = 0;
  if (kind == REDIRECT_IFINDEX) {
    error = toDevice(state, frame, deviceByIndex(load<u32>(block, CpuBlock_redirect_index)), 0, received, generic);
  } else if (kind == REDIRECT_MAP) {
    const type = load<u32>(load<u32>(block, CpuBlock_redirect_map), MapHeader_type);
    const entry = load<u32>(block, CpuBlock_redirect_entry);
    if (type == BPF_MAP_TYPE_DEVMAP || type == BPF_MAP_TYPE_DEVMAP_HASH) {
      error = toEntry(state, frame, entry, received, generic);
    } else if (type == BPF_MAP_TYPE_CPUMAP) {
      const target = load<u32>(block, CpuBlock_redirect_index);
      error = generic ? enqueueCpuGeneric(state, frame, entry, target) : enqueueCpu(state, frame, entry, target);
    } else {
      // An XSKMAP: no socket is bound.
      error = -EINVAL;
    }
  } else if (kind == REDIRECT_BROADCAST) {
    error = broadcast(state, frame, received, generic);
  } else error = -EBADRQC;
  if (error != 0) lose(state, frame, FATE_DROP, REASON_XDP_REDIRECT_ERR, error);
  return error;
}

function toDevice(state: u32, frame: u32, target: u32, program: u32, received: u32, generic: bool): i32 {
  if (target == 0) return -EINVAL;
  const error = fault(target, frameLength(frame), generic);
  if (error != 0) return error;
  if (!generic) enqueueDevice(state, frame, target, program, received);
  else if (program == 0 || runDevmapProgram(state, frame, target, program, received, true)) transmitFrame(state, frame, target, FATE_REDIRECT);
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
  return copy;
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
    const target = deviceByIndex(load<u32>(entry));
    if (target == 0 || (exclude && target == received)) continue;
    if (!generic && fault(target, length, false) != 0) continue;
    if (waiting != 0) {
      const copy = copyFrame(state, frame);
      if (copy == 0) return -ENOMEM;
      const error = toEntry(state, copy, waiting, received, generic);
      if (error != 0) {
        releaseFrame(state, copy);
        return error;
      }
    }
    waiting = entry;
  }
  if (waiting != 0) return toEntry(state, frame, waiting, received, generic);
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
function toEntry(state: u32, frame: u32, entry: u32, received: u32, generic: bool): i32 {
  return toDevice(state, frame, deviceByIndex(load<u32>(entry)), load<u32>(entry, 4), received, generic);
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
  store<u32>(frame, 0, Frame_next);
  const last = load<u32>(bulk, DeviceBulk_last);
  if (last == 0) store<u32>(bulk, frame, DeviceBulk_first);
  else store<u32>(last, frame, Frame_next);
  store<u32>(bulk, frame, DeviceBulk_last);
  const waiting = load<u32>(bulk, DeviceBulk_count) + 1;
  store<u32>(bulk, waiting, DeviceBulk_count);
  if (waiting > DEV_MAP_BULK_SIZE) sendBulk(state, bulk, DEV_MAP_BULK_SIZE);
}

/** Sends the first `limit` frames of a bulk queue (bq_xmit_all). Each leaves the queue before its program runs. */
function sendBulk(state: u32, bulk: u32, limit: u32): void {
  const target = load<u32>(bulk, DeviceBulk_device);
  const program = load<u32>(bulk, DeviceBulk_program);
  const received = load<u32>(bulk, DeviceBulk_device_rx);
  for (let sent: u32 = 0; sent < limit; sent++) {
    const frame = load<u32>(bulk, DeviceBulk_first);
    if (frame == 0) break;
    step();
    const next = load<u32>(frame, Frame_next);
    store<u32>(bulk, next, DeviceBulk_first);
    if (next == 0) store<u32>(bulk, 0, DeviceBulk_last);
    store<u32>(bulk, load<u32>(bulk, DeviceBulk_count) - 1, DeviceBulk_count);
    if (program != 0 && !runDevmapProgram(state, frame, target, program, received, false)) continue;
    countDevice(state, target, DeviceCounters_tx_xdp_xmit, 1);
    transmitFrame(state, frame, target, FATE_REDIRECT);
  }
}

/** The program of a devmap entry sees the frame at transmit time; only XDP_PASS lets it go. False: the frame is gone. */
function runDevmapProgram(state: u32, frame: u32, target: u32, program: u32, received: u32, generic: bool): bool {
  const context = load<u32>(state, PollState_xdp_context);
  prepareEntryContext(state, context, frame, received, target, generic);
  const verdict = runOn(state, frame, program, context, HOOK_DEVMAP, target);
  if (verdict == XDP_DROP) lose(state, frame, FATE_DROP, REASON_XDP_DROP, 0);
  else if (verdict != XDP_PASS) lose(state, frame, FATE_ABORTED, REASON_XDP_EXCEPTION, i32(verdict));
  else if (!takeEdges(state, frame, context)) lose(state, frame, FATE_ABORTED, REASON_MEMORY, 0);
  else return true;
  return false;
}

/** Sends all that waits for devices. */
export function flushDevices(state: u32): void {
  for (;;) {
    const bulk = load<u32>(state, PollState_device_flush);
    if (bulk == 0) return;
    step();
    if (load<u32>(bulk, DeviceBulk_count) != 0) {
      sendBulk(state, bulk, load<u32>(bulk, DeviceBulk_count));
      continue;
    }
    store<u32>(bulk, 0, DeviceBulk_listed);
    store<u32>(state, load<u32>(bulk, DeviceBulk_next), PollState_device_flush);
  }
}
