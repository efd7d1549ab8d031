/** The softirq of a CPU: its poll list of rings and backlog, NAPI polls step by step, and what GRO holds back. net/core/dev.c, drivers/net/veth.c: veth_poll. */
import {
  Device_generic,
  Device_gro,
  ETH_HLEN,
  ETH_P_IP,
  FATE_DROP,
  FRAME_SKB,
  GRO_NORMAL_BATCH,
  MAX_BACKLOG_ROUNDS,
  NAPI_BUILD,
  NAPI_COMPLETE,
  NAPI_FLUSH,
  NAPI_IDLE,
  NAPI_POLL_WEIGHT,
  NAPI_RECEIVE,
  NAPI_TRANSMIT,
  Napi_count,
  Napi_deliver_first,
  Napi_device,
  Napi_done,
  Napi_first,
  Napi_gro_first,
  Napi_next,
  Napi_passed,
  Napi_passed_first,
  Napi_polling,
  Napi_redirects,
  Napi_scheduled,
  Napi_transmits,
  PollState_backlog,
  PollState_backlog_rounds,
  PollState_napi_first,
  PollState_napi_last,
  REASON_BUDGET,
  SkBuff_cb,
  SkBuff_data,
  SkBuff_device,
  SkBuff_len,
  SkBuff_protocol,
  SkBuff_tc_classid,
  VETH_XDP_BATCH,
} from "../layout/layout.generated.as";
import { csumFold, csumPartial } from "../packet/csum.as";
import { protocolOf } from "../tc/resize.as";
import { flushCpus } from "./cpumap.as";
import { appendFrame, listLength, moveList, takeFirst } from "./frameList.as";
import { buildSkb, netifReceive } from "./netifReceive.as";
import { lose } from "./outcome.as";
import { forgetRedirect } from "./programs.as";
import { flushDevices } from "./redirect.as";
import { receiveFromRing, transmitBulk } from "./veth.as";

/** Sets a ring or the backlog on the CPU's poll list, if it is not there (napi_schedule). */
export function scheduleNapi(state: u32, napi: u32): void {
  if (load<u32>(napi, Napi_scheduled) != 0) return;
  store<u32>(napi, 1, Napi_scheduled);
  enlist(state, napi);
}

function enlist(state: u32, napi: u32): void {
  store<u32>(napi, 0, Napi_next);
  const last = load<u32>(state, PollState_napi_last);
  if (last == 0) store<u32>(state, napi, PollState_napi_first);
  else store<u32>(last, napi, Napi_next);
  store<u32>(state, napi, PollState_napi_last);
}

/** Whether GRO looks into skbs of the device: it was asked for, and no generic XDP keeps it out (netif_elide_gro). */
function usesGro(device: u32): bool {
  return load<u32>(device, Device_gro) != 0 && load<u32>(device, Device_generic) == 0;
}

/**
 * What inet_gro_receive leaves in skb->cb of a packet that it does not merge: data_offset, flush and count, proto. Only protocols that GRO knows, with a header that is in
 * order and has no options, are looked into.
 */
function showIpv4(skb: u32): void {
  const ip = load<u32>(skb, SkBuff_data) + ETH_HLEN;
  const length = load<u32>(skb, SkBuff_len) - ETH_HLEN;
  let flush: u32 = 1;
  const protocol = u32(load<u8>(ip, 9));
  if (length >= 20 && load<u8>(ip) == 0x45 && (protocol == 17 || protocol == 6) && (csumFold(csumPartial(ip, 20, 0)) & 0xffff) == 0) {
    store<u32>(skb, 20, SkBuff_cb + 8);
    store<u32>(skb, protocol, SkBuff_cb + 16);
    flush |= (u32(bswap<u16>(load<u16>(ip, 2))) ^ length) & 0xffff;
    flush |= u32(bswap<u16>(load<u16>(ip, 6))) & ~0x4000;
  }
  store<u32>(skb, 0x00010000 | flush, SkBuff_cb + 12);
}

/** napi_gro_receive: the skb waits in the list until there are eight, or the poll ends; with the eighth all are moved to `deliver`, three words behind. */
export function groReceive(list: u32, frame: u32): void {
  const skb = frame + FRAME_SKB;
  // What is left in skb->cb: frag0, a kernel pointer, whose upper half lies where tc_classid is; then frag0_len.
  store<u32>(skb, 0xffff, SkBuff_tc_classid);
  store<u32>(skb, load<u32>(skb, SkBuff_len) - ETH_HLEN, SkBuff_cb);
  // data_offset; what lies beside it stays as it was.
  store<u32>(skb, 0, SkBuff_cb + 8);
  if (load<u32>(skb, SkBuff_protocol) == protocolOf(ETH_P_IP) && usesGro(load<u32>(skb, SkBuff_device))) showIpv4(skb);
  appendFrame(list, frame);
  if (listLength(list) == GRO_NORMAL_BATCH) moveList(list + 12, list);
}

/** netif_rx: the skb waits in the backlog. */
export function receiveLater(state: u32, frame: u32): void {
  const backlog = load<u32>(state, PollState_backlog);
  appendFrame(backlog + Napi_first, frame);
  scheduleNapi(state, backlog);
}

/** One step of the softirq. False when the poll list is empty. */
export function stepSoftirq(state: u32): bool {
  const napi = load<u32>(state, PollState_napi_first);
  if (napi == 0) return false;
  const rounds = load<u32>(state, PollState_backlog_rounds) + 1;
  store<u32>(state, rounds, PollState_backlog_rounds);
  if (rounds > MAX_BACKLOG_ROUNDS) giveUp(state, napi);
  else if (load<u32>(napi, Napi_device) == 0) stepBacklog(state, napi);
  else stepRing(state, napi);
  return true;
}

/** Frames go round without end: what is left is lost. */
function giveUp(state: u32, napi: u32): void {
  for (let frame = takeFirst(napi + Napi_first); frame != 0; frame = takeFirst(napi + Napi_first)) lose(state, frame, FATE_DROP, REASON_BUDGET, 0);
  for (let list = napi + Napi_passed_first; list <= napi + Napi_deliver_first; list += 12) {
    for (let frame = takeFirst(list); frame != 0; frame = takeFirst(list)) lose(state, frame, FATE_DROP, REASON_BUDGET, 0);
  }
  finish(state, napi, false);
}

/** process_backlog: one skb. */
function stepBacklog(state: u32, napi: u32): void {
  const frame = takeFirst(napi + Napi_first);
  if (frame == 0) finish(state, napi, false);
  else netifReceive(state, frame);
}

/** veth_poll: one frame, or one step behind the last. */
function stepRing(state: u32, napi: u32): void {
  const up = takeFirst(napi + Napi_deliver_first);
  if (up != 0) {
    netifReceive(state, up);
    return;
  }
  const stage = load<u32>(napi, Napi_polling);
  if (stage == NAPI_IDLE || stage == NAPI_RECEIVE) receive(state, napi);
  else if (stage == NAPI_BUILD) build(state, napi);
  else if (stage == NAPI_FLUSH) {
    if (load<u32>(napi, Napi_redirects) != 0) {
      flushDevices(state);
      flushCpus(state);
    }
    enter(napi, NAPI_COMPLETE);
  } else if (stage == NAPI_COMPLETE) {
    moveList(napi + Napi_deliver_first, napi + Napi_gro_first);
    enter(napi, NAPI_TRANSMIT);
  } else {
    if (load<u32>(napi, Napi_transmits) != 0) transmitBulk(state, napi, true);
    finish(state, napi, load<u32>(napi, Napi_done) == NAPI_POLL_WEIGHT || load<u32>(napi, Napi_count) != 0);
  }
}

function enter(napi: u32, stage: u32): void {
  store<u32>(napi, stage, Napi_polling);
}

function receive(state: u32, napi: u32): void {
  enter(napi, NAPI_RECEIVE);
  const done = load<u32>(napi, Napi_done);
  const frame = done == NAPI_POLL_WEIGHT ? 0 : takeFirst(napi + Napi_first);
  if (frame == 0) {
    enter(napi, NAPI_BUILD);
    return;
  }
  store<u32>(napi, done + 1, Napi_done);
  receiveFromRing(state, napi, frame);
  if (load<u32>(napi, Napi_passed) == VETH_XDP_BATCH) enter(napi, NAPI_BUILD);
}

/** veth_xdp_rcv_bulk_skb: skbs are made of the frames that the program passed. */
function build(state: u32, napi: u32): void {
  const frame = takeFirst(napi + Napi_passed_first);
  if (frame != 0) {
    buildSkb(state, frame, load<u32>(napi, Napi_device));
    groReceive(napi + Napi_gro_first, frame);
    return;
  }
  const more = load<u32>(napi, Napi_count) != 0 && load<u32>(napi, Napi_done) < NAPI_POLL_WEIGHT;
  enter(napi, more ? NAPI_RECEIVE : NAPI_FLUSH);
}

/** The poll is over. The napi leaves the head of the list, and is set at its end again when there is more to do. */
function finish(state: u32, napi: u32, again: bool): void {
  store<u32>(napi, NAPI_IDLE, Napi_polling);
  store<u32>(napi, 0, Napi_done);
  store<u32>(napi, 0, Napi_redirects);
  store<u32>(napi, 0, Napi_transmits);
  const next = load<u32>(napi, Napi_next);
  store<u32>(state, next, PollState_napi_first);
  if (next == 0) store<u32>(state, 0, PollState_napi_last);
  if (again) enlist(state, napi);
  else store<u32>(napi, 0, Napi_scheduled);
  if (load<u32>(state, PollState_napi_first) == 0) forgetRedirect();
}
