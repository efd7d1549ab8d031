/** ARP requests for neighbours that nobody knows. net/ipv4/arp.c: arp_solicit. */
import {
  ASKED_NEIGHBOURS,
  ETH_P_ARP,
  NetDevice_ifindex,
  NetDevice_mac,
  NetDevice_network,
  NetNamespace_asked,
  NetNamespace_asked_count,
} from "../layout/layout.generated.as";

export const ARP_FRAME: u32 = 42;

/** Writes a request for the address `target` at `frame`, from `device` and the address `source` (as they stand in a header). */
export function writeArpRequest(frame: u32, device: u32, source: u32, target: u32): void {
  memory.fill(frame, 0xff, 6);
  memory.copy(frame + 6, device + NetDevice_mac, 6);
  store<u16>(frame, bswap<u16>(u16(ETH_P_ARP)), 12);
  // Ethernet, IPv4, their lengths, request.
  store<u16>(frame, 0x0100, 14);
  store<u16>(frame, 0x0008, 16);
  store<u16>(frame, 0x0406, 18);
  store<u16>(frame, 0x0100, 20);
  memory.copy(frame + 22, device + NetDevice_mac, 6);
  store<u32>(frame, source, 28);
  memory.fill(frame + 32, 0, 6);
  store<u32>(frame, target, 38);
}

/** Whether the neighbour was asked for already, which is not done again before its time; remembers it. */
export function isAsked(device: u32, target: u32): bool {
  const network = load<u32>(device, NetDevice_network);
  const ifindex = load<u32>(device, NetDevice_ifindex);
  const count = load<u32>(network, NetNamespace_asked_count);
  for (let index: u32 = 0; index < min<u32>(count, ASKED_NEIGHBOURS); index++) {
    const at = network + NetNamespace_asked + (index << 3);
    if (load<u32>(at) == ifindex && load<u32>(at, 4) == target) return true;
  }
  const at = network + NetNamespace_asked + ((count & (ASKED_NEIGHBOURS - 1)) << 3);
  store<u32>(at, ifindex);
  store<u32>(at, target, 4);
  store<u32>(network, count + 1, NetNamespace_asked_count);
  return false;
}
