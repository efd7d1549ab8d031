// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
// The balancer, then the head and the Ethernet header as they were. The connection is known from the second run on.
#include "../balancer.c"
#include "repeat.h"

inlined int balance_and_restore(struct xdp_md *ctx) {
  struct ethhdr kept;
  struct ethhdr *eth = (void *)(long)ctx->data;
  if ((void *)(eth + 1) > (void *)(long)ctx->data_end) return XDP_ABORTED;
  kept = *eth;

  int verdict = balance(ctx);
  if (verdict != XDP_TX) return verdict;
  barrier();

  /* The outer header's family says how much was put in front. */
  eth = (void *)(long)ctx->data;
  if ((void *)(eth + 1) > (void *)(long)ctx->data_end) return XDP_ABORTED;
  int outer = eth->h_proto == htons(ETH_P_IP) ? sizeof(struct iphdr) : sizeof(struct ipv6hdr);
  if (bpf_xdp_adjust_head(ctx, outer)) return XDP_ABORTED;
  eth = (void *)(long)ctx->data;
  if ((void *)(eth + 1) > (void *)(long)ctx->data_end) return XDP_ABORTED;
  *eth = kept;
  return verdict;
}

BENCH_FORMS("xdp", bench, struct xdp_md, balance_and_restore)
