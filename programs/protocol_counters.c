// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
// Proves: every simulated CPU counts into its own slice of a per-CPU map, and the slices add up to the capture.
#include "include/packet.h"

/* Keys 0 to 255 are the IP protocol numbers, of IPv4 and IPv6 alike; what is not IP stands behind them. */
#define COUNTER_ARP 256
#define COUNTER_OTHER 257
#define COUNTER_MALFORMED 258
#define COUNTERS 259

struct counter {
  __u64 packets;
  __u64 bytes;
};

struct {
  map_number(type, BPF_MAP_TYPE_PERCPU_ARRAY);
  map_number(max_entries, COUNTERS);
  map_type(key, __u32);
  map_type(value, struct counter);
} protocols SEC(".maps");

/* The counter that a packet belongs to. */
inlined __u32 classify(void *data, void *end) {
  struct ethhdr *eth = data;
  if ((void *)(eth + 1) > end) return COUNTER_MALFORMED;
  void *at = eth + 1;
  __be16 protocol = skip_vlan_tags(eth->h_proto, &at, end);
  if (protocol == htons(ETH_P_IP)) {
    struct iphdr *ip = at;
    if ((void *)(ip + 1) > end) return COUNTER_MALFORMED;
    return ip->protocol;
  }
  if (protocol == htons(ETH_P_IPV6)) {
    struct ipv6hdr *ip = at;
    if ((void *)(ip + 1) > end) return COUNTER_MALFORMED;
    int fragment = 0;
    at = ip + 1;
    int upper = skip_ipv6_extensions(ip->nexthdr, &at, end, &fragment);
    return upper < 0 ? COUNTER_MALFORMED : upper;
  }
  if (protocol == htons(ETH_P_ARP)) return COUNTER_ARP;
  return protocol == 0 ? COUNTER_MALFORMED : COUNTER_OTHER;
}

inlined int count_protocol(struct xdp_md *ctx) {
  void *data = (void *)(long)ctx->data;
  void *end = (void *)(long)ctx->data_end;
  __u32 key = classify(data, end);
  struct counter *counter = bpf_map_lookup_elem(&protocols, &key);
  if (counter) {
    counter->packets++;
    counter->bytes += end - data;
  }
  return XDP_PASS;
}

SEC("xdp") int protocol_counters(struct xdp_md *ctx) {
  return count_protocol(ctx);
}

char LICENSE[] SEC("license") = "GPL";
