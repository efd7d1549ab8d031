import { array, bytes, defineStruct, u8, u32, u64 } from "./struct.ts";

/**
 * What helpers need to know of a network device: kernel's struct net_device, thinned. Written at set-up and when the user changes the device; nic's
 * Device begins with one. `XdpContext.device` and `SkBuff.device` hold the address of one.
 */
export const NetDevice = defineStruct("net_device", {
  ifindex: u32,
  mtu: u32,
  /** Bytes of link-layer header: 14 for Ethernet and loopback. */
  hard_header_len: u32,
  /** IFF_* flags; IFF_UP (1) is the one that counts. */
  flags: u32,
  /** RX queues in use (real_num_rx_queues). */
  rx_queues: u32,
  /** net.ipv4.conf.DEV.forwarding and net.ipv6.conf.DEV.forwarding: 0 or 1. */
  forwarding4: u32,
  forwarding6: u32,
  mac: bytes(6),
  broadcast: bytes(6),
  /** NetNamespace that the device is in. */
  network: u32,
  /** NetDevice at the other end of a veth pair; 0 for a device whose other end is the wire. */
  peer: u32,
});

/** Unknown neighbours that a host remembers to have asked for; a power of two. */
export const ASKED_NEIGHBOURS = 16;

/**
 * The simulated host's network namespace: devices, routes, neighbours, addresses in the memory. One per machine; every CpuBlock points to it.
 * Constant while the workers run, except through the control word.
 */
export const NetNamespace = defineStruct("net_namespace", {
  /** Address of an array of `device_limit` addresses of NetDevice, indexed by ifindex; 0 where there is none. Index 0 stays empty. */
  devices: u32,
  device_limit: u32,
  /**
   * Roots of the routing tries (stack/fib), 0 for an empty one. IPv4 keeps the local and the main table in one trie, as Linux does until a routing rule is added;
   * IPv6 has two.
   */
  fib4: u32,
  fib6_local: u32,
  fib6_main: u32,
  /** Open-addressing table of Neighbour entries: address, and slots - 1 (a power of two less one). 0 when there are none. */
  neighbours: u32,
  neighbour_mask: u32,
  /**
   * Function table slot of what carries out bpf_clone_redirect: (skb, device, flags: i32) -> i32, taking over `skb`. 0 while nothing is attached behind the
   * devices (a test run): clones then vanish, as on a device that takes everything.
   */
  redirect_hook: u32,
  /** Buckets of Sockets: SOCKET_BUCKETS addresses. 0 when none is declared. */
  sockets: u32,
  /** The Sockets themselves, one behind the other, and behind the last REQUEST_SOCKETS more. And as many KernelSockets. */
  socket_array: u32,
  kernel_sockets: u32,
  socket_count: u32,
  /** Buckets of XfrmEntries: XFRM_BUCKETS addresses. 0 when no state is declared. And the entries themselves, one behind the other. */
  xfrm: u32,
  xfrm_array: u32,
  xfrm_count: u32,
  /** Address of the ConntrackTable; 0 while nobody has asked for one. */
  conntrack: u32,
  /** net.ipv4.tcp_syncookies: 0 off, 1 when a listener's queue is full, 2 always. */
  tcp_syncookies: u32,
  /** Address of the table of Cgroups, by id - 1; 0 where nobody names any. */
  cgroups: u32,
  /** struct bpf_key of the system's three keyrings. */
  system_keys: array(u64, 6),
  /** SipHash keys of SYN cookies, 16 bytes each: two for IPv4, two for IPv6. */
  syncookie_keys: array(u64, 8),
  /** 1: the host's own protocols are simulated (dataplane/hostStack.as.ts); 0: the stack takes everything. */
  stack: u32,
  /** net.ipv4.ip_forward */
  ip_forward: u32,
  /** What the next IPv4 datagram of the host's own carries as its identification. */
  ip_id: u32,
  /** Neighbours that ARP has asked for in vain: ifindex and address each, and how many there have been. */
  asked_count: u32,
  asked: array(u32, 2 * ASKED_NEIGHBOURS),
});

/** Id of the root cgroup, which every task and socket is in that was not put elsewhere. kernel/cgroup/cgroup.c. */
export const ROOT_CGROUP = 1;

/** A cgroup of the unified hierarchy: the id of its parent (the root's own for the root), and how many ancestors it has. */
export const Cgroup = defineStruct("cgroup", { parent: u32, level: u32 }, { size: 8 });

/** Kinds of route, as rtm_type has them. include/uapi/linux/rtnetlink.h. */
export const RTN_UNICAST = 1;
export const RTN_LOCAL = 2;
export const RTN_BROADCAST = 3;
export const RTN_MULTICAST = 5;
export const RTN_BLACKHOLE = 6;
export const RTN_UNREACHABLE = 7;
export const RTN_PROHIBIT = 8;
export const RTN_THROW = 9;

/** One route of the tries. `next`: the route to fall back to when this one's device is not the wanted output; 0 at the end. */
export const Route = defineStruct("route", {
  /** RTN_* */
  type: u32,
  /** Address of the output's NetDevice; 0 for kinds without one. */
  device: u32,
  metric: u32,
  /** MTU that holds for the route; 0: the device's. */
  mtu: u32,
  /** AF_INET or AF_INET6 when `gateway` counts, else 0. Addresses in network byte order, IPv4 in the first four bytes. */
  gateway_family: u32,
  gateway: bytes(16),
  /** 1 when `source` holds the address to use as source. */
  has_source: u32,
  source: bytes(16),
  next: u32,
  /** Prefix length, for reports and to keep order while building. */
  prefix_length: u32,
});

/** A neighbour with a valid link-layer address. Empty slots have ifindex 0. */
export const Neighbour = defineStruct(
  "neighbour",
  { ifindex: u32, family: u32, address: bytes(16), mac: bytes(6), state: u8, pad: u8 },
  { address: 8, mac: 24, size: 32 },
);

/** net_device flags. include/uapi/linux/if.h. */
export const IFF_UP = 1;
