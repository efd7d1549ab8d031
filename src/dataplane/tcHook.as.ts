/** The programs of a TC hook, in their order: tcx, then direct-action cls_bpf. net/core/dev.c: tcx_run, tc_run; net/sched/cls_bpf.c. */
import {
  CHAIN_TCX,
  FRAME_SKB,
  HOOK_CLSACT_EGRESS,
  HOOK_CLSACT_INGRESS,
  HOOK_TCX_EGRESS,
  HOOK_TCX_INGRESS,
  SkBuff_tc_classid,
  TCX_DROP,
  TCX_NEXT,
  TCX_PASS,
  TCX_REDIRECT,
  TC_ACT_OK,
  TC_ACT_REDIRECT,
  TC_ACT_SHOT,
  TC_ACT_STOLEN,
  TC_ACT_TRAP,
  TcChain_count,
  TcChain_entries,
} from "../layout/layout.generated.as";
import { skbIsSound } from "./frames.as";
import { runOn } from "./programs.as";

/** Not a verdict: a program left an skb whose edges lie outside its buffer. */
export const BROKEN: i32 = -2;

/**
 * Runs the hook's programs on the skb in `frame`. Gives TC_ACT_OK when it goes on, TC_ACT_SHOT, TC_ACT_STOLEN, TC_ACT_TRAP, TC_ACT_REDIRECT, or BROKEN.
 *
 *   tcx     NEXT goes on to the next program; PASS, DROP and REDIRECT end the hook; any other value ends tcx, and clsact goes on
 *   clsact  OK, SHOT, STOLEN, TRAP and REDIRECT end the hook; any other value goes on to the next filter
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
      if (verdict == TCX_PASS || verdict == TCX_DROP || verdict == TCX_REDIRECT) return verdict;
      tcxEnded = verdict != TCX_NEXT;
      continue;
    }
    // Each filter begins with its own class, which the filters here have none of (cls_bpf_classify).
    store<u32>(skb, 0, SkBuff_tc_classid);
    const verdict = i32(runOn(state, frame, program, skb, ingress ? HOOK_CLSACT_INGRESS : HOOK_CLSACT_EGRESS, device));
    if (!skbIsSound(state, frame)) return BROKEN;
    if (verdict == TC_ACT_OK || verdict == TC_ACT_SHOT || verdict == TC_ACT_STOLEN || verdict == TC_ACT_TRAP || verdict == TC_ACT_REDIRECT) {
      return verdict;
    }
  }
  return TC_ACT_OK;
}
