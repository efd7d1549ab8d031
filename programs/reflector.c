// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
// Proves: XDP_TX sends what the program wrote: every packet returns to its sender, addresses exchanged, checksums still right.
#include "include/packet.h"

inlined void swap_ethernet(struct ethhdr *eth) {
  __u8 kept[6];
  __builtin_memcpy(kept, eth->h_dest, 6);
  __builtin_memcpy(eth->h_dest, eth->h_source, 6);
  __builtin_memcpy(eth->h_source, kept, 6);
}

/* An exchange of two words changes no sum, so no checksum needs mending: not IP's, not TCP's or UDP's with its pseudo header. */
inlined void swap_ipv4(struct iphdr *ip) {
  __be32 kept = ip->saddr;
  ip->saddr = ip->daddr;
  ip->daddr = kept;
}

inlined void swap_ipv6(struct ipv6hdr *ip) {
#pragma unroll
  for (int word = 0; word < 4; word++) {
    __be32 kept = ip->saddr[word];
    ip->saddr[word] = ip->daddr[word];
    ip->daddr[word] = kept;
  }
}

inlined int reflect(struct xdp_md *ctx) {
  void *end = (void *)(long)ctx->data_end;
  struct ethhdr *eth = (void *)(long)ctx->data;
  if ((void *)(eth + 1) > end) return XDP_DROP;
  if (eth->h_dest[0] & 1) return XDP_PASS; /* broadcast and multicast have no single sender to be mistaken for */
  void *at = eth + 1;
  __be16 protocol = skip_vlan_tags(eth->h_proto, &at, end);
  if (protocol == htons(ETH_P_IP)) {
    struct iphdr *ip = at;
    if ((void *)(ip + 1) > end) return XDP_DROP;
    swap_ipv4(ip);
  } else if (protocol == htons(ETH_P_IPV6)) {
    struct ipv6hdr *ip = at;
    if ((void *)(ip + 1) > end) return XDP_DROP;
    swap_ipv6(ip);
  }
  swap_ethernet(eth);
  return XDP_TX;
}

SEC("xdp") int reflector(struct xdp_md *ctx) {
  return reflect(ctx);
}

char LICENSE[] SEC("license") = "GPL";
