// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
// What calling a program costs: subtracted from every other time.
#include "../include/bpf.h"

SEC("xdp") int empty(struct xdp_md *ctx) {
  return XDP_PASS;
}

SEC("tc") int empty_tc(struct __sk_buff *skb) {
  return TC_ACT_OK;
}

char LICENSE[] SEC("license") = "GPL";
