/** IPv4 of the simulated host: delivery, forwarding, and the answers that packets bring about. net/ipv4/ip_input.c, ip_forward.c, ip_output.c, icmp.c. */
import {
  ETH_HLEN,
  ETH_P_ARP,
  ETH_P_IP,
  FATE_CONSUMED,
  FATE_DROP,
  FRAME_BUFFER,
  FRAME_SKB,
  Frame_buffer_size,
  Frame_cloned,
  Frame_data,
  Frame_data_end,
  Frame_data_meta,
  Frame_device,
  Frame_outcome,
  Frame_packet,
  Frame_queue,
  IPPROTO_UDP,
  Neighbour_mac,
  NetDevice_mac,
  NetDevice_network,
  NetDevice_peer,
  NetNamespace_ip_id,
  PACKET_HOST,
  PACKET_OTHERHOST,
  PollState_frame_size,
  REASON_FRAG_NEEDED,
  REASON_NO_NEIGHBOUR,
  REASON_OTHERHOST,
  REASON_TTL,
  Route_device,
  Route_has_source,
  Route_source,
  SkBuff_cb,
  SkBuff_data,
  SkBuff_device,
  SkBuff_ingress_ifindex,
  SkBuff_len,
  SkBuff_mark,
  SkBuff_pkt_type,
  SkBuff_priority,
  SkBuff_protocol,
  SkBuff_tc_classid,
  SkBuff_tstamp,
  VethCounters_core_rx_otherhost_dropped,
} from "../layout/layout.generated.as";
import { csumFold, csumPartial } from "../packet/csum.as";
import { ARP_FRAME, isAsked, writeArpRequest } from "../stack/arp.as";
import {
  ERROR_PRECEDENCE,
  ICMP_DEST_UNREACH,
  ICMP_ECHO,
  ICMP_ECHOREPLY,
  ICMP_FRAG_NEEDED,
  ICMP_HEADER,
  ICMP_PORT_UNREACH,
  ICMP_PROT_UNREACH,
  ICMP_TIME_EXCEEDED,
  TOS_MASK,
  isIcmp,
  mayAnswer,
  quoted,
  writeIcmp,
} from "../stack/icmp.as";
import {
  DONT_FRAGMENT,
  INPUT_FORWARD,
  INPUT_LOCAL,
  IPPROTO_ICMP,
  IPV4_HEADER,
  decreaseTtl,
  headerLength,
  isFragment,
  isSound,
  mtuOf,
  neighbourOf,
  nextHop,
  routeFor,
  routeInput,
  totalLength,
  writeHeader,
} from "../stack/ipv4.as";
import { protocolOf } from "../tc/resize.as";
import { skbSetLength } from "../tc/skb.as";
import { allocatedSize, expandHead } from "./buffers.as";
import { copyBytes, takeFrame } from "./frames.as";
import { arriveAtStack, buildSkb } from "./netifReceive.as";
import { copyOutcome, lose } from "./outcome.as";
import { transmitSkb } from "./transmit.as";
import { countVeth } from "./veth.as";

/** Address of the IP header. */
function ipOf(frame: u32): u32 {
  return load<u32>(frame + FRAME_SKB, SkBuff_data) + ETH_HLEN;
}

function ipLength(frame: u32): u32 {
  return load<u32>(frame + FRAME_SKB, SkBuff_len) - ETH_HLEN;
}

/** Bytes of cb[] that IP's control block (24 bytes) overlaps; it lies over tc_classid too. */
const INET_SKB_PARM_IN_CB: u32 = 16;

/** ip_rcv */
export function ipReceive(state: u32, frame: u32, device: u32): void {
  const skb = frame + FRAME_SKB;
  const type = load<u32>(skb, SkBuff_pkt_type);
  if (type == PACKET_OTHERHOST) {
    if (load<u32>(device, NetDevice_peer) != 0) countVeth(state, device, VethCounters_core_rx_otherhost_dropped, 1);
    lose(state, frame, FATE_DROP, REASON_OTHERHOST, 0);
    return;
  }
  const ip = ipOf(frame);
  if (!isSound(ip, ipLength(frame))) {
    arriveAtStack(state, frame);
    return;
  }
  // What Ethernet padded is not part of the packet (pskb_trim_rcsum); the control block is IP's from here on.
  skbSetLength(skb, ETH_HLEN + totalLength(ip));
  memory.fill(skb + SkBuff_cb, 0, INET_SKB_PARM_IN_CB);
  store<u32>(skb, 0, SkBuff_tc_classid);
  const input = routeInput(ip, device);
  if (input == INPUT_FORWARD) forwardIp(state, frame, type);
  else {
    if (input == INPUT_LOCAL) answer(state, frame, device, type);
    arriveAtStack(state, frame);
  }
}

/** ip_local_deliver, as far as it has an answer: nobody listens on this host, so datagrams bring errors. */
function answer(state: u32, frame: u32, device: u32, type: u32): void {
  const ip = ipOf(frame);
  // Fragments wait for the others.
  if (isFragment(ip)) return;
  const header = headerLength(ip);
  const body = ip + header;
  const length = totalLength(ip) - header;
  const protocol = u32(load<u8>(ip, 9));
  if (protocol == IPPROTO_ICMP) {
    if (isIcmp(body, length) && load<u8>(body) == u8(ICMP_ECHO)) reply(state, frame, device, body, length);
  } else if (protocol == IPPROTO_UDP) {
    if (isUdp(ip, body, length)) sendError(state, frame, device, type, ICMP_DEST_UNREACH, ICMP_PORT_UNREACH, 0, true);
  } else if (protocol != IPPROTO_TCP) sendError(state, frame, device, type, ICMP_DEST_UNREACH, ICMP_PROT_UNREACH, 0, true);
}
const IPPROTO_TCP: u32 = 6;

/** Whether a UDP datagram is whole, and its checksum, where it has one, right. */
function isUdp(ip: u32, udp: u32, length: u32): bool {
  if (length < 8) return false;
  const stated = u32(bswap<u16>(load<u16>(udp, 4)));
  if (stated < 8 || stated > length) return false;
  if (load<u16>(udp, 6) == 0) return true;
  const pseudo = csumPartial(ip + 12, 8, (IPPROTO_UDP << 8) + u32(load<u16>(udp, 4)));
  return (csumFold(csumPartial(udp, stated, pseudo)) & 0xffff) == 0;
}

/** icmp_echo */
function reply(state: u32, frame: u32, device: u32, body: u32, length: u32): void {
  const ip = ipOf(frame);
  const route = routeFor(load<u32>(device, NetDevice_network), ip + 12);
  if (route == 0) return;
  const made = makePacket(state, frame, IPV4_HEADER + length);
  if (made == 0) return;
  const to = ipOf(made);
  writeHeader(to, IPV4_HEADER + length, load<u8>(ip, 1), nextId(device), IPPROTO_ICMP, load<u32>(ip, 16), load<u32>(ip, 12));
  copyBytes(to + IPV4_HEADER, body, length);
  writeIcmp(to + IPV4_HEADER, ICMP_ECHOREPLY, 0, load<u32>(body, 4), length);
  output(state, made, route);
}

/** icmp_send: an error about the packet in `frame` to its sender. `local`: the packet was for this host, whose address the error comes from. */
function sendError(state: u32, frame: u32, device: u32, type: u32, kind: u32, code: u32, word: u32, local: bool): void {
  const ip = ipOf(frame);
  const length = ipLength(frame);
  if (type != PACKET_HOST || !mayAnswer(ip, length)) return;
  const route = routeFor(load<u32>(device, NetDevice_network), ip + 12);
  if (route == 0) return;
  const quote = quoted(length, mtuOf(route));
  const total = IPV4_HEADER + ICMP_HEADER + quote;
  const made = makePacket(state, frame, total);
  if (made == 0) return;
  const to = ipOf(made);
  const source = local ? load<u32>(ip, 16) : load<u32>(route, Route_has_source) != 0 ? load<u32>(route, Route_source) : 0;
  copyBytes(to + IPV4_HEADER + ICMP_HEADER, ip, quote);
  writeHeader(to, total, (u32(load<u8>(ip, 1)) & TOS_MASK) | ERROR_PRECEDENCE, nextId(device), IPPROTO_ICMP, source, load<u32>(ip, 12));
  writeIcmp(to + IPV4_HEADER, kind, code, word, ICMP_HEADER + quote);
  output(state, made, route);
}

/** Identifications go up by one a host: the kernel's are hashes and random, so nothing can be compared with them. */
function nextId(device: u32): u32 {
  const network = load<u32>(device, NetDevice_network);
  const id = load<u32>(network, NetNamespace_ip_id) + 1;
  store<u32>(network, id, NetNamespace_ip_id);
  return u32(bswap<u16>(u16(id)));
}

/** ip_forward */
function forwardIp(state: u32, frame: u32, type: u32): void {
  const skb = frame + FRAME_SKB;
  const ip = ipOf(frame);
  const device = load<u32>(skb, SkBuff_device);
  if (type != PACKET_HOST) {
    arriveAtStack(state, frame);
    return;
  }
  if (load<u8>(ip, 8) <= 1) {
    sendError(state, frame, device, type, ICMP_TIME_EXCEEDED, 0, 0, false);
    lose(state, frame, FATE_DROP, REASON_TTL, 0);
    return;
  }
  const route = routeFor(load<u32>(device, NetDevice_network), ip + 16);
  const mtu = mtuOf(route);
  if (ipLength(frame) > mtu && (load<u16>(ip, 6) & u16(DONT_FRAGMENT)) != 0) {
    sendError(state, frame, device, type, ICMP_DEST_UNREACH, ICMP_FRAG_NEEDED, u32(bswap<u32>(mtu)), false);
    lose(state, frame, FATE_DROP, REASON_FRAG_NEEDED, 0);
    return;
  }
  // skb_cow: the packet is about to change.
  if (load<u32>(frame, Frame_cloned) != 0) expandHead(state, frame, 0, 0);
  decreaseTtl(ipOf(frame));
  store<u32>(skb, IPSKB_FORWARDED, SkBuff_cb + 12);
  store<u32>(skb, priorityOf(u32(load<u8>(ipOf(frame), 1))), SkBuff_priority);
  store<u64>(skb, 0, SkBuff_tstamp);
  if (ipLength(frame) > mtu) fragment(state, frame, route, mtu);
  else output(state, frame, route);
}
/** rt_tos2priority: best effort, bulk, interactive, interactive bulk. */
function priorityOf(tos: u32): u32 {
  const kind = (tos >> 3) & 3;
  return kind == 1 ? 2 : kind == 2 ? 6 : kind == 3 ? 4 : 0;
}

/** inet_skb_parm.flags */
const IPSKB_FORWARDED: u32 = 1;

/** ip_finish_output2: out through the route's device, with the MAC addresses for the next hop; one that nobody knows is asked for, and the packet is lost. */
function output(state: u32, frame: u32, route: u32): void {
  const skb = frame + FRAME_SKB;
  const device = load<u32>(route, Route_device);
  const hop = nextHop(route, ipOf(frame) + 16);
  const neighbour = neighbourOf(device, hop);
  const data = load<u32>(skb, SkBuff_data);
  store<u32>(skb, protocolOf(ETH_P_IP), SkBuff_protocol);
  if (neighbour == 0) {
    ask(state, frame, device, route, hop);
    lose(state, frame, FATE_DROP, REASON_NO_NEIGHBOUR, 0);
    return;
  }
  memory.copy(data, neighbour + Neighbour_mac, 6);
  memory.copy(data + 6, device + NetDevice_mac, 6);
  store<u16>(data, u16(protocolOf(ETH_P_IP)), 12);
  transmitSkb(state, frame, device);
}

/** Sends an ARP request for the hop, unless that has been done. */
export function ask(state: u32, frame: u32, device: u32, route: u32, hop: u32): void {
  const target = load<u32>(hop);
  if (isAsked(device, target)) return;
  const made = makePacket(state, frame, ARP_FRAME - ETH_HLEN);
  if (made == 0) return;
  const source = route != 0 && load<u32>(route, Route_has_source) != 0 ? load<u32>(route, Route_source) : 0;
  writeArpRequest(load<u32>(made + FRAME_SKB, SkBuff_data), device, source, target);
  store<u32>(made + FRAME_SKB, protocolOf(ETH_P_ARP), SkBuff_protocol);
  transmitSkb(state, made, device);
}

/** ip_do_fragment: pieces of as many multiples of 8 bytes as the MTU allows. */
function fragment(state: u32, frame: u32, route: u32, mtu: u32): void {
  const ip = ipOf(frame);
  const header = headerLength(ip);
  const body = totalLength(ip) - header;
  const most = (mtu - header) & ~7;
  const flags = u32(bswap<u16>(load<u16>(ip, 6)));
  for (let done: u32 = 0; done < body; done += most) {
    const size = min<u32>(most, body - done);
    const made = makePacket(state, frame, header + size);
    if (made == 0) break;
    const to = ipOf(made);
    copyBytes(to, ip, header);
    copyBytes(to + header, ip + header + done, size);
    store<u16>(to, bswap<u16>(u16(header + size)), 2);
    const more: u32 = done + size < body ? 0x2000 : flags & 0x2000;
    store<u16>(to, bswap<u16>(u16((flags & 0x1fff) + (done >> 3)) | u16(more)), 6);
    store<u16>(to, 0, 10);
    store<u16>(to, u16(csumFold(csumPartial(to, header, 0))), 10);
    store<u32>(made + FRAME_SKB, load<u32>(frame + FRAME_SKB, SkBuff_mark), SkBuff_mark);
    store<u32>(made + FRAME_SKB, load<u32>(frame + FRAME_SKB, SkBuff_ingress_ifindex), SkBuff_ingress_ifindex);
    output(state, made, route);
  }
  lose(state, frame, FATE_CONSUMED, 0, 0);
}

/** Headroom of what IP makes: LL_RESERVED_SPACE less the Ethernet header; and what it reserves behind (hh_len + 15). */
const MADE_HEADROOM: u32 = 2;
const MADE_EXTRA: u32 = 31;

/** A new skb of the host's own with room for an Ethernet header and `length` bytes, on account of the packet in `frame`; 0 when no frame is left. */
function makePacket(state: u32, frame: u32, length: u32): u32 {
  const made = takeFrame(state);
  if (made == 0) return 0;
  memory.fill(made, 0, Frame_outcome);
  store<u32>(made, load<u32>(frame, Frame_packet), Frame_packet);
  store<u32>(made, load<u32>(frame, Frame_queue), Frame_queue);
  store<u32>(made, load<u32>(frame, Frame_device), Frame_device);
  store<u32>(made, copyOutcome(state, load<u32>(frame, Frame_outcome)), Frame_outcome);
  store<u32>(made, min(allocatedSize(length + MADE_EXTRA), load<u32>(state, PollState_frame_size)), Frame_buffer_size);
  const data = made + FRAME_BUFFER + MADE_HEADROOM;
  store<u32>(made, data, Frame_data);
  store<u32>(made, data, Frame_data_meta);
  store<u32>(made, data + ETH_HLEN + length, Frame_data_end);
  memory.fill(data, 0, ETH_HLEN);
  buildSkb(state, made, load<u32>(frame, Frame_device));
  store<u32>(made + FRAME_SKB, PACKET_HOST, SkBuff_pkt_type);
  return made;
}
