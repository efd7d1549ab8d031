/* One of each: global data in all its sections, maps of maps, static slots, calls across sections, a callback, kernel configuration. */
#include <linux/bpf.h>
#include <stdbool.h>
#include <bpf/bpf_helpers.h>

#define noinline __attribute__((noinline))

char _license[] SEC("license") = "Dual BSD/GPL";

enum fate { FATE_DROP, FATE_PASS = 7, FATE_NEGATIVE = -2 };

union address {
  __u32 v4;
  __u8 v6[16];
};

struct flow {
  union address from;
  __u16 port;
  unsigned int syn : 1, state : 3;
  enum fate fate;
  char name[8];
  struct {
    __u64 packets;
    __u64 bytes;
  };
};

extern int LINUX_KERNEL_VERSION __kconfig;
extern bool CONFIG_BPF_JIT __kconfig;
extern unsigned long CONFIG_HZ __kconfig;
extern int CONFIG_NOT_THERE __kconfig __weak;

volatile const __u32 limit = 1500;
volatile const char banner[] SEC(".rodata.banner") = "xdplane";
__u64 seen;
static __u32 hidden = 41;
volatile __u16 hot SEC(".data.hot") = 0x1234;
struct flow last = {.port = 443, .fate = FATE_PASS, .name = "eth0"};

struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, 1024);
  __uint(map_flags, BPF_F_NO_PREALLOC);
  __uint(pinning, LIBBPF_PIN_BY_NAME);
  __type(key, union address);
  __type(value, struct flow);
} flows SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_PERF_EVENT_ARRAY);
  __uint(key_size, 4);
  __uint(value_size, 4);
} events SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_RINGBUF);
  __uint(max_entries, 4096);
} ring SEC(".maps");

struct inner {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(max_entries, 4);
  __type(key, __u32);
  __type(value, __u64);
} first SEC(".maps"), second SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
  __uint(max_entries, 3);
  __type(key, __u32);
  __array(values, struct inner);
} outer SEC(".maps") = {.values = {[0] = &second, [2] = &first}};

int tail(struct xdp_md *ctx);

struct {
  __uint(type, BPF_MAP_TYPE_PROG_ARRAY);
  __uint(max_entries, 2);
  __uint(key_size, 4);
  __array(values, int(void *));
} jumps SEC(".maps") = {.values = {[1] = (void *)&tail}};

static noinline int leaf(int x) {
  hidden += x;
  return hidden & 1;
}

noinline int middle(int x) {
  return leaf(x) + leaf(x + 2);
}

__attribute__((weak)) noinline int feeble(int x) {
  return middle(x) ^ 3;
}

static int each(__u32 index, void *state) {
  *(__u64 *)state += index + leaf(index);
  return 0;
}

SEC("xdp")
int entry(struct xdp_md *ctx) {
  __u32 key = 0;
  __u64 sum = 0;
  void *map = bpf_map_lookup_elem(&outer, &key);
  if (map) {
    __u64 *value = bpf_map_lookup_elem(map, &key);
    if (value) sum += *value;
  }
  bpf_loop(4, each, &sum, 0);
  seen += sum + feeble(limit) + LINUX_KERNEL_VERSION + CONFIG_HZ + CONFIG_BPF_JIT + CONFIG_NOT_THERE;
  last.port++;
  if (banner[key & 7] == 'x') hot++;
  bpf_tail_call(ctx, &jumps, 1);
  return XDP_PASS;
}

SEC("xdp")
int tail(struct xdp_md *ctx) {
  union address key = {.v4 = ctx->data_end - ctx->data};
  struct flow *flow = bpf_map_lookup_elem(&flows, &key);
  if (flow) __sync_fetch_and_add(&flow->packets, 1);
  return middle(3) ? XDP_DROP : XDP_PASS;
}

SEC("tc")
int classify(struct __sk_buff *skb) {
  void *place = bpf_ringbuf_reserve(&ring, 8, 0);
  if (place) bpf_ringbuf_discard(place, 0);
  bpf_perf_event_output(skb, &events, BPF_F_CURRENT_CPU, &seen, sizeof(seen));
  return leaf(skb->len);
}
