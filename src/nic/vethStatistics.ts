/** What `ip -s link` and `ethtool -S` show of a veth, from its own counters and its peer's. drivers/net/veth.c: veth_get_stats64, veth_get_ethtool_stats; net/core/dev.c: dev_get_stats. */
export type VethCount = (counter: VethCounterName) => number;

/** Rows of vethCounters (layout/counters.ts). */
export type VethCounterName =
  | "tx_packets"
  | "tx_bytes"
  | "rx_packets"
  | "rx_bytes"
  | "dropped"
  | "xdp_packets"
  | "xdp_bytes"
  | "rx_drops"
  | "xdp_redirect"
  | "xdp_drops"
  | "xdp_tx"
  | "xdp_tx_err"
  | "xdp_xmit"
  | "xdp_xmit_err"
  | "core_rx_dropped"
  | "core_tx_dropped"
  | "core_rx_otherhost_dropped";

/** struct rtnl_link_stats64, the fields that a veth can change. */
export function vethLinkStatistics(own: VethCount, peer: VethCount): Record<string, number> {
  return {
    rx_packets: own("rx_packets") + own("xdp_packets") + peer("tx_packets"),
    rx_bytes: own("rx_bytes") + own("xdp_bytes") + peer("tx_bytes"),
    tx_packets: own("tx_packets") + peer("xdp_packets"),
    tx_bytes: own("tx_bytes") + peer("xdp_bytes"),
    rx_dropped: own("rx_drops") + peer("xdp_xmit_err") + peer("xdp_tx_err") + own("core_rx_dropped"),
    tx_dropped: own("dropped") + own("xdp_tx_err") + own("xdp_xmit_err") + own("core_tx_dropped"),
    rx_otherhost_dropped: own("core_rx_otherhost_dropped"),
  };
}

/** `ethtool -S`: what the receive queue counts, and what the peer's counts of this device's transmissions. */
export function vethQueueStatistics(own: VethCount): Record<string, number> {
  return {
    rx_queue_0_xdp_packets: own("xdp_packets"),
    rx_queue_0_xdp_bytes: own("xdp_bytes"),
    rx_queue_0_drops: own("rx_drops"),
    rx_queue_0_xdp_redirect: own("xdp_redirect"),
    rx_queue_0_xdp_drops: own("xdp_drops"),
    rx_queue_0_xdp_tx: own("xdp_tx"),
    rx_queue_0_xdp_tx_errors: own("xdp_tx_err"),
    tx_queue_0_xdp_xmit: own("xdp_xmit"),
    tx_queue_0_xdp_xmit_errors: own("xdp_xmit_err"),
  };
}
