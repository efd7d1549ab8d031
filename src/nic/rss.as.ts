/**
 * Receive-side scaling: the Toeplitz hash over a packet's addresses and ports. Which fields count: TCP and UDP by addresses and ports; other IP, fragments, and
 * IPv6 with extension headers by addresses; everything else has no hash. VLAN tags are skipped.
 */
import { ETH_HLEN, ETH_P_8021AD, ETH_P_8021Q, ETH_P_IP, ETH_P_IPV6 } from "../layout/layout.generated.as";

const TABLE: u32 = 1024;
const IPPROTO_TCP: u32 = 6;
const IPPROTO_UDP: u32 = 17;
/** More fragments, and the fragment's offset. include/net/ip.h, in the byte order of a little-endian load. */
const FRAGMENT_MASK: u32 = 0xff3f;
/** Tags that a frame may have before the NIC's parser gives up. */
const MAX_TAGS: u32 = 4;

/** What the four bytes `word`, as loaded, add to the hash when they stand at `table`'s place of the tuple. */
function hashWord(table: u32, word: u32): u32 {
  return (
    load<u32>(table + ((word & 0xff) << 2)) ^
    load<u32>(table + (((word >> 8) & 0xff) << 2), TABLE) ^
    load<u32>(table + (((word >> 16) & 0xff) << 2), 2 * TABLE) ^
    load<u32>(table + ((word >> 24) << 2), 3 * TABLE)
  );
}

/** Hash of two IPv4 addresses at `addresses`. */
function hashAddresses4(tables: u32, addresses: u32): u32 {
  return hashWord(tables, load<u32>(addresses)) ^ hashWord(tables + 4 * TABLE, load<u32>(addresses, 4));
}

/** Hash of two IPv6 addresses. */
function hashAddresses6(tables: u32, addresses: u32): u32 {
  let hash: u32 = 0;
  for (let offset: u32 = 0; offset < 32; offset += 4) hash ^= hashWord(tables + offset * TABLE, load<u32>(addresses + offset));
  return hash;
}

function hasPorts(protocol: u32): bool {
  return protocol == IPPROTO_TCP || protocol == IPPROTO_UDP;
}

function hashIp4(tables: u32, header: u32, end: u32): u32 {
  if (end - header < 20) return 0;
  const hash = hashAddresses4(tables, header + 12);
  if (!hasPorts(load<u8>(header, 9)) || (load<u16>(header, 6) & FRAGMENT_MASK) != 0) return hash;
  const ports = header + ((load<u8>(header) & 15) << 2);
  if (ports + 4 > end) return hash;
  return hash ^ hashWord(tables + 8 * TABLE, load<u32>(ports));
}

function hashIp6(tables: u32, header: u32, end: u32): u32 {
  if (end - header < 40) return 0;
  const hash = hashAddresses6(tables, header + 8);
  if (!hasPorts(load<u8>(header, 6)) || end - header < 44) return hash;
  return hash ^ hashWord(tables + 32 * TABLE, load<u32>(header, 40));
}

/** RSS hash of the frame of `length` bytes at `frame`, with the tables of the device's key (nic/toeplitz.ts); 0 for what has none. */
export function rssHash(tables: u32, frame: u32, length: u32): u32 {
  if (length < ETH_HLEN) return 0;
  const end = frame + length;
  let header = frame + ETH_HLEN;
  let protocol = u32(bswap<u16>(load<u16>(frame, 12)));
  for (let tags: u32 = 0; tags < MAX_TAGS && (protocol == ETH_P_8021Q || protocol == ETH_P_8021AD); tags++) {
    if (end - header < 4) return 0;
    protocol = u32(bswap<u16>(load<u16>(header, 2)));
    header += 4;
  }
  if (protocol == ETH_P_IP) return hashIp4(tables, header, end);
  if (protocol == ETH_P_IPV6) return hashIp6(tables, header, end);
  return 0;
}
