import { AF_INET, IPPROTO_TCP, KernelSocket, SKC_IPV6ONLY, Socket, TCP_ESTABLISHED, TcpSock } from "../layout/index.ts";
import type { SimulatedMemory } from "../runtime/index.ts";

/** Writes a socket as the kernel has it. `socket`: the address of a Socket that is laid out. */
export function layOutKernelSocket(memory: SimulatedMemory, at: number, socket: number): void {
  const { view, bytes } = memory;
  const own = (field: Parameters<typeof Socket.read>[2]): number => Socket.read(view, socket, field);
  const tcp = socket + Socket.at.tcp;
  const fields = {
    skc_daddr: own("dst_ip4"),
    skc_rcv_saddr: own("src_ip4"),
    skc_dport: own("dst_port"),
    skc_num: own("src_port"),
    skc_family: own("family"),
    skc_state: own("state"),
    skc_bits: own("v6only") === 0 ? 0 : SKC_IPV6ONLY,
    skc_bound_dev_if: own("bound_dev_if"),
    skc_rx_queue_mapping: 0xffff,
    skc_refcnt: 1,
    sk_priority: own("priority"),
    sk_mark: own("mark"),
    sk_uid: own("uid"),
    sk_protocol: own("protocol"),
    sk_type: own("type"),
    inet_saddr: own("src_ip4"),
    mss_cache: TcpSock.read(view, tcp, "mss_cache"),
    snd_cwnd: TcpSock.read(view, tcp, "snd_cwnd"),
    snd_ssthresh: TcpSock.read(view, tcp, "snd_ssthresh"),
  };
  for (const [field, value] of Object.entries(fields)) KernelSocket.write(view, at, field as keyof typeof fields, value);
  KernelSocket.writeBig(view, at, "skc_cookie", Socket.readBig(view, socket, "cookie"));
  // A connection over IPv4 has its addresses mapped into IPv6 beside (sk_daddr_set); listeners, UDP sockets and what is left of a connection have not.
  if (own("family") === AF_INET && own("protocol") === IPPROTO_TCP && own("state") === TCP_ESTABLISHED) {
    for (const [field, address] of [
      ["skc_v6_daddr", own("dst_ip4")],
      ["skc_v6_rcv_saddr", own("src_ip4")],
    ] as const) {
      view.setUint16(at + KernelSocket.at[field] + 10, 0xffff);
      view.setUint32(at + KernelSocket.at[field] + 12, address, true);
    }
    return;
  }
  bytes.copyWithin(at + KernelSocket.at.skc_v6_daddr, socket + Socket.at.dst_ip6, socket + Socket.at.dst_ip6 + 16);
  bytes.copyWithin(at + KernelSocket.at.skc_v6_rcv_saddr, socket + Socket.at.src_ip6, socket + Socket.at.src_ip6 + 16);
}
