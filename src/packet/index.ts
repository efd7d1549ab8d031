export { formatIpAddress, formatMac, parseIpAddress, parseMac } from "./address.ts";
export { BLOCK, readNames, readStatistics, type Section } from "./blocks.ts";
export {
  type ArpOptions,
  arp,
  ethernet,
  type IcmpOptions,
  type IpOptions,
  icmp,
  ip,
  type LinkOptions,
  type TcpOptions,
  tcp,
  type UdpOptions,
  udp,
  type VlanTag,
} from "./build.ts";
export { type ByteSource, bytesAfter, bytesFromMemory, bytesFromStream } from "./byteSource.ts";
export type { CaptureInterface } from "./captureSections.ts";
export type { CaptureBlock, CaptureSource } from "./captureSource.ts";
export type { CaptureMemory } from "./captureWindow.ts";
export { internetChecksum, onesComplementSum, pseudoHeaderSum } from "./checksum.ts";
export type { ChunkSink } from "./chunkWriter.ts";
export { describePacket, hexRows } from "./describe.ts";
export { type CaptureWalk, type DescribedPacket, forEachPacket } from "./forEachPacket.ts";
export { type LinkHeader, readEthernet, type VlanHeader } from "./headersLink.ts";
export { type ArpHeader, type IpHeader, readIpv4, readIpv6 } from "./headersNetwork.ts";
export type { IcmpHeader, TcpHeader, UdpHeader } from "./headersTransport.ts";
export { type LinkPolicy, linkTypeName } from "./linkTypes.ts";
export { IP_PROTOCOL } from "./numbers.ts";
export { type CaptureOptions, openCapture } from "./openCapture.ts";
export { type OptionOwner, optionName, optionValueText } from "./optionNames.ts";
export type { BlockOption } from "./options.ts";
export { type InterfaceToWrite, type PacketToWrite, PcapngWriter, type SectionDescription, type Verdict } from "./pcapngWriter.ts";
export { PcapWriter } from "./pcapWriter.ts";
export type { PacketSource, ReleaseWindows, SourceInterface } from "./source.ts";
export { resolutionText } from "./timeResolution.ts";
