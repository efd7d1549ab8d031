/* Map definitions before BTF: libbpf's of 20 bytes, that of the kernel's samples of 28, iproute2's of 36, and the same with a spare word. */
#include <linux/bpf.h>

#define SEC(name) __attribute__((section(name), used))
#define __section_maps SEC("maps")

static void *(*map_lookup)(void *map, const void *key) = (void *)BPF_FUNC_map_lookup_elem;
static long (*tail_call)(void *ctx, void *map, __u32 index) = (void *)BPF_FUNC_tail_call;

#if DEFINITION == 20
struct bpf_map_def { __u32 type, key_size, value_size, max_entries, map_flags; };
struct bpf_map_def counters __section_maps = {BPF_MAP_TYPE_PERCPU_ARRAY, 4, 8, 16, 0};
struct bpf_map_def denied __section_maps = {BPF_MAP_TYPE_HASH, 4, 8, 1000, BPF_F_NO_PREALLOC};
#elif DEFINITION == 28
struct bpf_map_def { __u32 type, key_size, value_size, max_entries, map_flags, inner_map_idx, numa_node; };
struct bpf_map_def counters __section_maps = {BPF_MAP_TYPE_ARRAY, 4, 8, 16, 0, 0, 0};
struct bpf_map_def denied __section_maps = {BPF_MAP_TYPE_ARRAY_OF_MAPS, 4, 4, 2, 0, 0, 0};
#else
struct bpf_elf_map {
  __u32 type, size_key, size_value, max_elem, flags, id, pinning, inner_id, inner_idx;
#if DEFINITION == 40
  __u32 spare;
#endif
};
struct bpf_elf_map counters __section_maps = {BPF_MAP_TYPE_ARRAY, 4, 8, 16, 0, 1, 2, 0, 1};
struct bpf_elf_map denied __section_maps = {BPF_MAP_TYPE_ARRAY_OF_MAPS, 4, 4, 2, 0, 2, 0, 1, 0};
struct bpf_elf_map jumps __section_maps = {BPF_MAP_TYPE_PROG_ARRAY, 4, 4, 8, 0, 3, 0, 0, 0};

SEC("3/5") int fifth(struct __sk_buff *skb) {
  return skb->len & 1;
}
#endif

SEC("classifier") int first(struct __sk_buff *skb) {
  __u32 key = 1;
  __u64 *value = map_lookup(&counters, &key);
  if (value) (*value)++;
#if DEFINITION >= 36
  tail_call(skb, &jumps, 5);
#endif
  return map_lookup(&denied, &key) ? 2 : 0;
}

SEC("version") __u32 _version = 0x041200;
SEC("license") char _license[] = "GPL";
