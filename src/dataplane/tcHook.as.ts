/** The programs of a TC hook, in their order: tcx, then cls_bpf filters by priority. net/core/dev.c: tcx_run, tc_run; net/sched/cls_bpf.c. */
import {
  CHAIN_TCX,
  FRAME_SKB,
  HOOK_CLSACT_EGRESS,
  HOOK_CLSACT_INGRESS,
  HOOK_TCX_EGRESS,
  HOOK_TCX_INGRESS,
  SkBuff_tc_classid,
  SkBuff_tc_index,
  TCX_DROP,
  TCX_NEXT,
  TCX_PASS,
  TCX_REDIRECT,
  TC_ACT_OK,
  TC_ACT_QUEUED,
  TC_ACT_RECLASSIFY,
  TC_ACT_REDIRECT,
  TC_ACT_SHOT,
  TC_ACT_STOLEN,
  TC_ACT_TRAP,
  TcChain_count,
  TcChain_entries,
  TcChain_filters,
  TcFilter_classid,
  TcFilter_direct,
  TcFilter_mirred,
} from "../layout/layout.generated.as";
import { skbIsSound } from "./frames.as";
import { mirror } from "./mirred.as";
import { runOn } from "./programs.as";

/** Not verdicts: a program left an skb whose edges lie outside its buffer; an action took the skb. */
export const BROKEN: i32 = -2;
export const CONSUMED: i32 = -3;

/**
 * Runs the hook's programs on the skb in `frame`. Gives TC_ACT_OK when it goes on, TC_ACT_SHOT, TC_ACT_STOLEN, TC_ACT_TRAP, TC_ACT_REDIRECT, BROKEN or CONSUMED.
 *
 *   tcx     NEXT goes on to the next program; PASS, DROP and REDIRECT end the hook; any other value ends tcx, and clsact goes on
 *   clsact  direct-action: OK, SHOT, STOLEN, TRAP and REDIRECT end the hook; any other value goes on to the next filter
 *           else: 0 is no match, -1 matches with the filter's own class, any other value is the class; then the action decides
 *
 * What ends with OK leaves its class's minor number in tc_index.
 */
export function runChain(state: u32, frame: u32, chain: u32, device: u32, ingress: bool): i32 {
  const skb = frame + FRAME_SKB;
  const count = load<u32>(chain, TcChain_count);
  let tcxEnded = false;
  for (let index: u32 = 0; index < count; index++) {
    const entry = load<u32>(chain + (index << 2), TcChain_entries);
    const program = entry & ~CHAIN_TCX;
    if (entry & CHAIN_TCX) {
      if (tcxEnded) continue;
      const verdict = i32(runOn(state, frame, program, skb, ingress ? HOOK_TCX_INGRESS : HOOK_TCX_EGRESS, device));
      if (!skbIsSound(state, frame)) return BROKEN;
      if (verdict == TCX_PASS) setClass(skb, load<u32>(skb, SkBuff_tc_classid));
      if (verdict == TCX_PASS || verdict == TCX_DROP || verdict == TCX_REDIRECT) return verdict;
      tcxEnded = verdict != TCX_NEXT;
      continue;
    }
    const filter = load<u32>(chain + (index << 2), TcChain_filters);
    // Each filter begins with its own class (cls_bpf_classify).
    store<u32>(skb, filter == 0 ? 0 : load<u32>(filter, TcFilter_classid) & 0xffff, SkBuff_tc_classid);
    const verdict = i32(runOn(state, frame, program, skb, ingress ? HOOK_CLSACT_INGRESS : HOOK_CLSACT_EGRESS, device));
    if (!skbIsSound(state, frame)) return BROKEN;
    if (filter != 0 && load<u32>(filter, TcFilter_direct) == 0) {
      if (verdict == 0) continue;
      const action = act(state, frame, filter, ingress);
      if (action < 0 && action != CONSUMED) continue;
      if (action == TC_ACT_OK || action == TC_ACT_RECLASSIFY) setClass(skb, verdict == -1 ? load<u32>(filter, TcFilter_classid) : u32(verdict));
      // What __netif_receive_skb_core and __dev_queue_xmit do not know lets the skb go on.
      return action == CONSUMED || action == TC_ACT_SHOT || action == TC_ACT_STOLEN || action == TC_ACT_TRAP || action == TC_ACT_QUEUED ? action : TC_ACT_OK;
    }
    if (verdict == TC_ACT_OK) setClass(skb, load<u32>(skb, SkBuff_tc_classid));
    if (verdict == TC_ACT_OK || verdict == TC_ACT_SHOT || verdict == TC_ACT_STOLEN || verdict == TC_ACT_TRAP || verdict == TC_ACT_REDIRECT) {
      return verdict;
    }
  }
  return TC_ACT_OK;
}

function setClass(skb: u32, classid: u32): void {
  store<u32>(skb, classid & 0xffff, SkBuff_tc_index);
}

/** The filter's action: none lets the skb go on; mirred sends it, or a copy, to another device. Its verdict, or CONSUMED. */
function act(state: u32, frame: u32, filter: u32, ingress: bool): i32 {
  return load<u32>(filter, TcFilter_mirred) == 0 ? TC_ACT_OK : mirror(state, frame, filter, ingress);
}
