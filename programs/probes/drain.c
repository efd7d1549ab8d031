// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
// Proves: bpf_user_ringbuf_drain gives a program what user space wrote, record by record, and answers as on Linux.
#include "../include/bpf.h"

struct bpf_dynptr {
  __u64 opaque[2];
} __attribute__((aligned(8)));

static long (*const bpf_dynptr_read)(void *to, __u32 len, const struct bpf_dynptr *from, __u32 offset, __u64 flags) = (void *)201;
static long (*const bpf_user_ringbuf_drain)(void *map, void *callback, void *ctx, __u64 flags) = (void *)209;

struct {
  map_number(type, 31);
  map_number(max_entries, 4096);
} ring SEC(".maps");

/* What the callback saw: records, the sum of their first words, and what reading 8 bytes of the last answered. */
struct seen {
  __u64 records;
  __u64 sum;
  __s64 read;
};

struct {
  map_number(type, BPF_MAP_TYPE_ARRAY);
  map_number(max_entries, 1);
  map_type(key, __u32);
  map_type(value, struct seen);
} results SEC(".maps");

/* Stops behind so many records. */
struct request {
  __u64 flags;
  __u64 stop;
};

static long take(struct bpf_dynptr *record, void *ctx) {
  __u32 zero = 0;
  struct request *request = ctx;
  struct seen *seen = bpf_map_lookup_elem(&results, &zero);
  __u64 word = 0;
  if (!seen) return 1;
  seen->read = bpf_dynptr_read(&word, sizeof(word), record, 0, 0);
  seen->records++;
  seen->sum += word;
  return seen->records >= request->stop;
}

SEC("xdp") int drain(struct xdp_md *ctx) {
  struct request *given = (void *)(long)ctx->data;
  if ((void *)(given + 1) > (void *)(long)ctx->data_end) return -1001;
  struct request request = *given;
  return bpf_user_ringbuf_drain(&ring, take, &request, request.flags);
}

char LICENSE[] SEC("license") = "GPL";
