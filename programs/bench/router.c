// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
// The router, then the Ethernet addresses, the lifetime and its checksum as they were.
#include "../router.c"
#include "repeat.h"

inlined void raise_ttl(struct iphdr *ip) {
  __u16 *word = (__u16 *)&ip->ttl;
  __u16 old = *word;
  ip->ttl++;
  ip->check = update_checksum(ip->check, old, *word);
}

inlined int route_and_restore(struct xdp_md *ctx) {
  struct ethhdr kept = {};
  struct ethhdr *eth = (void *)(long)ctx->data;
  if ((void *)(eth + 1) > (void *)(long)ctx->data_end) return XDP_ABORTED;
  kept = *eth;

  int verdict = route(ctx);
  if (verdict != XDP_REDIRECT) return verdict;
  barrier();

  void *end = (void *)(long)ctx->data_end;
  eth = (void *)(long)ctx->data;
  if ((void *)(eth + 1) > end) return XDP_ABORTED;
  *eth = kept;
  if (kept.h_proto == htons(ETH_P_IP)) {
    struct iphdr *ip = (void *)(eth + 1);
    if ((void *)(ip + 1) > end) return XDP_ABORTED;
    raise_ttl(ip);
  } else {
    struct ipv6hdr *ip = (void *)(eth + 1);
    if ((void *)(ip + 1) > end) return XDP_ABORTED;
    ip->hop_limit++;
  }
  return verdict;
}

BENCH_FORMS("xdp", bench, struct xdp_md, route_and_restore)
