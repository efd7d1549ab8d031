// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
// Proves: a packet that XDP drops is never seen by TC or the stack, and is counted by the driver.
#include "include/bpf.h"

SEC("xdp") int drop_all(struct xdp_md *ctx) {
  return XDP_DROP;
}

char LICENSE[] SEC("license") = "GPL";
