import { bytes, defineStruct, i64, u32, u64 } from "./struct.ts";

/** Record formats that the walker knows (`CaptureState.format`). */
export const CAPTURE_PCAP = 1;
export const CAPTURE_PCAPNG = 2;

/** Why the walker stopped (`CaptureState.reason`). */
/** `max` descriptors were written; there may be more. */
export const CAPTURE_FULL = 0;
/** The window ends, within a record or between two: `cursor` is where the next begins, `detail` how many bytes from there the walker must see to go on. */
export const CAPTURE_MORE = 1;
/** A pcapng block that carries no packet stands at `cursor`: TypeScript reads or skips it. Its length is not checked. */
export const CAPTURE_BLOCK = 2;
/** The packet at `cursor` has a link type that is not Ethernet, and the caller wants Ethernet only. `detail` is the interface within its section. */
export const CAPTURE_LINK_TYPE = 3;
/** No room is left for packets that get an Ethernet header: the room was not made as large as the window. */
export const CAPTURE_NO_ROOM = 4;
/** From here on the record at `cursor` is damaged; `detail` is the offending number. */
/** The captured length is larger than any capture writes (MAX_CAPLEN). */
export const CAPTURE_BAD_CAPLEN = 16;
/** The block is shorter than its fixed fields, or longer than MAX_RECORD. */
export const CAPTURE_BAD_BLOCK_LENGTH = 17;
/** The length at the end of the block is another than at its beginning. */
export const CAPTURE_BAD_TRAILER = 18;
/** No interface description in this section has that number. */
export const CAPTURE_BAD_INTERFACE = 19;
/** The captured length is larger than the block. */
export const CAPTURE_CAPLEN_OVER_BLOCK = 20;

/** Captured bytes of one packet beyond which a length is taken for damage: what libpcap (MAXIMUM_SNAPLEN) and Wireshark accept. */
export const MAX_CAPLEN = 262144;
/** Bytes of the longest packet record or block, options included, that the walker takes. */
export const MAX_RECORD = 524288;

/** How `CaptureLink` turns a count of ticks into nanoseconds. */
/** if_tsresol 10^-0 to 10^-9: multiply by `time_factor`. */
export const CAPTURE_TIME_MULTIPLY = 0;
/** if_tsresol below 10^-9: divide by `time_factor`. */
export const CAPTURE_TIME_DIVIDE = 1;
/** if_tsresol 2^-n: `time_factor` is n. */
export const CAPTURE_TIME_BINARY = 2;

/** What the walker does with packets of an interface (`CaptureLink.kind`). */
/** Bytes as they are. */
export const CAPTURE_LINK_PLAIN = 0;
/** Stop with CAPTURE_LINK_TYPE. */
export const CAPTURE_LINK_REFUSED = 1;
/** Raw IP: an Ethernet header goes in front. */
export const CAPTURE_LINK_RAW = 2;
/** Linux cooked, version 1 and 2: the direction is read from the header. With `convert` 1 the header becomes an Ethernet header. */
export const CAPTURE_LINK_SLL = 3;
export const CAPTURE_LINK_SLL2 = 4;
/** BSD loopback: 4 bytes of address family, in either byte order. */
export const CAPTURE_LINK_NULL = 5;

/** One interface of the section being walked. Written by TypeScript when the interface is described, read by the walker. */
export const CaptureLink = defineStruct(
  "capture_link",
  {
    /** CAPTURE_LINK_* */
    kind: u32,
    /** 1: packets get an Ethernet header made from their own. */
    convert: u32,
    /** 1: the frame check sequence is left out. Its length in bytes, where the packet does not say (epb_flags); 0 for none. */
    strip_fcs: u32,
    fcs_length: u32,
    /** Packets of this interface are cut to so many bytes where the record does not say (simple packet blocks). */
    snaplen: u32,
    /** CAPTURE_TIME_* */
    time_kind: u32,
    time_factor: u64,
    /** Fewer ticks than this cannot overflow; for more the slow way goes through seconds. 0 when the offset is out of the ordinary. */
    time_limit: u64,
    /** if_tsoffset in nanoseconds, where `time_limit` allows the fast way; and in seconds. */
    offset_ns: i64,
    offset_seconds: i64,
  },
  { size: 56 },
);

/**
 * Where the walk through a capture stands. TypeScript sets it up and moves the window; the walker advances `cursor`. Only one thread may walk.
 */
export const CaptureState = defineStruct("capture_state", {
  /** Next record to read, and the end of the bytes that are there. Addresses. */
  cursor: u32,
  end: u32,
  /** CAPTURE_PCAP or CAPTURE_PCAPNG. */
  format: u32,
  /** 1 when numbers stand in big endian. */
  swapped: u32,
  /** pcap: bytes of a record header (16, or 24 in the modified format), and nanoseconds of one unit of its sub-second field (1 or 1,000). */
  record_header: u32,
  fraction_ns: u32,
  /** CaptureLink array of the section, how many are described, and the source's index of the first. */
  links: u32,
  link_count: u32,
  first_interface: u32,
  /** CAPTURE_* reason of the last stop, and what it says of it. */
  reason: u32,
  detail: u32,
  /** Where the next packet that gets an Ethernet header is put together, and the end of that room. */
  convert_cursor: u32,
  convert_end: u32,
  /** Id of the next packet. */
  next_id: u64,
  /** Time of the packet before, for those that have none. */
  last_ts_ns: i64,
  /** MAC addresses for made headers: of the machine that captured, and of the rest of the world. */
  own_mac: bytes(6),
  peer_mac: bytes(6),
  /** Packets of converted link types whose payload is neither IPv4 nor IPv6 nor named by the old header: their EtherType is 0. */
  unknown_payloads: u32,
});
