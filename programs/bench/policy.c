// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
// The policy of both directions, then the skb's mark, priority, class and the type of service as they were.
#include "../policy.c"
#include "repeat.h"

inlined int apply_and_restore(struct __sk_buff *skb, int egress) {
  __u8 kept = 0;
  bpf_skb_load_bytes(skb, IP_TOS_OFFSET, &kept, sizeof(kept));
  int verdict = apply(skb, egress);
  __u8 written = 0;
  bpf_skb_load_bytes(skb, IP_TOS_OFFSET, &written, sizeof(written));
  if (written != kept) write_tos(skb, written, kept);
  skb->mark = 0;
  skb->priority = 0;
  skb->tc_classid = 0;
  return verdict;
}

inlined int ingress_and_restore(struct __sk_buff *skb) {
  return apply_and_restore(skb, 0);
}

inlined int egress_and_restore(struct __sk_buff *skb) {
  return apply_and_restore(skb, 1);
}

BENCH_FORMS("tc", bench_ingress, struct __sk_buff, ingress_and_restore)
BENCH_FORMS("tc", bench_egress, struct __sk_buff, egress_and_restore)
