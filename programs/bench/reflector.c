// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
// The reflector there and back: exchanging the addresses again restores the packet.
#include "../reflector.c"
#include "repeat.h"

inlined int reflect_twice(struct xdp_md *ctx) {
  int verdict = reflect(ctx);
  barrier();
  reflect(ctx);
  return verdict;
}

BENCH_FORMS("xdp", bench, struct xdp_md, reflect_twice)
