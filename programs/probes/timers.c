// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
// Proves: bpf_timer answers and fires as on Linux in every map that may hold one. One run does one operation, which the packet names.
#include "../include/bpf.h"

struct bpf_timer {
  __u64 opaque[2];
} __attribute__((aligned(8)));
struct bpf_spin_lock {
  __u32 value;
};

static long (*const bpf_map_delete_elem)(void *map, const void *key) = (void *)3;
static long (*const bpf_timer_init)(struct bpf_timer *timer, void *map, __u64 flags) = (void *)169;
static long (*const bpf_timer_set_callback)(struct bpf_timer *timer, void *callback) = (void *)170;
static long (*const bpf_timer_start)(struct bpf_timer *timer, __u64 nsecs, __u64 flags) = (void *)171;
static long (*const bpf_timer_cancel)(struct bpf_timer *timer) = (void *)172;

struct element {
  __u64 fired;
  struct bpf_timer timer;
  struct bpf_spin_lock lock;
  __u32 key;
  __s64 note;
};

/* LRU maps may hold no lock. */
struct plain_element {
  __u64 fired;
  struct bpf_timer timer;
  __u32 pad;
  __u32 key;
  __s64 note;
};

struct {
  map_number(type, BPF_MAP_TYPE_ARRAY);
  map_number(max_entries, 3);
  map_type(key, __u32);
  map_type(value, struct element);
} array SEC(".maps");

struct {
  map_number(type, BPF_MAP_TYPE_HASH);
  map_number(max_entries, 3);
  map_type(key, __u32);
  map_type(value, struct element);
} hash SEC(".maps");

struct {
  map_number(type, BPF_MAP_TYPE_HASH);
  map_number(max_entries, 3);
  map_number(map_flags, BPF_F_NO_PREALLOC);
  map_type(key, __u32);
  map_type(value, struct element);
} sparse SEC(".maps");

struct {
  map_number(type, BPF_MAP_TYPE_LRU_HASH);
  map_number(max_entries, 3);
  map_type(key, __u32);
  map_type(value, struct plain_element);
} lru SEC(".maps");

enum operation { INIT, SET_CALLBACK, START, CANCEL, UPDATE, DELETE, LOOKUP };

struct request {
  __u8 operation;
  __u8 map;
  __u8 callback;
  __u8 pad;
  __u32 key;
  __u64 flags;
  __u64 nsecs;
};

#define NO_ELEMENT (-1000)
#define MALFORMED (-1001)

/* For each map: what a callback can do, and the operations. The verifier wants to know the map of each. */
#define OPERATIONS(map, type)                                                                                \
  static int map##_counts(void *m, __u32 *key, struct type *value) {                                         \
    value->fired++;                                                                                          \
    value->key = *key;                                                                                       \
    return 0;                                                                                                \
  }                                                                                                          \
  static int map##_restarts(void *m, __u32 *key, struct type *value) {                                       \
    value->fired++;                                                                                          \
    value->note = value->fired < 5 ? bpf_timer_start(&value->timer, 1000, 0) : 0;                            \
    return 0;                                                                                                \
  }                                                                                                          \
  static int map##_cancels(void *m, __u32 *key, struct type *value) {                                        \
    value->fired++;                                                                                          \
    value->note = bpf_timer_cancel(&value->timer);                                                           \
    return 0;                                                                                                \
  }                                                                                                          \
  static int map##_deletes(void *m, __u32 *key, struct type *value) {                                        \
    value->fired++;                                                                                          \
    __u32 own = *key;                                                                                        \
    value->note = bpf_map_delete_elem(&map, &own);                                                           \
    return 0;                                                                                                \
  }                                                                                                          \
  static int map##_initialises(void *m, __u32 *key, struct type *value) {                                    \
    value->fired++;                                                                                          \
    value->note = bpf_timer_init(&value->timer, &map, 1);                                                    \
    return 0;                                                                                                \
  }                                                                                                          \
  inlined long map##_set_callback(struct type *value, int callback) {                                        \
    switch (callback) {                                                                                      \
      case 0: return bpf_timer_set_callback(&value->timer, map##_counts);                                    \
      case 1: return bpf_timer_set_callback(&value->timer, map##_restarts);                                  \
      case 2: return bpf_timer_set_callback(&value->timer, map##_cancels);                                   \
      case 3: return bpf_timer_set_callback(&value->timer, map##_deletes);                                   \
      default: return bpf_timer_set_callback(&value->timer, map##_initialises);                              \
    }                                                                                                        \
  }                                                                                                          \
  static __attribute__((noinline)) long map##_operation(struct request *request) {                           \
    if (!request) return MALFORMED;                                                                          \
    __u32 key = request->key;                                                                                \
    if (request->operation == UPDATE) {                                                                      \
      struct type fresh = {.fired = 1000 + key, .note = -1};                                                 \
      return bpf_map_update_elem(&map, &key, &fresh, request->flags);                                        \
    }                                                                                                        \
    if (request->operation == DELETE) return bpf_map_delete_elem(&map, &key);                                \
    struct type *value = bpf_map_lookup_elem(&map, &key);                                                    \
    if (!value) return NO_ELEMENT;                                                                           \
    switch (request->operation) {                                                                            \
      case INIT: return bpf_timer_init(&value->timer, &map, request->flags);                                 \
      case SET_CALLBACK: return map##_set_callback(value, request->callback);                                \
      case START: return bpf_timer_start(&value->timer, request->nsecs, request->flags);                     \
      case CANCEL: return bpf_timer_cancel(&value->timer);                                                   \
      case LOOKUP: return value->fired;                                                                      \
      default: return MALFORMED;                                                                             \
    }                                                                                                        \
  }

OPERATIONS(array, element)
OPERATIONS(hash, element)
OPERATIONS(sparse, element)
OPERATIONS(lru, plain_element)

SEC("xdp") int timers(struct xdp_md *ctx) {
  struct request *given = (void *)(long)ctx->data;
  if ((void *)(given + 1) > (void *)(long)ctx->data_end) return MALFORMED;
  struct request request = *given;
  switch (request.map) {
    case 0: return array_operation(&request);
    case 1: return hash_operation(&request);
    case 2: return sparse_operation(&request);
    case 3: return lru_operation(&request);
    default: return MALFORMED;
  }
}

char LICENSE[] SEC("license") = "GPL";
