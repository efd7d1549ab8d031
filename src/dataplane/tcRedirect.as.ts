/** What TC programs redirect: out through a device, into its ingress, to a neighbour or a peer; and the copies of bpf_clone_redirect. net/core/filter.c: skb_do_redirect. */
import {
  BPF_F_INGRESS,
  CpuBlock_network,
  CpuBlock_next_hop,
  CpuBlock_next_hop_family,
  CpuBlock_poll_state,
  CpuBlock_redirect_flags,
  CpuBlock_redirect_index,
  CpuBlock_redirect_kind,
  EHOSTUNREACH,
  EINVAL,
  ENETDOWN,
  ENOMEM,
  ENOTSUPP,
  ETH_HLEN,
  ETH_P_IP,
  ETH_P_IPV6,
  FATE_DROP,
  FRAME_BUFFER,
  FRAME_SKB,
  Frame_SIZE,
  Frame_cloned,
  Frame_outcome,
  NetDevice_network,
  NetDevice_peer,
  NetNamespace_stack,
  PollState_xmit_recursion,
  REASON_TC_REDIRECT_ERR,
  REDIRECT_NEIGH,
  REDIRECT_NONE,
  REDIRECT_PEER,
  SkBuff_SIZE,
  SkBuff_at_ingress,
  SkBuff_data,
  SkBuff_data_end,
  SkBuff_data_meta,
  SkBuff_device,
  SkBuff_end,
  SkBuff_from_ingress,
  SkBuff_head,
  SkBuff_len,
  SkBuff_protocol,
  SkBuff_redirected,
  SkBuff_tstamp,
  VethCounters_rx_bytes,
  VethCounters_rx_packets,
  XMIT_RECURSION_LIMIT,
} from "../layout/layout.generated.as";
import { cpu } from "../runtime/cpu.as";
import { deviceByIndex } from "../runtime/devices.as";
import { nextHop, routeFor } from "../stack/ipv4.as";
import { addressNamedHop, addressRoutedHop } from "../stack/nextHop.as";
import { copyBytes, frameLimit, skbIsSound, takeFrame } from "./frames.as";
import { ask } from "./hostStack.as";
import { receiveLater } from "./napi.as";
import { copyOutcome, lose } from "./outcome.as";
import { transmitSkb } from "./transmit.as";
import { countVeth, forwardSkb, isUp, scrubSkb } from "./veth.as";

/** What netif_rx answers where a program can see it. include/linux/netdevice.h. */
const NET_RX_DROP: i32 = 1;

/** TC_ACT_REDIRECT: to what the helper left in the CPU block, which is forgotten by that (skb_do_redirect). True when the skb is to be received at once, at SkBuff.device. */
export function redirectSkb(state: u32, frame: u32): bool {
  const block = cpu;
  const device = deviceByIndex(load<u32>(block, CpuBlock_redirect_index));
  const kind = load<u32>(block, CpuBlock_redirect_kind);
  const flags = load<u32>(block, CpuBlock_redirect_flags);
  store<u32>(block, 0, CpuBlock_redirect_index);
  store<u32>(block, REDIRECT_NONE, CpuBlock_redirect_kind);
  store<u32>(block, 0, CpuBlock_redirect_flags);
  if (device == 0) lose(state, frame, FATE_DROP, REASON_TC_REDIRECT_ERR, -EINVAL);
  else if (kind == REDIRECT_PEER) return toPeer(state, frame, device);
  else if (kind == REDIRECT_NEIGH) toNeighbour(state, frame, device, flags != 0);
  else forward(state, frame, device, flags);
  return false;
}

/** The skb comes in at the device's peer, which must be in another network namespace, without going through either. True when it does; else it is lost. */
function toPeer(state: u32, frame: u32, device: u32): bool {
  const skb = frame + FRAME_SKB;
  const peer = load<u32>(device, NetDevice_peer);
  if (peer == 0 || load<u32>(skb, SkBuff_at_ingress) == 0 || !isUp(peer) || load<u32>(peer, NetDevice_network) == load<u32>(cpu, CpuBlock_network)) {
    lose(state, frame, FATE_DROP, REASON_TC_REDIRECT_ERR, -i32(EINVAL));
    return false;
  }
  store<u32>(skb, peer, SkBuff_device);
  countVeth(state, peer, VethCounters_rx_packets, 1);
  countVeth(state, peer, VethCounters_rx_bytes, load<u32>(skb, SkBuff_len));
  scrubSkb(skb, false);
  return true;
}

/** __bpf_redirect_neigh: out through `device`, with the MAC addresses for the next hop; without a neighbour that is known it is lost. */
function toNeighbour(state: u32, frame: u32, device: u32, named: bool): void {
  const skb = frame + FRAME_SKB;
  const ethernet = load<u32>(skb, SkBuff_data);
  const protocol = u32(bswap<u16>(load<u16>(skb, SkBuff_protocol)));
  const isIp = protocol == ETH_P_IP || protocol == ETH_P_IPV6;
  let error = -i32(ENOTSUPP);
  // Not to a group of the link it came from.
  if (isIp && (load<u8>(ethernet) & 1) == 0) {
    error =
      named
        ? addressNamedHop(ethernet, device, load<u32>(cpu, CpuBlock_next_hop_family), cpu + CpuBlock_next_hop)
        : addressRoutedHop(ethernet, ethernet + ETH_HLEN, device, protocol == ETH_P_IPV6);
  }
  if (error == -i32(EHOSTUNREACH) && load<u32>(load<u32>(cpu, CpuBlock_network), NetNamespace_stack) != 0 && protocol == ETH_P_IP) {
    askFor(state, frame, device, named);
  }
  if (error != 0) lose(state, frame, FATE_DROP, REASON_TC_REDIRECT_ERR, error);
  else toEgress(state, frame, device);
}

/** __bpf_redirect: to the ingress of `device` with BPF_F_INGRESS, else out through it. */
function forward(state: u32, frame: u32, device: u32, flags: u32): i32 {
  return flags & BPF_F_INGRESS ? toIngress(state, frame, device) : toEgress(state, frame, device);
}

function toEgress(state: u32, frame: u32, device: u32): i32 {
  const skb = frame + FRAME_SKB;
  const recursion = load<u32>(state, PollState_xmit_recursion);
  if (recursion > XMIT_RECURSION_LIMIT) {
    lose(state, frame, FATE_DROP, REASON_TC_REDIRECT_ERR, -ENETDOWN);
    return -ENETDOWN;
  }
  store<u32>(skb, 1, SkBuff_redirected);
  store<u32>(skb, load<u32>(skb, SkBuff_at_ingress), SkBuff_from_ingress);
  store<u64>(skb, 0, SkBuff_tstamp);
  store<u32>(state, recursion + 1, PollState_xmit_recursion);
  const result = transmitSkb(state, frame, device);
  store<u32>(state, recursion, PollState_xmit_recursion);
  return result;
}

/** Into the CPU's backlog, which has its turn when the poll has ended (dev_forward_skb_nomtu, netif_rx). */
function toIngress(state: u32, frame: u32, device: u32): i32 {
  const skb = frame + FRAME_SKB;
  if (!forwardSkb(state, frame, load<u32>(skb, SkBuff_device), device, false)) return NET_RX_DROP;
  receiveLater(state, frame);
  return 0;
}

/** bpf_clone_redirect's other half (NetNamespace.redirect_hook): a copy of the skb goes to `device`. Gives what __bpf_redirect would. */
export function redirectClone(skb: u32, device: u32, flags: u32): i32 {
  const state = load<u32>(cpu, CpuBlock_poll_state);
  const frame = skb - FRAME_SKB;
  if (!skbIsSound(state, frame)) return -EINVAL;
  const copy = copySkb(state, frame);
  return copy == 0 ? -ENOMEM : forward(state, copy, device, flags);
}

/** A copy of an skb in a frame of its own, with the headroom of the original where that leaves room; 0 when there is none. */
export function copySkb(state: u32, frame: u32): u32 {
  const skb = frame + FRAME_SKB;
  const head = load<u32>(skb, SkBuff_head);
  const meta = load<u32>(skb, SkBuff_data_meta);
  const length = load<u32>(skb, SkBuff_data_end) - meta;
  const copy = takeFrame(state);
  if (copy == 0) return 0;
  const newHead = copy + FRAME_BUFFER;
  const limit = frameLimit(state, copy);
  if (newHead + (meta - head) + length > limit) return 0;
  memory.copy(copy, frame, Frame_SIZE);
  copyBytes(newHead + (meta - head), meta, length);
  const copied = copy + FRAME_SKB;
  memory.copy(copied, skb, SkBuff_SIZE);
  const shift = newHead - head;
  store<u32>(copied, newHead, SkBuff_head);
  store<u32>(copied, limit, SkBuff_end);
  store<u32>(copied, load<u32>(skb, SkBuff_data) + shift, SkBuff_data);
  store<u32>(copied, load<u32>(skb, SkBuff_data_end) + shift, SkBuff_data_end);
  store<u32>(copied, meta + shift, SkBuff_data_meta);
  store<u32>(frame, 1, Frame_cloned);
  store<u32>(copy, 1, Frame_cloned);
  store<u32>(copy, copyOutcome(state, load<u32>(frame, Frame_outcome)), Frame_outcome);
  return copy;
}

/** The neighbour that a redirect would go to is asked for: the one that the program named, or the next hop of the packet's route. */
function askFor(state: u32, frame: u32, device: u32, named: bool): void {
  const destination = load<u32>(frame + FRAME_SKB, SkBuff_data) + ETH_HLEN + 16;
  const route = routeFor(load<u32>(device, NetDevice_network), destination);
  const hop = named ? cpu + CpuBlock_next_hop : route != 0 ? nextHop(route, destination) : destination;
  ask(state, frame, device, route, hop);
}
