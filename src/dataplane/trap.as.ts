/** After a trap: the packet whose program ran, and those whose programs had called for that run, are lost; the CPU is made ready to go on. */
import {
  CpuBlock_poll_state,
  FATE_ABORTED,
  FATE_DROP,
  Frame_is_skb,
  Frame_outcome,
  Frame_parent,
  Frame_queue,
  Frame_running,
  HOOK_XDP,
  PollState_current,
  PollState_xmit_recursion,
  QueueCounters_xdp_exception,
  TC_ACT_SHOT,
  XDP_ABORTED,
} from "../layout/layout.generated.as";
import { cpu } from "../runtime/cpu.as";
import { addStep, countVerdict, lose, recordStep } from "./outcome.as";
import { count } from "./receive.as";

/** Frames that a chain of nested runs can hold at most; a longer chain is a broken one. */
const MAX_NESTED: u32 = 64;

/** Closes the records of the run that trapped, as if the program had aborted (XDP) or shot the packet (TC). `reason`: REASON_*. Gives how many packets were lost. */
export function recoverTrap(reason: u32, detail: i32): u32 {
  const state = load<u32>(cpu, CpuBlock_poll_state);
  let frame = load<u32>(state, PollState_current);
  let lost: u32 = 0;
  while (frame != 0 && lost < MAX_NESTED) {
    const parent = load<u32>(frame, Frame_parent);
    const outcome = load<u32>(frame, Frame_outcome);
    const what = load<u32>(frame, Frame_running);
    if (load<u32>(frame, Frame_is_skb) != 0) {
      addStep(state, outcome, what, TC_ACT_SHOT);
      lose(state, frame, FATE_DROP, reason, detail);
    } else {
      // A driver's own hook moves its counter, and the PollRecord of its run says XDP_ABORTED already; others do neither.
      if (((what >> 16) & 0xff) == HOOK_XDP) count(state, load<u32>(frame, Frame_queue), QueueCounters_xdp_exception, 1);
      else countVerdict(state, what, XDP_ABORTED, 1);
      if (outcome != 0) recordStep(outcome, what, XDP_ABORTED);
      lose(state, frame, FATE_ABORTED, reason, detail);
    }
    lost++;
    frame = parent;
  }
  store<u32>(state, 0, PollState_current);
  store<u32>(state, 0, PollState_xmit_recursion);
  return lost;
}
