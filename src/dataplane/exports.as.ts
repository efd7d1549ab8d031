export { beginPhase, beginWindow, earliestPacket, limitPolls, runPhase } from "./poll.as";
export { redirectClone } from "./skbPath.as";
export { recoverTrap } from "./trap.as";
