/** A poll's PollRecords, folded into counters and tallies: one look at 64 packets instead of many at each. */
import {
  FATE_DROP,
  HOOK_XDP,
  PollRecord_SIZE,
  PollRecord_length,
  PollRecord_verdict,
  PollState_poll_end,
  PollState_poll_first,
  PollState_program,
  PollState_queue_tallies,
  PollState_records,
  QueueCounters_rx_bytes,
  QueueCounters_rx_packets,
  QueueCounters_xdp_drop,
  QueueTally_SIZE,
  REASON_XDP_DROP,
  XDP_DROP,
} from "../layout/layout.generated.as";
import { cpu } from "../runtime/cpu.as";
import { countRuns } from "../runtime/run.as";
import { countFate, countVerdict } from "./outcome.as";
import { stepName } from "./programs.as";

/** Counts what the poll of queue number `queue` of `device` received, and what the native program said. Only what it dropped has come to its end by that. */
export function foldPoll(state: u32, device: u32, queue: u32): void {
  const program = load<u32>(state, PollState_program);
  const what = stepName(program, HOOK_XDP, device);
  const tallies = load<u32>(state, PollState_queue_tallies) + queue * QueueTally_SIZE;
  let record = load<u32>(state, PollState_records);
  const end = record + (load<u32>(state, PollState_poll_end) - load<u32>(state, PollState_poll_first)) * PollRecord_SIZE;
  let packets: u32 = 0;
  let bytes: u64 = 0;
  while (record != end) {
    // Packets in a row with the same verdict are one step.
    const verdict = load<u32>(record, PollRecord_verdict);
    let same: u32 = 0;
    let sameBytes: u64 = 0;
    do {
      const length = load<u32>(record, PollRecord_length);
      same += u32(length != 0);
      sameBytes += u64(length);
      record += PollRecord_SIZE;
    } while (record != end && load<u32>(record, PollRecord_verdict) == verdict);
    packets += same;
    bytes += sameBytes;
    if (program == 0 || same == 0) continue;
    countVerdict(state, what, verdict, same);
    if (verdict != XDP_DROP) continue;
    store<u64>(tallies, load<u64>(tallies, QueueCounters_xdp_drop) + u64(same), QueueCounters_xdp_drop);
    countFate(state, queue, FATE_DROP, REASON_XDP_DROP, 0, 0, same, sameBytes);
  }
  store<u64>(tallies, load<u64>(tallies, QueueCounters_rx_packets) + u64(packets), QueueCounters_rx_packets);
  store<u64>(tallies, load<u64>(tallies, QueueCounters_rx_bytes) + bytes, QueueCounters_rx_bytes);
  if (program != 0) countRuns(cpu, program, packets);
}
