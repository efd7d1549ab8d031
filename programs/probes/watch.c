// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
// Proves: user space reads and writes globals and maps by type while packets flow, and hears of every UDP packet to one port through both kinds of rings.
#include "../include/bpf.h"
#include "../include/packet.h"

#define BPF_MAP_TYPE_PERF_EVENT_ARRAY 4
#define BPF_MAP_TYPE_RINGBUF 27
#define BPF_F_CURRENT_CPU 0xffffffffULL

static long (*const bpf_perf_event_output)(void *ctx, void *map, __u64 flags, const void *data, __u64 size) = (void *)25;
static long (*const bpf_ringbuf_output)(void *ring, const void *data, __u64 size, __u64 flags) = (void *)130;
static __u64 (*const bpf_ktime_get_ns)(void) = (void *)5;

enum direction { TOWARDS_PORT = 1, FROM_PORT = 2 };

struct flow_key {
  __u8 address[4];
  __be16 port;
  __u16 pad;
};

struct flow {
  __u64 packets;
  __u64 bytes;
  enum direction direction;
  _Bool sampled;
};

struct event {
  __u64 time;
  struct flow_key flow;
  __u32 length;
  enum direction direction;
  char label[8];
  union {
    __u32 word;
    __u8 bytes[4];
  } id;
  __u32 even : 1;
  __u32 count : 12;
};

/* Puts the type into the object's BTF: readers of the rings look it up by name. */
const struct event *event_type;

/* Set before loading. */
const volatile __u16 port = 53;
const volatile char label[8] = "dns";
/* Packets after these are dropped; may change while packets flow. */
__u64 limit = 1000000;
__u64 seen;
struct {
  __u64 packets;
  __u64 bytes;
} totals;

struct {
  map_number(type, BPF_MAP_TYPE_HASH);
  map_number(max_entries, 1024);
  map_type(key, struct flow_key);
  map_type(value, struct flow);
} flows SEC(".maps");

struct {
  map_number(type, BPF_MAP_TYPE_PERCPU_ARRAY);
  map_number(max_entries, 4);
  map_type(key, __u32);
  map_type(value, __u64);
} lengths SEC(".maps");

struct {
  map_number(type, BPF_MAP_TYPE_RINGBUF);
  map_number(max_entries, 65536);
} events SEC(".maps");

struct {
  map_number(type, BPF_MAP_TYPE_PERF_EVENT_ARRAY);
  map_number(max_entries, 64);
  map_number(key_size, 4);
  map_number(value_size, 4);
} samples SEC(".maps");

SEC("xdp") int watch(struct xdp_md *ctx) {
  void *data = (void *)(long)ctx->data;
  void *end = (void *)(long)ctx->data_end;
  struct ethhdr *eth = data;
  struct iphdr *ip = (void *)(eth + 1);
  struct ports *udp = (void *)(ip + 1);
  if ((void *)(udp + 1) > end) return XDP_PASS;
  if (eth->h_proto != htons(ETH_P_IP) || ip->protocol != IPPROTO_UDP || udp->dest != htons(port)) return XDP_PASS;
  __u32 length = end - data;
  __u64 count = __sync_fetch_and_add(&seen, 1) + 1;
  __sync_fetch_and_add(&totals.packets, 1);
  __sync_fetch_and_add(&totals.bytes, length);

  struct event event = {.time = bpf_ktime_get_ns(), .length = length, .direction = TOWARDS_PORT};
  __builtin_memcpy(event.flow.address, &ip->saddr, 4);
  event.flow.port = udp->source;
  for (int at = 0; at < 8; at++) event.label[at] = label[at];
  event.id.word = count;
  event.even = (count & 1) == 0;
  event.count = count;

  struct flow *flow = bpf_map_lookup_elem(&flows, &event.flow);
  if (flow) {
    __sync_fetch_and_add(&flow->packets, 1);
    __sync_fetch_and_add(&flow->bytes, length);
  } else {
    struct flow first = {.packets = 1, .bytes = length, .direction = TOWARDS_PORT, .sampled = 1};
    bpf_map_update_elem(&flows, &event.flow, &first, BPF_ANY);
  }
  __u32 size = length < 128 ? 0 : length < 512 ? 1 : length < 1024 ? 2 : 3;
  __u64 *counter = bpf_map_lookup_elem(&lengths, &size);
  if (counter) *counter += 1;
  bpf_ringbuf_output(&events, &event, sizeof(event), 0);
  bpf_perf_event_output(ctx, &samples, BPF_F_CURRENT_CPU, &event, sizeof(event));
  return count > limit ? XDP_DROP : XDP_PASS;
}

SEC("xdp") int drop_watched(struct xdp_md *ctx) {
  void *data = (void *)(long)ctx->data;
  void *end = (void *)(long)ctx->data_end;
  struct ethhdr *eth = data;
  struct iphdr *ip = (void *)(eth + 1);
  struct ports *udp = (void *)(ip + 1);
  if ((void *)(udp + 1) > end) return XDP_PASS;
  if (eth->h_proto != htons(ETH_P_IP) || ip->protocol != IPPROTO_UDP || udp->dest != htons(port)) return XDP_PASS;
  __sync_fetch_and_add(&seen, 1);
  return XDP_DROP;
}

char LICENSE[] SEC("license") = "GPL";
