import { array, defineStruct, i32, u8, u16, u32 } from "./struct.ts";

/** What became of a packet in the end (`OutcomeRecord.fate`); 0 while it is under way. */
export const FATE_NONE = 0;
export const FATE_STACK = 1;
export const FATE_TX = 2;
export const FATE_REDIRECT = 3;
export const FATE_DROP = 4;
export const FATE_ABORTED = 5;
export const FATE_XSK = 6;
export const FATE_CONSUMED = 7;
export const FATE_FORWARDED = 8;
export const FATE_COUNT = 9;

/** Why a packet was lost (`OutcomeRecord.reason`); `detail` where a row says so. */
export const REASON_NONE = 0;
/** A program returned XDP_DROP. */
export const REASON_XDP_DROP = 1;
/** XDP_ABORTED, or an action that the hook does not know; `detail` is the action. */
export const REASON_XDP_EXCEPTION = 2;
/** A redirect failed; `detail` is the negative errno. */
export const REASON_XDP_REDIRECT_ERR = 3;
/** The queue of a cpumap entry was full. */
export const REASON_CPUMAP_FULL = 4;
/** A broadcast found no device to send to. */
export const REASON_NO_TARGET = 5;
/** Longer than the device's MTU and header, or shorter than a header. */
export const REASON_LENGTH = 6;
/** A TC program shot it. */
export const REASON_TC_SHOT = 7;
/** A TC redirect failed; `detail` is the negative errno. */
export const REASON_TC_REDIRECT_ERR = 8;
/** Fuel, or rounds through cpumaps and ingress redirects, ran out. */
export const REASON_BUDGET = 9;
/** A helper or kfunc that is not there; `detail` is its number. */
export const REASON_HELPER = 10;
/** A load, store or call went where nothing is. */
export const REASON_MEMORY = 11;
/** Programs nested too deep. */
export const REASON_DEPTH = 12;
/** No frame was left for a copy. */
export const REASON_NO_FRAME = 13;
/** The output device is down. */
export const REASON_DOWN = 14;
/** A program changed a map that programs may only read; `detail` is the map's id. */
export const REASON_MAP_ACCESS = 15;
/** Timing: no buffer of the receive ring was free when it arrived. */
export const REASON_OUT_OF_BUFFER = 40;
/** Timing: the NIC's own buffer was full, because PCI Express could not take the packets in time. */
export const REASON_NIC_FULL = 41;
/** No protocol of the host takes the frame's EtherType. */
export const REASON_UNHANDLED = 16;
/** An IP packet whose frame is for another host. */
export const REASON_OTHERHOST = 17;
/** Forwarding: its time to live has run out; too long for the route, and not to be fragmented; nobody knows the next hop's MAC address. */
export const REASON_TTL = 18;
export const REASON_FRAG_NEEDED = 19;
export const REASON_NO_NEIGHBOUR = 20;

/** Where a program ran (`OutcomeStep.hook`). */
export const HOOK_XDP = 1;
export const HOOK_XDP_GENERIC = 2;
export const HOOK_DEVMAP = 3;
export const HOOK_CPUMAP = 4;
export const HOOK_TCX_INGRESS = 5;
export const HOOK_TCX_EGRESS = 6;
export const HOOK_CLSACT_INGRESS = 7;
export const HOOK_CLSACT_EGRESS = 8;

/** Steps that a record shows; later ones are counted in `steps` and in the statistics only. */
export const OUTCOME_STEPS = 4;

/** `OutcomeRecord.to`: the low bits are an ifindex, or a CPU's number. */
export const TO_DEVICE = 0x40000000;
export const TO_CPU = 0x80000000;
export const TO_MASK = 0x3fffffff;

/** One program's say on one packet. */
export const OutcomeStep = defineStruct(
  "outcome_step",
  {
    /** Table index of the program. */
    program: u16,
    /** HOOK_* */
    hook: u8,
    /** Index of the device at whose hook it ran; the target's for devmap. */
    device: u8,
    /** Its return value, low 32 bits. */
    verdict: i32,
  },
  { size: 8 },
);

/**
 * What became of one packet, or of one copy of it. A window slot has one for each of its packets, at the packet's index, and further ones per CPU for
 * copies. Written by the CPU that has the packet; a packet that moves to another CPU takes the right to write along, through the mailbox's barrier.
 */
export const OutcomeRecord = defineStruct(
  "outcome_record",
  {
    /** Address of the PacketDescriptor. */
    packet: u32,
    /** Number of the RxQueue, over all devices; the CPU that received it. */
    queue: u16,
    cpu: u16,
    fate: u8,
    reason: u8,
    /** Programs that saw it, and copies made of it so far (on the packet's own record). Both stay at 255. */
    steps: u8,
    copies: u8,
    detail: i32,
    /** TO_DEVICE | ifindex, TO_CPU | number, or 0. */
    to: u32,
    /** Bytes received, and bytes in the end. */
    length: u32,
    out_length: u32,
    /** 0 for the packet itself, else the number of the copy, from 1. */
    copy: u32,
    step: array(u32, OUTCOME_STEPS * 2),
  },
  { fate: 8, detail: 12, step: 32, size: 64 },
);
