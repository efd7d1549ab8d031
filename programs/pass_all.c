// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
// Proves: a packet that XDP passes reaches the stack as it came, and costs nothing but the hook.
#include "include/bpf.h"

SEC("xdp") int pass_all(struct xdp_md *ctx) {
  return XDP_PASS;
}

char LICENSE[] SEC("license") = "GPL";
