/** The mirred action of a filter. net/sched/act_mirred.c. */
import {
  FRAME_SKB,
  MIRRED_NEST_LIMIT,
  NetDevice_ifindex,
  NetDevice_peer,
  PollState_mirred_nesting,
  SkBuff_device,
  SkBuff_from_ingress,
  SkBuff_ingress_ifindex,
  SkBuff_redirected,
  SkBuff_tstamp,
  TCA_EGRESS_REDIR,
  TCA_INGRESS_MIRROR,
  TCA_INGRESS_REDIR,
  TC_ACT_QUEUED,
  TC_ACT_SHOT,
  TC_ACT_STOLEN,
  TC_ACT_TRAP,
  TcFilter_device,
  TcFilter_mirred,
  TcFilter_verdict,
} from "../layout/layout.generated.as";
import { receiveLater } from "./napi.as";
import { netifReceive } from "./netifReceive.as";
import { CONSUMED } from "./tcHook.as";
import { copySkb } from "./tcRedirect.as";
import { transmitSkb } from "./transmit.as";
import { isUp } from "./veth.as";

/** Sends the skb, or a copy of it, to the action's device. Gives the action's verdict, or CONSUMED when the skb itself went. */
export function mirror(state: u32, frame: u32, filter: u32, atIngress: bool): i32 {
  const nesting = load<u32>(state, PollState_mirred_nesting);
  if (nesting >= MIRRED_NEST_LIMIT) return TC_ACT_SHOT;
  store<u32>(state, nesting + 1, PollState_mirred_nesting);
  const result = send(state, frame, filter, atIngress);
  store<u32>(state, nesting, PollState_mirred_nesting);
  return result;
}

function send(state: u32, frame: u32, filter: u32, atIngress: bool): i32 {
  const kind = load<u32>(filter, TcFilter_mirred);
  const redirects = kind == TCA_EGRESS_REDIR || kind == TCA_INGRESS_REDIR;
  const wantsIngress = kind == TCA_INGRESS_REDIR || kind == TCA_INGRESS_MIRROR;
  const device = load<u32>(filter, TcFilter_device);
  const verdict = load<i32>(filter, TcFilter_verdict);
  if (!isUp(device) || !hasCarrier(device)) return redirects ? TC_ACT_SHOT : verdict;
  // A redirect at ingress whose verdict ends the skb's way here anyway needs no copy.
  const ends = verdict == TC_ACT_SHOT || verdict == TC_ACT_STOLEN || verdict == TC_ACT_QUEUED || verdict == TC_ACT_TRAP;
  const itself = atIngress && redirects && ends;
  const sent = itself ? frame : copySkb(state, frame);
  if (sent == 0) return redirects ? TC_ACT_SHOT : verdict;
  const skb = sent + FRAME_SKB;
  store<u32>(skb, load<u32>(load<u32>(skb, SkBuff_device), NetDevice_ifindex), SkBuff_ingress_ifindex);
  store<u32>(skb, device, SkBuff_device);
  if (redirects) {
    store<u32>(skb, 1, SkBuff_redirected);
    store<u32>(skb, u32(atIngress), SkBuff_from_ingress);
    if (atIngress) store<u64>(skb, 0, SkBuff_tstamp);
  }
  if (!wantsIngress) transmitSkb(state, sent, device);
  else if (atIngress) netifReceive(state, sent);
  else receiveLater(state, sent);
  return itself ? CONSUMED : verdict;
}

/** A veth has a carrier while both ends are up. */
function hasCarrier(device: u32): bool {
  const peer = load<u32>(device, NetDevice_peer);
  return peer == 0 || isUp(peer);
}
