import { defineStruct, i32, u16, u32 } from "./struct.ts";

/**
 * What happens to packets on their way, as those see it who watch a kernel: packet sockets, AF_XDP sockets, the xdp tracepoints. Each CPU writes its own log, and only
 * while somebody listens (`PollState.events`); the main thread empties the logs when a window is done.
 */
export const EventLog = defineStruct("event_log", {
  /** First event, end of those written so far, and end of the room. Addresses. */
  start: u32,
  end: u32,
  limit: u32,
  /** Events that found no room. */
  lost: u32,
});

/** A packet socket for all protocols saw a frame coming in (`a`: pkt_type), or going out. */
export const EVENT_TAP_IN = 1;
export const EVENT_TAP_OUT = 2;
/** A packet socket bound to an EtherType (`b`, network order) took a frame after TC ingress; `a`: pkt_type. */
export const EVENT_SOCKET = 3;
/** An AF_XDP socket (`a`: its number) received a frame. */
export const EVENT_XSK = 4;
/** A frame of the host's own was not sent: `a` is the negative errno. */
export const EVENT_SEND_ERROR = 5;
/** xdp:xdp_exception: `a` action, `program`. */
export const EVENT_XDP_EXCEPTION = 16;
/** xdp:xdp_redirect, xdp:xdp_redirect_err: `a` to_ifindex, `b` map id (INT_MAX: none, bpf_redirect), `c` map index, `d` error. */
export const EVENT_XDP_REDIRECT = 17;
export const EVENT_XDP_REDIRECT_ERR = 18;
/** xdp:xdp_devmap_xmit: `a` address of the target device, `b` sent, `c` drops, `d` error. `device` received the frames. */
export const EVENT_XDP_DEVMAP_XMIT = 19;
/** xdp:xdp_cpumap_enqueue: `a` CPU, `b` processed, `c` drops, `d` map id. */
export const EVENT_XDP_CPUMAP_ENQUEUE = 20;
/** xdp:xdp_cpumap_kthread: `a` map id, `b` processed, `c` XDP_PASS, `d` XDP_DROP, `program` XDP_REDIRECT counts. */
export const EVENT_XDP_CPUMAP_KTHREAD = 21;
/** xdp:xdp_bulk_tx: `b` sent, `c` drops, `d` error. */
export const EVENT_XDP_BULK_TX = 22;

/** One event; the frame's bytes follow it where there are any, padded to 8. A tag in the skb's metadata stands where it would on the wire. */
export const Event = defineStruct(
  "event",
  {
    kind: u16,
    /** Table index of the program. */
    program: u16,
    /** Address of the Device. */
    device: u32,
    a: u32,
    b: u32,
    c: u32,
    d: i32,
    /** Bytes of the frame that follow. */
    length: u32,
    reserved: u32,
  },
  { size: 32 },
);
