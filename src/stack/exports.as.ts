export { allocateConnection, dropConnection, insertConnection, releaseConnections } from "./conntrack.as";
export {
  ctAlloc,
  ctChangeStatus,
  ctChangeTimeout,
  ctInsertEntry,
  ctLookup,
  ctRelease,
  ctSetStatus,
  ctSetTimeout,
} from "./conntrackKfuncs.as";
export { ctSetNatInfo } from "./conntrackNat.as";
export { currentTaskUnderCgroup, skbAncestorCgroupId, skbCgroupId, skbUnderCgroup } from "./cgroup.as";
export { skbFibLookup, xdpFibLookup } from "./fib.as";
export { sipHash } from "./sipHash.as";
export {
  tcpRawCheckSyncookieIpv4,
  tcpRawCheckSyncookieIpv6,
  tcpRawGenSyncookieIpv4,
  tcpRawGenSyncookieIpv6,
} from "./synCookie.as";
export {
  getListenerSock,
  skbGetSocketCookie,
  skbGetSocketUid,
  skbSkAssign,
  skFullsock,
  skRelease,
  tcpCheckSyncookie,
  tcpGenSyncookie,
  tcpSock,
} from "./socket.as";
export { skbSkcLookupTcp, skbSkLookupTcp, skbSkLookupUdp, xdpSkcLookupTcp, xdpSkLookupTcp, xdpSkLookupUdp } from "./socketLookup.as";
export { xdpGetXfrmState, xdpXfrmStateRelease } from "./xfrm.as";
export {
  skAssignTcpReqsk,
  skcToTcp6Sock,
  skcToTcpRequestSock,
  skcToTcpSock,
  skcToTcpTimewaitSock,
  skcToUdp6Sock,
} from "./kernelSocket.as";
