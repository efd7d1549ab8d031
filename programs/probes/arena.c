// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
// Proves: variables and linked structures in an arena, which user space sees under the same addresses; bytes that are not there read as 0.
#include "../include/bpf.h"

#define __arena __attribute__((address_space(1)))
#define FLOWS 8

struct {
  map_number(type, 33);
  map_number(map_flags, 1024);
  map_number(max_entries, 4);
} arena SEC(".maps");

struct flow {
  struct flow __arena *next;
  __u32 source;
  __u32 bytes;
  __u64 packets;
};

struct flow __arena flows[FLOWS];
struct flow __arena *__arena head;
__u32 __arena used;
__u64 __arena lost;
__u32 __arena version = 3;
/* Where user space may have put a list of its own: each of its flows is counted too. */
struct flow __arena *__arena theirs;

/* Counts a packet of its source, the bytes 26 to 29 of the frame. Returns how many flows were looked at. */
SEC("xdp") int count_flow(struct xdp_md *ctx) {
  __u8 *data = (void *)(long)ctx->data;
  if (data + 34 > (__u8 *)(long)ctx->data_end) return 0;
  __u32 source = *(__u32 *)(data + 26);
  struct flow __arena *flow = head;
  int met = 0;
  for (; flow && met < FLOWS; flow = flow->next, met++)
    if (flow->source == source) break;
  if (!flow) {
    __u32 index = used;
    if (index >= FLOWS) {
      __sync_fetch_and_add(&lost, 1);
      return met;
    }
    used = index + 1;
    flow = &flows[index];
    flow->source = source;
    flow->next = head;
    head = flow;
  }
  flow->bytes += ctx->data_end - ctx->data;
  __sync_fetch_and_add(&flow->packets, 1);
  int walked = 0;
  for (flow = theirs; flow && walked < 100; flow = flow->next, walked++) flow->packets += version;
  return met + 100 * walked;
}

char _license[] SEC("license") = "GPL";
