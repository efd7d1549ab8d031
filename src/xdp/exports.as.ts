export { xdpAdjustHead, xdpAdjustMeta, xdpAdjustTail, xdpGetBuffLen } from "./adjust.as";
export { xdpLoadBytes, xdpStoreBytes } from "./bytes.as";
export { xdpCheckMtu } from "./mtu.as";
export { xdpEventOutput } from "./output.as";
export { xdpRedirect, xdpRedirectMap } from "./redirect.as";
export {
  dynptrFromXdp,
  xdpDynptrCopy,
  xdpDynptrData,
  xdpDynptrMemset,
  xdpDynptrRead,
  xdpDynptrSlice,
  xdpDynptrSliceRdwr,
  xdpDynptrWrite,
  xdpProbeReadKernelDynptr,
  xdpProbeReadKernelStrDynptr,
  xdpProbeReadUserDynptr,
} from "./dynptr.as";
export { xdpPullData } from "./pullData.as";
export { xdpMetadataRxHash, xdpMetadataRxTimestamp, xdpMetadataRxVlanTag } from "./metadata.as";
