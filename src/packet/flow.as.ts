/** The flow that a packet belongs to, as the kernel's flow dissector reads it: addresses, ports, protocol. net/core/flow_dissector.c, thinned. */

const IPPROTO_TCP: u32 = 6;
const IPPROTO_UDP: u32 = 17;
const IPPROTO_SCTP: u32 = 132;
const IPPROTO_HOPOPTS: u32 = 0;
const IPPROTO_ROUTING: u32 = 43;
const IPPROTO_FRAGMENT: u32 = 44;
const IPPROTO_DSTOPTS: u32 = 60;
/** Extension headers that are followed at most. */
const MAX_EXTENSIONS: u32 = 8;

function mix(hash: u32, word: u32): u32 {
  hash = (hash ^ word) * 0x85ebca6b;
  return hash ^ (hash >> 15);
}

/** Words of an address folded to one. */
function foldAddress(at: u32, words: u32): u32 {
  let hash: u32 = 0x9e3779b9;
  for (let word: u32 = 0; word < words; word++) hash = mix(hash, load<u32>(at + word * 4));
  return hash;
}

/** Ports follow in the first fragment of these protocols. */
function hasPorts(protocol: u32): bool {
  return protocol == IPPROTO_TCP || protocol == IPPROTO_UDP || protocol == IPPROTO_SCTP;
}

/**
 * A hash of the flow, equal in both directions; bit 32 says that ports went into it, 0 that there is no IP packet at `network`. The kernel's own is keyed by a secret
 * drawn at boot, so only equality can be relied on; this one is keyed by nothing and the same in every run.
 */
export function flowHash(network: u32, end: u32, ipv6: bool): u64 {
  let protocol: u32;
  let transport: u32;
  let fragment = false;
  let words: u32 = 1;
  let source = network + 12;
  if (ipv6) {
    if (network + 40 > end) return 0;
    words = 4;
    source = network + 8;
    protocol = load<u8>(network, 6);
    transport = network + 40;
    for (let left = MAX_EXTENSIONS; left > 0; left--) {
      if (transport + 8 > end) break;
      if (protocol == IPPROTO_FRAGMENT) {
        fragment = true;
        break;
      }
      if (protocol != IPPROTO_HOPOPTS && protocol != IPPROTO_ROUTING && protocol != IPPROTO_DSTOPTS) break;
      protocol = load<u8>(transport);
      transport += (u32(load<u8>(transport, 1)) + 1) * 8;
    }
  } else {
    if (network + 20 > end) return 0;
    protocol = load<u8>(network, 9);
    transport = network + (load<u8>(network) & 15) * 4;
    fragment = (load<u16>(network, 6) & 0xff3f) != 0;
  }
  let a = foldAddress(source, words);
  let b = foldAddress(source + words * 4, words);
  let withPorts: u64 = 0;
  if (!fragment && hasPorts(protocol) && transport + 4 <= end) {
    a = mix(a, load<u16>(transport));
    b = mix(b, load<u16>(transport, 2));
    withPorts = u64(1) << 32;
  }
  const hash = mix(mix(min<u32>(a, b), max<u32>(a, b)), protocol);
  return u64(hash == 0 ? 1 : hash) | withPorts;
}
