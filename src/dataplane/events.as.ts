/** The log of what packet sockets, AF_XDP sockets and tracepoints see (layout/event.ts). Nothing is written while nobody listens. */
import {
  EVENT_XDP_EXCEPTION,
  EventLog_end,
  EventLog_limit,
  EventLog_lost,
  Event_SIZE,
  Event_a,
  Event_b,
  Event_c,
  Event_d,
  Event_device,
  Event_kind,
  Event_length,
  Event_program,
  FRAME_SKB,
  Frame_is_skb,
  PollState_events,
  SkBuff_vlan_present,
  SkBuff_vlan_proto,
  SkBuff_vlan_tci,
} from "../layout/layout.generated.as";
import { copyBytes, packetEnd, packetStart } from "./frames.as";

/** Room for an event with `length` bytes of a frame, its fields set; 0 when nobody listens or none is left. */
function open(state: u32, kind: u32, device: u32, length: u32): u32 {
  const log = load<u32>(state, PollState_events);
  if (log == 0) return 0;
  const event = load<u32>(log, EventLog_end);
  const size = (Event_SIZE + length + 7) & ~7;
  if (event + size > load<u32>(log, EventLog_limit)) {
    store<u32>(log, load<u32>(log, EventLog_lost) + 1, EventLog_lost);
    return 0;
  }
  store<u32>(log, event + size, EventLog_end);
  memory.fill(event, 0, Event_SIZE);
  store<u16>(event, kind, Event_kind);
  store<u32>(event, device, Event_device);
  store<u32>(event, length, Event_length);
  return event;
}

/** Writes an event without a frame. */
export function trace(state: u32, kind: u32, device: u32, program: u32, a: u32, b: u32, c: u32, d: i32): void {
  const event = open(state, kind, device, 0);
  if (event == 0) return;
  store<u16>(event, program, Event_program);
  store<u32>(event, a, Event_a);
  store<u32>(event, b, Event_b);
  store<u32>(event, c, Event_c);
  store<i32>(event, d, Event_d);
}

/** trace_xdp_exception: `program` of `device` gave `action`, which was not to be. */
export function traceException(state: u32, device: u32, program: u32, action: u32): void {
  if (load<u32>(state, PollState_events) != 0) trace(state, EVENT_XDP_EXCEPTION, device, program, action, 0, 0, 0);
}

/** Writes an event with the frame as it would stand on the wire: a tag in the skb's metadata goes back behind the addresses. */
export function showFrame(state: u32, kind: u32, device: u32, frame: u32, a: u32, b: u32): void {
  if (load<u32>(state, PollState_events) == 0) return;
  const skb = frame + FRAME_SKB;
  const start = packetStart(frame);
  const length = packetEnd(frame) - start;
  const tagged = load<u32>(frame, Frame_is_skb) != 0 && load<u32>(skb, SkBuff_vlan_present) != 0 && length >= 12;
  const event = open(state, kind, device, length + (tagged ? 4 : 0));
  if (event == 0) return;
  store<u32>(event, a, Event_a);
  store<u32>(event, b, Event_b);
  const to = event + Event_SIZE;
  if (!tagged) {
    copyBytes(to, start, length);
    return;
  }
  copyBytes(to, start, 12);
  store<u16>(to, load<u32>(skb, SkBuff_vlan_proto), 12);
  store<u16>(to, bswap<u16>(u16(load<u32>(skb, SkBuff_vlan_tci))), 14);
  copyBytes(to + 16, start + 12, length - 12);
}
