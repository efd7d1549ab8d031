export {
  Device,
  type DeviceMemory,
  type DeviceSpec,
  type FilterSpec,
  type MirredAction,
  type TcDirection,
  type TcEntry,
  type XdpMode,
} from "./device.ts";
export { missShare, pciOverhead, type TimingProfile, XDP_PAPER } from "./timing.ts";
export { DEFAULT_RSS_KEY, toeplitzHash } from "./toeplitz.ts";
export { type VethCount, vethLinkStatistics, vethQueueStatistics } from "./vethStatistics.ts";
