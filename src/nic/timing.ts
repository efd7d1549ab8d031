/**
 * What a machine's work takes, for `--timing`. docs/timing.md derives the model, names the source of every number and shows what it predicts.
 *
 *   receive    arrival → PCI Express → a free buffer of the ring, or lost → interrupt, or the poll that runs
 *   poll       a cost a poll, then a cost a packet: driver, cache misses, program, and what becomes of the packet
 *   return     when the poll ends its buffers go back to the NIC
 */
export interface TimingProfile {
  readonly name: string;
  /** The machine and the measurements that it stands for. */
  readonly source: string;
  readonly cpu: CpuProfile;
  readonly cache: CacheProfile;
  readonly driver: DriverProfile;
  readonly pci: PciProfile;
  /** Bits a second on the wire. */
  readonly linkRate: number;
}

/** What programs cost, nanoseconds. */
export interface CpuProfile {
  /** An instruction, at the rate at which the machine retires a packet path's. */
  readonly instruction: number;
  /** What calling and returning adds: helpers, kfuncs, BPF functions, the program itself. */
  readonly call: number;
  /** Instructions that take longer by themselves: division, locked read-modify-write. */
  readonly division: number;
  readonly atomic: number;
  /** What helpers and kfuncs take beside the call, by name, or by name and BPF_MAP_TYPE_* as in "bpf_map_lookup_elem/1". */
  readonly helpers: Readonly<Record<string, number>>;
}

/** The last-level cache as the NIC and all cores share it (DDIO). */
export interface CacheProfile {
  readonly bytes: number;
  readonly ways: number;
  readonly line: number;
  /** Distance of packets' buffers: their first lines can stand only in the sets that this leaves them. */
  readonly bufferAlign: number;
  /** What a packet's first line costs when it has left the cache, nanoseconds. */
  readonly miss: number;
}

/** Nanoseconds unless said. */
export interface DriverProfile {
  readonly receive: number;
  readonly poll: number;
  readonly transmit: number;
  readonly redirect: number;
  readonly pass: number;
  readonly cpumapEnqueue: number;
  /** From a packet's arrival at an idle queue to its poll: interrupt moderation. */
  readonly interruptDelay: number;
  /** Buffers of the receive ring unless the device says. */
  readonly ring: number;
  /** Buffers of a queue beside those in the ring: pages kept for reuse, frames that wait to be sent. */
  readonly spareBuffers: number;
  /** Share of the ring that one poll takes at most, and the NAPI weight. */
  readonly pollShare: number;
  readonly pollWeight: number;
}

/** The way to the host. Upstream is what fills up: packets and completions are written there, reads are asked for. */
export interface PciProfile {
  /** Bytes a second that transaction layer packets get, their headers included. */
  readonly rate: number;
  /** Bytes of framing, header and check of a TLP; longest payload of a write; longest read. */
  readonly header: number;
  readonly payload: number;
  readonly read: number;
  /** Bytes of a completion queue entry, a receive and a transmit descriptor. */
  readonly completion: number;
  readonly receiveDescriptor: number;
  readonly transmitDescriptor: number;
  /** Packets that one completion of transmits reports. */
  readonly transmitsPerCompletion: number;
  /** Bytes that the NIC holds while PCI Express is busy. */
  readonly nicBuffer: number;
}

/**
 * What helpers take beside the call, nanoseconds: cycles as bench/helperCosts.ts counts them in Linux 6.18, less the 40 that every call there has for the mitigations of speculation, which
 * the paper's machine did without, at 3.6 GHz. Of a map by BPF_MAP_TYPE_*: HASH 1, ARRAY 2, PERCPU_HASH 5, LRU_HASH 9.
 */
const HELPERS: CpuProfile["helpers"] = {
  "bpf_map_lookup_elem/1": 30,
  "bpf_map_lookup_elem/5": 30,
  "bpf_map_lookup_elem/9": 15,
  "bpf_map_update_elem/1": 121,
  "bpf_map_update_elem/2": 29,
  "bpf_map_update_elem/9": 204,
  bpf_ktime_get_ns: 31,
  bpf_get_prandom_u32: 13,
  bpf_csum_diff: 26,
  bpf_xdp_load_bytes: 22,
};

/**
 * The machine of the XDP paper (Høiland-Jørgensen et al., CoNEXT 2018): Xeon E5-1650 v4 at 3.6 GHz, ConnectX-5 Ex with two 100 Gbit/s ports in one slot, Linux 4.18, mlx5 without
 * striding receive queues or compressed completions. docs/timing.md says which numbers were fitted, and to what.
 */
export const XDP_PAPER: TimingProfile = {
  name: "mlx5",
  source: "XDP paper, CoNEXT 2018: E5-1650 v4 3.6 GHz, ConnectX-5",
  cpu: { instruction: 1 / (3.6 * 2.76), call: 1.3, division: 26 / 3.6, atomic: 20 / 3.6, helpers: HELPERS },
  cache: { bytes: 15 * 2 ** 20, ways: 20, line: 64, bufferAlign: 4096, miss: 85.44 },
  driver: {
    receive: 22.5,
    poll: 1040,
    transmit: 18.3,
    redirect: 73.2,
    pass: 181,
    cpumapEnqueue: 30,
    interruptDelay: 8000,
    ring: 1024,
    spareBuffers: 256,
    pollShare: 1 / 4,
    pollWeight: 64,
  },
  pci: {
    rate: ((8e9 * 16 * (128 / 130)) / 8) * (57.88 / 62.96),
    header: 24,
    payload: 256,
    read: 512,
    completion: 64,
    receiveDescriptor: 16,
    transmitDescriptor: 64,
    transmitsPerCompletion: 64,
    nicBuffer: 262_144,
  },
  linkRate: 100e9,
};

/**
 * Share of packets whose first line is not in the cache when the CPU reads it, where `buffers` are filled one after the other. A buffer's line can stand in as many places as
 * its sets have ways. Buffers fall into the sets by chance (Poisson), each set forgets the line used longest ago first, and a line comes round only after all others of its
 * set: where these are as many as the ways, it is never there.
 */
export function missShare(buffers: number, { bytes, ways, line, bufferAlign }: Omit<CacheProfile, "miss">): number {
  const sets = bytes / line / ways / (bufferAlign / line);
  const others = buffers / sets;
  let probability = Math.exp(-others);
  let fits = 0;
  for (let count = 0; count < ways; count++) {
    fits += probability;
    probability *= others / (count + 1);
  }
  return Math.max(0, 1 - fits);
}

/** Bytes that a packet takes of PCI Express towards the host beside the packet itself and its TLPs' headers. */
export function pciOverhead({ header, read, completion, receiveDescriptor, transmitDescriptor, transmitsPerCompletion }: PciProfile): {
  readonly receive: number;
  readonly transmit: number;
} {
  const entry = header + completion;
  return {
    receive: entry + (header * receiveDescriptor) / read,
    // The packet is asked for by a read of its own.
    transmit: header + (header * transmitDescriptor) / read + entry / transmitsPerCompletion,
  };
}
