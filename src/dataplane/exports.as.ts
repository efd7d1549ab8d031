import { filterPackets } from "./filter.as";
import { beginPhase, beginWindow, earliestPacket, finishTimers, limitPolls, runPhase } from "./poll.as";
import { redirectClone } from "./tcRedirect.as";
import { recoverTrap } from "./trap.as";

export { filterPackets } from "./filter.as";
export { beginPhase, beginWindow, earliestPacket, finishTimers, limitPolls, runPhase } from "./poll.as";
export { redirectClone } from "./tcRedirect.as";
export { recoverTrap } from "./trap.as";
