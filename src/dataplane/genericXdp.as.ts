/** Generic XDP: the skb is there already, so XDP_TX and redirects go at once, and losses move no counter of the device. net/core/dev.c: do_xdp_generic. */
import {
  CpuBlock_xdp_context,
  Device_generic,
  FATE_ABORTED,
  FATE_DROP,
  FATE_TX,
  FRAME_SKB,
  Frame_data,
  Frame_generic,
  Frame_has_skb,
  Frame_is_skb,
  HOOK_XDP_GENERIC,
  NetDevice_mac,
  REASON_MEMORY,
  REASON_XDP_DROP,
  REASON_XDP_EXCEPTION,
  SkBuff_pkt_type,
  SkBuff_protocol,
  XDP_DROP,
  XDP_PASS,
  XDP_REDIRECT,
  XDP_TX,
} from "../layout/layout.generated.as";
import { cpu } from "../runtime/cpu.as";
import { skbReceive } from "../tc/receive.as";
import { takeFromXdp } from "./buffers.as";
import { traceException } from "./events.as";
import { takeEdges } from "./frames.as";
import { queueIndex } from "./netifReceive.as";
import { lose } from "./outcome.as";
import { prepareQueueContext, runOn, setEdges } from "./programs.as";
import { redirect, transmitGeneric } from "./redirect.as";

/** Runs the device's generic program on the frame, whose XDP edges are set. True when the packet passes; else it is gone. */
export function runGeneric(state: u32, frame: u32, device: u32): bool {
  const program = load<u32>(device, Device_generic);
  const context = load<u32>(cpu, CpuBlock_xdp_context);
  store<u32>(frame, 1, Frame_generic);
  prepareQueueContext(state, context, device, queueIndex(state, frame), true);
  setEdges(state, context, frame);
  const before = load<u32>(frame, Frame_data);
  const toHost = isFor(before, device);
  const toGroup = load<u8>(before) & 1;
  const type = load<u16>(before, 12);
  const verdict = runOn(state, frame, program, context, HOOK_XDP_GENERIC, device);
  if (verdict == XDP_DROP) lose(state, frame, FATE_DROP, REASON_XDP_DROP, 0);
  else if (verdict - 1 >= XDP_REDIRECT) {
    traceException(state, device, program, verdict);
    lose(state, frame, FATE_ABORTED, REASON_XDP_EXCEPTION, i32(verdict));
  } else if (!takeEdges(state, frame, context)) lose(state, frame, FATE_ABORTED, REASON_MEMORY, 0);
  else {
    if (load<u32>(frame, Frame_has_skb) != 0) {
      const data = load<u32>(frame, Frame_data);
      settle(frame, device, isFor(data, device) != toHost || (load<u8>(data) & 1) != toGroup || load<u16>(data, 12) != type);
    }
    return obey(state, frame, device, program, verdict);
  }
  return false;
}

/** Whether the frame at `ethernet` is addressed to the device. */
function isFor(ethernet: u32, device: u32): bool {
  return load<u32>(ethernet) == load<u32>(device, NetDevice_mac) && load<u16>(ethernet, 4) == load<u16>(device, NetDevice_mac + 4);
}

/** The skb has the edges that the program left. Only another Ethernet header makes the kernel look at type and destination again (bpf_prog_run_generic_xdp). */
function settle(frame: u32, device: u32, changed: bool): void {
  const skb = frame + FRAME_SKB;
  const kind = load<u32>(skb, SkBuff_pkt_type);
  const protocol = load<u32>(skb, SkBuff_protocol);
  takeFromXdp(frame);
  skbReceive(skb, device);
  store<u32>(frame, 0, Frame_is_skb);
  if (changed) return;
  store<u32>(skb, kind, SkBuff_pkt_type);
  store<u32>(skb, protocol, SkBuff_protocol);
}

function obey(state: u32, frame: u32, device: u32, program: u32, verdict: u32): bool {
  if (verdict == XDP_PASS) return true;
  if (verdict == XDP_TX) transmitGeneric(state, frame, device, FATE_TX);
  else redirect(state, frame, device, program, true);
  return false;
}
