export {
  skbLegacyLoad8,
  skbLegacyLoad16,
  skbLegacyLoad32,
  skbLoadBytes,
  skbLoadBytesRelative,
  skbPullData,
  skbStoreBytes,
} from "./bytes.as";
export { csumLevel, csumUpdate, l3CsumReplace, l4CsumReplace } from "./checksum.as";
export { skbCloneRedirect } from "./cloneRedirect.as";
export { skbEcnSetCe } from "./ecn.as";
export { skbGetHashRecalc, skbGetRouteRealm, skbSetHash, skbSetHashInvalid } from "./hash.as";
export { skbCheckMtu } from "./mtu.as";
export { skbEventOutput } from "./output.as";
export { skbReceive } from "./receive.as";
export { skbRedirect, skbRedirectNeigh, skbRedirectPeer } from "./redirect.as";
export { skbChangeHead, skbChangeProto, skbChangeTail, skbChangeType } from "./resize.as";
export { skbAdjustRoom } from "./room.as";
export { skbVlanPop, skbVlanPush } from "./vlan.as";
export {
  dynptrFromSkb,
  dynptrFromSkbMeta,
  skbDynptrCopy,
  skbDynptrData,
  skbDynptrMemset,
  skbDynptrRead,
  skbDynptrSlice,
  skbDynptrSliceRdwr,
  skbDynptrWrite,
  skbProbeReadKernelDynptr,
  skbProbeReadKernelStrDynptr,
  skbProbeReadUserDynptr,
} from "./dynptr.as";
export {
  skbCgroupClassid,
  skbGetNetnsCookie,
  skbGetXfrmState,
  skbSetTstamp, 
} from "./origin.as";
export { skbGetTunnelKey, skbGetTunnelOpt, skbSetTunnelKey, skbSetTunnelOpt } from "./tunnel.as";
