/** Sockets as the kernel has them, and the beginnings of connections that programs answered for a listener. net/core/filter.c. */
import {
  AF_INET6,
  EINVAL,
  IPPROTO_TCP,
  IPPROTO_UDP,
  SOCK_STREAM,
  SkBuff_at_ingress,
  SkBuff_protocol,
  SkBuff_sk,
  Socket_family,
  Socket_protocol,
  Socket_state,
  Socket_type,
  TCP_LISTEN,
  TCP_NEW_SYN_RECV,
  TCP_TIME_WAIT,
  TcpRequestAttributes_SIZE,
  TcpRequestAttributes_mss,
  TcpRequestAttributes_rcv_wscale,
  TcpRequestAttributes_reserved,
  TcpRequestAttributes_snd_wscale,
  TcpRequestAttributes_wscale_ok,
} from "../layout/layout.generated.as";
import { declaredSocket, isFullSocket, kernelSocket, requestSocket } from "../runtime/sockets.as";

/** Smallest segments that a listener answers with. include/net/tcp.h: TCP_MSS_DEFAULT; the least MTU of IPv6 less its headers. */
const LEAST_MSS4: u32 = 536;
const LEAST_MSS6: u32 = 1220;
/** include/net/tcp.h: TCP_MAX_WSCALE. */
const MOST_WSCALE: u32 = 14;
const ETH_P_IP: u32 = 0x0800;
const ETH_P_IPV6: u32 = 0x86dd;

/** The socket if it is whole and of the protocol, as the kernel has it, else 0. `family`: 0 for any. */
function whole(pointer: u32, protocol: u32, family: u32): u32 {
  if (pointer == 0) return 0;
  const socket = declaredSocket(pointer);
  if (!isFullSocket(socket) || load<u32>(socket, Socket_protocol) != protocol) return 0;
  return family == 0 || load<u32>(socket, Socket_family) == family ? kernelSocket(socket) : 0;
}

export function skcToTcpSock(pointer: u32): u32 {
  return whole(pointer, IPPROTO_TCP, 0);
}

export function skcToTcp6Sock(pointer: u32): u32 {
  return whole(pointer, IPPROTO_TCP, AF_INET6);
}

export function skcToUdp6Sock(pointer: u32): u32 {
  return whole(pointer, IPPROTO_UDP, AF_INET6);
}

/** What is left or has begun of a connection: the socket in this state, as the kernel has it, else 0. */
function inState(pointer: u32, state: u32): u32 {
  if (pointer == 0) return 0;
  const socket = declaredSocket(pointer);
  return load<u32>(socket, Socket_state) == state ? kernelSocket(socket) : 0;
}

export function skcToTcpTimewaitSock(pointer: u32): u32 {
  return inState(pointer, TCP_TIME_WAIT);
}

export function skcToTcpRequestSock(pointer: u32): u32 {
  return inState(pointer, TCP_NEW_SYN_RECV);
}

/** Least MSS for packets of the skb's protocol; 0 for others. */
function leastMss(skb: u32): u32 {
  const protocol = u32(bswap<u16>(load<u16>(skb, SkBuff_protocol)));
  return protocol == ETH_P_IP ? LEAST_MSS4 : protocol == ETH_P_IPV6 ? LEAST_MSS6 : 0;
}

/** bpf_sk_assign_tcp_reqsk: the skb belongs to a new connection to this listener, whose handshake a program made in its place. */
export function skAssignTcpReqsk(skb: u32, pointer: u32, attributes: u32, size: i32): i32 {
  if (size != i32(TcpRequestAttributes_SIZE)) return -i32(EINVAL);
  const reserved = load<u8>(attributes, TcpRequestAttributes_reserved) | load<u8>(attributes, TcpRequestAttributes_reserved + 1);
  if ((reserved | load<u8>(attributes, TcpRequestAttributes_reserved + 2)) != 0) return -i32(EINVAL);
  if (load<u32>(skb, SkBuff_at_ingress) == 0) return -i32(EINVAL);
  const least = leastMss(skb);
  const socket = declaredSocket(pointer);
  if (least == 0 || load<u32>(socket, Socket_type) != SOCK_STREAM || load<u32>(socket, Socket_state) != TCP_LISTEN) return -i32(EINVAL);
  if (u32(load<u16>(attributes, TcpRequestAttributes_mss)) < least) return -i32(EINVAL);
  const scales = load<u8>(attributes, TcpRequestAttributes_wscale_ok) != 0;
  const sent = u32(load<u8>(attributes, TcpRequestAttributes_snd_wscale));
  const received = u32(load<u8>(attributes, TcpRequestAttributes_rcv_wscale));
  if (scales && (sent > MOST_WSCALE || received > MOST_WSCALE)) return -i32(EINVAL);
  store<u64>(skb, u64(requestSocket(load<u32>(socket, Socket_family))), SkBuff_sk);
  return 0;
}
