/** The veth driver: what one end transmits, the other receives, by the backlog or by its ring. drivers/net/veth.c. */
import {
  DEV_MAP_BULK_SIZE,
  Device_gro,
  Device_index,
  Device_xdp,
  ENXIO,
  ETH_HLEN,
  EVENT_XDP_BULK_TX,
  FATE_ABORTED,
  FATE_DROP,
  FRAME_SKB,
  Frame_cloned,
  Frame_data,
  Frame_data_end,
  Frame_device,
  Frame_generic,
  Frame_is_skb,
  HOOK_XDP,
  IFF_UP,
  MAX_BACKLOG,
  Napi_SIZE,
  Napi_count,
  Napi_device,
  Napi_first,
  Napi_gro_first,
  Napi_inject_first,
  Napi_passed_first,
  Napi_redirects,
  Napi_transmits,
  Napi_tx_count,
  Napi_tx_first,
  NetDevice_flags,
  NetDevice_mtu,
  NetDevice_network,
  NetDevice_peer,
  PACKET_HOST,
  PollState_backlog,
  PollState_napis,
  PollState_veth_counters,
  PollState_xdp_context,
  REASON_DOWN,
  REASON_LENGTH,
  REASON_MEMORY,
  REASON_NO_FRAME,
  REASON_XDP_DROP,
  REASON_XDP_EXCEPTION,
  REASON_XDP_REDIRECT_ERR,
  SkBuff_ingress_ifindex,
  SkBuff_len,
  SkBuff_mark,
  SkBuff_pkt_type,
  SkBuff_priority,
  SkBuff_transport_header,
  SkBuff_tstamp,
  SkBuff_tstamp_type,
  SkBuff_tunnel,
  VETH_RING_SIZE,
  VETH_XDP_BATCH,
  VethCounters_SIZE,
  VethCounters_core_rx_dropped,
  VethCounters_dropped,
  VethCounters_rx_drops,
  VethCounters_tx_bytes,
  VethCounters_tx_packets,
  VethCounters_xdp_bytes,
  VethCounters_xdp_drops,
  VethCounters_xdp_packets,
  VethCounters_xdp_redirect,
  VethCounters_xdp_tx,
  VethCounters_xdp_tx_err,
  VethCounters_xdp_xmit,
  VethCounters_xdp_xmit_err,
  XDP_DROP,
  XDP_PASS,
  XDP_REDIRECT,
  XDP_TX,
} from "../layout/layout.generated.as";
import { addFuel } from "../runtime/fuel.as";
import { skbReceive } from "../tc/receive.as";
import { becomeXdpFrame, expandHead, makeRoomForNative, showAsXdp, takeFromXdp } from "./buffers.as";
import { trace, traceException } from "./events.as";
import { appendFrame, listLength, takeFirst } from "./frameList.as";
import { packetEnd, packetStart, takeEdges } from "./frames.as";
import { groReceive, scheduleNapi } from "./napi.as";
import { lose } from "./outcome.as";
import { enterNetwork, prepareQueueContext, runOn, setEdges } from "./programs.as";
import { loseAll, redirect, redirectFault } from "./redirect.as";

/** Adds to a counter of a veth device, on this CPU. */
export function countVeth(state: u32, device: u32, counter: u32, by: u32): void {
  const at = load<u32>(state, PollState_veth_counters) + load<u32>(device, Device_index) * VethCounters_SIZE + counter;
  store<u64>(at, load<u64>(at) + u64(by));
}

export function isUp(device: u32): bool {
  return (load<u32>(device, NetDevice_flags) & IFF_UP) != 0;
}

/** Whether a veth polls its ring: it is up, and has a native program or GRO. */
function hasNapi(device: u32): bool {
  return isUp(device) && (load<u32>(device, Device_xdp) != 0 || load<u32>(device, Device_gro) != 0);
}

export function napiOf(state: u32, device: u32): u32 {
  return load<u32>(state, PollState_napis) + load<u32>(device, Device_index) * Napi_SIZE;
}

/** Bytes of a frame that a device receives: MTU, header, and one tag (is_skb_forwardable). */
export function receiveLimit(device: u32): u32 {
  return load<u32>(device, NetDevice_mtu) + ETH_HLEN + VLAN_HLEN;
}
const VLAN_HLEN: u32 = 4;

/**
 * ndo_start_xmit. A peer with a native program polls its ring, whose skbs go through GRO; without one this end can segment, and skbs of up to 64 KB would gain nothing
 * from that: they take the backlog (veth_skb_is_eligible_for_gro). Gives 0 or NET_XMIT_DROP; the skb is gone.
 */
export function vethTransmit(state: u32, frame: u32, device: u32): i32 {
  const peer = load<u32>(device, NetDevice_peer);
  const skb = frame + FRAME_SKB;
  const length = load<u32>(skb, SkBuff_len);
  const byRing = load<u32>(peer, Device_xdp) != 0 && hasNapi(peer);
  if (!forwardSkb(state, frame, device, peer, true)) {
    countVeth(state, device, VethCounters_dropped, 1);
    return NET_XMIT_DROP;
  }
  const queue = byRing ? napiOf(state, peer) : load<u32>(state, PollState_backlog);
  if (load<u32>(queue, Napi_count) >= (byRing ? VETH_RING_SIZE : MAX_BACKLOG)) {
    countVeth(state, device, VethCounters_dropped, 1);
    lose(state, frame, FATE_DROP, REASON_NO_FRAME, 0);
    return NET_XMIT_DROP;
  }
  appendFrame(queue + Napi_first, frame);
  scheduleNapi(state, queue);
  if (!byRing) {
    countVeth(state, device, VethCounters_tx_packets, 1);
    countVeth(state, device, VethCounters_tx_bytes, length);
  }
  return 0;
}

/** What a caller of dev_queue_xmit sees of a frame that was dropped. include/linux/netdevice.h. */
export const NET_XMIT_DROP: i32 = 1;

/**
 * ____dev_forward_skb: the skb leaves `from` and comes in at `to`, perhaps in another network namespace, where it keeps little of what it was. False, and it is gone, when
 * `to` is down, or its MTU too small where that is looked at.
 */
export function forwardSkb(state: u32, frame: u32, from: u32, to: u32, checksMtu: bool): bool {
  const skb = frame + FRAME_SKB;
  if (!isUp(to) || (checksMtu && load<u32>(skb, SkBuff_len) > receiveLimit(to))) {
    if (load<u32>(to, NetDevice_peer) != 0) countVeth(state, to, VethCounters_core_rx_dropped, 1);
    lose(state, frame, FATE_DROP, isUp(to) ? REASON_LENGTH : REASON_DOWN, 0);
    return false;
  }
  scrubSkb(skb, load<u32>(from, NetDevice_network) != load<u32>(to, NetDevice_network));
  store<u32>(skb, 0, SkBuff_priority);
  const transport = load<u32>(skb, SkBuff_transport_header);
  skbReceive(skb, to);
  store<u32>(skb, transport, SkBuff_transport_header);
  return true;
}

/** skb_scrub_packet */
export function scrubSkb(skb: u32, otherNamespace: bool): void {
  store<u32>(skb, PACKET_HOST, SkBuff_pkt_type);
  store<u32>(skb, 0, SkBuff_ingress_ifindex);
  store<u32>(skb, 0, SkBuff_tunnel);
  if (!otherNamespace) return;
  store<u32>(skb, 0, SkBuff_mark);
  store<u64>(skb, 0, SkBuff_tstamp);
  store<u8>(skb, 0, SkBuff_tstamp_type);
}

/**
 * ndo_xdp_xmit: puts XDP frames from the list `frames` into the peer's ring, up to the first that is too long or finds no room. Gives how many, or -ENXIO for a peer that has no
 * ring; what is left in the list is the caller's.
 */
export function vethXdpXmit(state: u32, device: u32, frames: u32, flush: bool, redirected: bool): i32 {
  const peer = load<u32>(device, NetDevice_peer);
  if (!hasNapi(peer)) {
    if (redirected) countVeth(state, device, VethCounters_dropped, listLength(frames));
    return -i32(ENXIO);
  }
  const napi = napiOf(state, peer);
  const limit = receiveLimit(peer);
  const offered = listLength(frames);
  let sent: u32 = 0;
  for (; sent < offered; sent++) {
    const frame = load<u32>(frames);
    if (load<u32>(frame, Frame_data_end) - load<u32>(frame, Frame_data) > limit || load<u32>(napi, Napi_count) >= VETH_RING_SIZE) break;
    takeFirst(frames);
    appendFrame(napi + Napi_first, frame);
  }
  if (flush) scheduleNapi(state, napi);
  if (redirected) {
    countVeth(state, device, VethCounters_xdp_xmit, sent);
    countVeth(state, device, VethCounters_xdp_xmit_err, offered - sent);
  }
  return sent;
}

/** A frame from outside is transmitted by ndo_xdp_xmit, as one that was redirected to the device: it waits in the device's own bulk queue until the poll ends. */
export function injectFrame(state: u32, frame: u32, device: u32): void {
  const error = redirectFault(device, load<u32>(frame, Frame_data_end) - load<u32>(frame, Frame_data), false);
  if (error != 0) {
    lose(state, frame, FATE_DROP, REASON_XDP_REDIRECT_ERR, error);
    return;
  }
  const napi = napiOf(state, device);
  const waiting = napi + Napi_inject_first;
  appendFrame(waiting, frame);
  if (listLength(waiting) == DEV_MAP_BULK_SIZE) sendInjected(state, device, waiting);
}

function sendInjected(state: u32, device: u32, waiting: u32): void {
  const sent = vethXdpXmit(state, device, waiting, true, true);
  loseAll(state, waiting, sent);
}

/** What `injectFrame` left. */
export function flushInjected(state: u32, device: u32): void {
  const waiting = napiOf(state, device) + Napi_inject_first;
  if (listLength(waiting) != 0) sendInjected(state, device, waiting);
}

/** One frame of the ring meets the native program (veth_xdp_rcv_skb, veth_xdp_rcv_one). */
export function receiveFromRing(state: u32, napi: u32, frame: u32): void {
  const device = load<u32>(napi, Napi_device);
  const isSkb = load<u32>(frame, Frame_is_skb) != 0;
  addFuel();
  enterNetwork(device);
  store<u32>(frame, device, Frame_device);
  store<u32>(frame, 0, Frame_generic);
  countVeth(state, device, VethCounters_xdp_packets, 1);
  const length = packetEnd(frame) - packetStart(frame);
  countVeth(state, device, VethCounters_xdp_bytes, isSkb ? length - ETH_HLEN : length);
  const program = load<u32>(device, Device_xdp);
  if (program == 0) {
    keepPassed(state, napi, frame, isSkb);
    return;
  }
  if (isSkb) {
    if (!makeRoomForNative(state, frame, device)) {
      countVeth(state, device, VethCounters_rx_drops, 1);
      lose(state, frame, FATE_DROP, REASON_MEMORY, 0);
      return;
    }
    showAsXdp(frame);
  }
  const context = load<u32>(state, PollState_xdp_context);
  prepareQueueContext(state, context, device, 0, false);
  setEdges(state, context, frame);
  const verdict = runOn(state, frame, program, context, HOOK_XDP, device);
  obeyVeth(state, napi, frame, context, verdict, isSkb);
}

function obeyVeth(state: u32, napi: u32, frame: u32, context: u32, verdict: u32, isSkb: bool): void {
  const device = load<u32>(napi, Napi_device);
  const program = load<u32>(device, Device_xdp);
  if (verdict == XDP_DROP) {
    countVeth(state, device, VethCounters_xdp_drops, 1);
    lose(state, frame, FATE_DROP, REASON_XDP_DROP, 0);
  } else if (verdict - 1 >= XDP_REDIRECT) {
    countVeth(state, device, VethCounters_xdp_drops, 1);
    traceException(state, device, program, verdict);
    lose(state, frame, FATE_ABORTED, REASON_XDP_EXCEPTION, i32(verdict));
  } else if (!takeEdges(state, frame, context)) {
    countVeth(state, device, VethCounters_rx_drops, 1);
    lose(state, frame, FATE_ABORTED, REASON_MEMORY, 0);
  } else if (verdict == XDP_PASS) {
    if (isSkb) {
      takeFromXdp(frame);
      skbReceive(frame + FRAME_SKB, device);
    }
    keepPassed(state, napi, frame, isSkb);
  } else if (verdict == XDP_TX) {
    becomeXdpFrame(frame);
    if (load<u32>(napi, Napi_tx_count) == VETH_XDP_BATCH) transmitBulk(state, napi, false);
    appendFrame(napi + Napi_tx_first, frame);
    store<u32>(napi, load<u32>(napi, Napi_transmits) + 1, Napi_transmits);
  } else if (redirect(state, frame, device, program, false) == 0) {
    countVeth(state, device, VethCounters_xdp_redirect, 1);
    store<u32>(napi, load<u32>(napi, Napi_redirects) + 1, Napi_redirects);
  } else countVeth(state, device, VethCounters_rx_drops, 1);
}

/** What goes up: an skb to GRO at once; of XDP frames skbs are made in batches. */
function keepPassed(state: u32, napi: u32, frame: u32, isSkb: bool): void {
  if (isSkb) {
    if (load<u32>(frame, Frame_cloned) != 0) expandHead(state, frame, 0, 0);
    groReceive(napi + Napi_gro_first, frame);
  } else appendFrame(napi + Napi_passed_first, frame);
}

/** veth_xdp_flush_bq: XDP_TX frames go to the peer's ring, without waking it unless this is the end of the poll and the peer has a program. */
export function transmitBulk(state: u32, napi: u32, wake: bool): void {
  const device = load<u32>(napi, Napi_device);
  const frames = napi + Napi_tx_first;
  const offered = listLength(frames);
  if (offered != 0) {
    const sent = vethXdpXmit(state, device, frames, false, false);
    const error = min(sent, 0);
    const done = max(sent, 0);
    countVeth(state, device, VethCounters_xdp_tx, done);
    countVeth(state, device, VethCounters_xdp_tx_err, offered - done);
    trace(state, EVENT_XDP_BULK_TX, device, 0, 0, done, offered - done, error);
    loseAll(state, frames, error);
  }
  const peer = load<u32>(device, NetDevice_peer);
  if (wake && isUp(peer) && load<u32>(peer, Device_xdp) != 0) scheduleNapi(state, napiOf(state, peer));
}
