export { filterPackets } from "./filter.as";
export { beginPhase, beginWindow, earliestPacket, finishTimers, limitPolls, runPhase } from "./poll.as";
export { redirectClone } from "./skbPath.as";
export { recoverTrap } from "./trap.as";
