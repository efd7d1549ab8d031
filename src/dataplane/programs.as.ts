/** Programs run on frames: contexts are prepared, the run is noted so that a trap finds its packet, the verdict goes into the record. */
import {
  CpuBlock_network,
  CpuBlock_redirect_index,
  CpuBlock_redirect_kind,
  Device_index,
  FRAME_BUFFER,
  Frame_data,
  Frame_data_end,
  Frame_data_meta,
  Frame_outcome,
  Frame_parent,
  Frame_running,
  NetDevice_ifindex,
  NetDevice_network,
  PollState_current,
  PollState_frame_size,
  REDIRECT_NONE,
  XdpContext_SIZE,
  XdpContext_data,
  XdpContext_data_end,
  XdpContext_data_hard_start,
  XdpContext_data_meta,
  XdpContext_device,
  XdpContext_egress_ifindex,
  XdpContext_frame_sz,
  XdpContext_generic,
  XdpContext_ingress_ifindex,
  XdpContext_rx_queue_index,
} from "../layout/layout.generated.as";
import { cpu } from "../runtime/cpu.as";
import { runOnFuel } from "../runtime/run.as";
import { bufferSize } from "./buffers.as";
import { addStep } from "./outcome.as";

/**
 * Runs `program` at `hook` of `device` on the packet in `frame`, and gives the low 32 bits of what it returned. Programs may nest: the frame whose program
 * called for this run becomes this one's parent until it ends.
 */
export function runOn(state: u32, frame: u32, program: u32, context: u32, hook: u32, device: u32): u32 {
  const before = load<u32>(state, PollState_current);
  const outcome = load<u32>(frame, Frame_outcome);
  store<u32>(frame, before == frame ? 0 : before, Frame_parent);
  store<u32>(state, frame, PollState_current);
  const what = stepName(program, hook, device);
  store<u32>(frame, what, Frame_running);
  const verdict = u32(runOnFuel(program, context));
  store<u32>(state, before, PollState_current);
  addStep(state, outcome, what, verdict);
  return verdict;
}

/** The first word of an OutcomeStep. */
export function stepName(program: u32, hook: u32, device: u32): u32 {
  return program | (hook << 16) | (load<u32>(device, Device_index) << 24);
}

/** What stays the same in the XDP context of all packets of a receive queue. */
export function prepareQueueContext(state: u32, context: u32, device: u32, queue: u32, generic: bool): void {
  for (let offset: u32 = 0; offset < XdpContext_SIZE; offset += 16) v128.store(context + offset, i32x4.splat(0));
  store<u32>(context, load<u32>(device, NetDevice_ifindex), XdpContext_ingress_ifindex);
  store<u32>(context, queue, XdpContext_rx_queue_index);
  store<u32>(context, load<u32>(state, PollState_frame_size), XdpContext_frame_sz);
  store<u32>(context, device, XdpContext_device);
  store<u32>(context, u32(generic), XdpContext_generic);
}

/** Points the context to the packet in `frame`, and says how far it may grow. */
export function setEdges(state: u32, context: u32, frame: u32): void {
  store<u32>(context, bufferSize(state, frame), XdpContext_frame_sz);
  store<u32>(context, load<u32>(frame, Frame_data), XdpContext_data);
  store<u32>(context, load<u32>(frame, Frame_data_end), XdpContext_data_end);
  store<u32>(context, load<u32>(frame, Frame_data_meta), XdpContext_data_meta);
  store<u32>(context, frame + FRAME_BUFFER, XdpContext_data_hard_start);
}

/** The context of a program in a devmap or cpumap entry: no receive queue, the device that received the frame, and for devmap the one that will send it. */
export function prepareEntryContext(state: u32, context: u32, frame: u32, received: u32, egress: u32, generic: bool): void {
  prepareQueueContext(state, context, received, 0, generic);
  if (egress != 0) store<u32>(context, load<u32>(egress, NetDevice_ifindex), XdpContext_egress_ifindex);
  setEdges(state, context, frame);
}

/** From here on the CPU looks devices, routes and neighbours up in the device's network namespace. */
export function enterNetwork(device: u32): void {
  store<u32>(cpu, load<u32>(device, NetDevice_network), CpuBlock_network);
}

/** What redirect helpers said is forgotten: a poll or a softirq is over (bpf_net_ctx_clear). */
export function forgetRedirect(): void {
  const block = cpu;
  store<u32>(block, REDIRECT_NONE, CpuBlock_redirect_kind);
  store<u32>(block, 0, CpuBlock_redirect_index);
}
