/** After a trap: the packet whose program ran, and those whose programs had called for that run, are lost; the CPU is made ready to go on. */
import {
  CpuBlock_poll_state,
  FATE_ABORTED,
  FATE_DROP,
  FATE_NONE,
  HOOK_XDP,
  Frame_is_skb,
  Frame_outcome,
  Frame_parent,
  Frame_queue,
  Frame_running,
  OutcomeRecord_fate,
  PollState_current,
  PollState_xmit_recursion,
  QueueCounters_xdp_exception,
  TC_ACT_SHOT,
  XDP_ABORTED,
} from "../layout/layout.generated.as";
import { cpu } from "../runtime/cpu.as";
import { addStep, lose } from "./outcome.as";
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
    if (load<u8>(outcome, OutcomeRecord_fate) == FATE_NONE) {
      const isSkb = load<u32>(frame, Frame_is_skb) != 0;
      const running = load<u32>(frame, Frame_running);
      addStep(state, outcome, running, isSkb ? TC_ACT_SHOT : XDP_ABORTED);
      if (isSkb) lose(state, frame, FATE_DROP, reason, detail);
      else {
        // The driver counts for its own hook only; generic mode, devmap and cpumap programs move no counter.
        if (((running >> 16) & 0xff) == HOOK_XDP) count(state, load<u32>(frame, Frame_queue), QueueCounters_xdp_exception, 1);
        lose(state, frame, FATE_ABORTED, reason, detail);
      }
    }
    lost++;
    frame = parent;
  }
  store<u32>(state, 0, PollState_current);
  store<u32>(state, 0, PollState_xmit_recursion);
  return lost;
}
