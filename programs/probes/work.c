// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
// Proves: workqueues and resilient spin locks in map values answer and run as on Linux. One run does one operation, which the packet names.
#include "../include/bpf.h"

struct bpf_wq {
  __u64 opaque[2];
} __attribute__((aligned(8)));
struct bpf_res_spin_lock {
  __u32 value;
};

#define __ksym __attribute__((section(".ksyms")))
static long (*const bpf_map_delete_elem)(void *map, const void *key) = (void *)3;
extern int bpf_wq_init(struct bpf_wq *wq, void *map, unsigned int flags) __ksym;
extern int bpf_wq_start(struct bpf_wq *wq, unsigned int flags) __ksym;
extern int bpf_wq_set_callback_impl(struct bpf_wq *wq, int (*callback)(void *map, int *key, void *value), unsigned int flags, void *aux) __ksym;
extern int bpf_res_spin_lock(struct bpf_res_spin_lock *lock) __ksym;
extern void bpf_res_spin_unlock(struct bpf_res_spin_lock *lock) __ksym;
extern int bpf_res_spin_lock_irqsave(struct bpf_res_spin_lock *lock, unsigned long *flags) __ksym;
extern void bpf_res_spin_unlock_irqrestore(struct bpf_res_spin_lock *lock, unsigned long *flags) __ksym;

struct element {
  __u64 ran;
  struct bpf_wq work;
  struct bpf_res_spin_lock lock;
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

enum operation { INIT, SET_CALLBACK, START, UPDATE, DELETE, LOOKUP, LOCK, LOCK_TWICE, LOCK_IRQSAVE };

struct request {
  __u8 operation;
  __u8 map;
  __u8 callback;
  __u8 pad;
  __u32 key;
  __u32 flags;
};

#define NO_ELEMENT (-1000)
#define MALFORMED (-1001)

#define OPERATIONS(map)                                                                             \
  static int map##_counts(void *m, int *key, void *given) {                                         \
    struct element *value = given;                                                                  \
    value->ran++;                                                                                   \
    value->key = *key;                                                                              \
    return 0;                                                                                       \
  }                                                                                                 \
  static int map##_restarts(void *m, int *key, void *given) {                                       \
    struct element *value = given;                                                                  \
    value->ran++;                                                                                   \
    value->note = value->ran < 5 ? bpf_wq_start(&value->work, 0) : -2;                              \
    return 0;                                                                                       \
  }                                                                                                 \
  static int map##_deletes(void *m, int *key, void *given) {                                        \
    struct element *value = given;                                                                  \
    __u32 own = *key;                                                                               \
    value->ran++;                                                                                   \
    value->note = bpf_map_delete_elem(&map, &own);                                                  \
    return 0;                                                                                       \
  }                                                                                                 \
  inlined long map##_lock_twice(struct element *value, __u32 key) {                                 \
    struct element *again = bpf_map_lookup_elem(&map, &key);                                        \
    if (!again) return NO_ELEMENT;                                                                  \
    long first = bpf_res_spin_lock(&value->lock);                                                   \
    if (first) return first;                                                                        \
    long second = bpf_res_spin_lock(&again->lock);                                                  \
    if (!second) bpf_res_spin_unlock(&again->lock);                                                 \
    bpf_res_spin_unlock(&value->lock);                                                              \
    return second;                                                                                  \
  }                                                                                                 \
  inlined long map##_lock(struct element *value) {                                                  \
    long error = bpf_res_spin_lock(&value->lock);                                                   \
    if (error) return error;                                                                        \
    value->ran += 100;                                                                              \
    bpf_res_spin_unlock(&value->lock);                                                              \
    return 0;                                                                                       \
  }                                                                                                 \
  inlined long map##_lock_irqsave(struct element *value) {                                          \
    unsigned long flags;                                                                            \
    long error = bpf_res_spin_lock_irqsave(&value->lock, &flags);                                   \
    if (error) return error;                                                                        \
    value->ran += 1000;                                                                             \
    bpf_res_spin_unlock_irqrestore(&value->lock, &flags);                                           \
    return 0;                                                                                       \
  }                                                                                                 \
  static __attribute__((noinline)) long map##_operation(struct request *request) {                  \
    if (!request) return MALFORMED;                                                                 \
    __u32 key = request->key;                                                                       \
    if (request->operation == UPDATE) {                                                             \
      struct element fresh = {.ran = 1000 + key, .note = -1};                                       \
      return bpf_map_update_elem(&map, &key, &fresh, request->flags);                               \
    }                                                                                               \
    if (request->operation == DELETE) return bpf_map_delete_elem(&map, &key);                       \
    struct element *value = bpf_map_lookup_elem(&map, &key);                                        \
    if (!value) return NO_ELEMENT;                                                                  \
    switch (request->operation) {                                                                   \
      case INIT: return bpf_wq_init(&value->work, &map, request->flags);                            \
      case SET_CALLBACK:                                                                            \
        switch (request->callback) {                                                                \
          case 0: return bpf_wq_set_callback_impl(&value->work, map##_counts, 0, NULL);             \
          case 1: return bpf_wq_set_callback_impl(&value->work, map##_restarts, 0, NULL);           \
          default: return bpf_wq_set_callback_impl(&value->work, map##_deletes, 0, NULL);           \
        }                                                                                           \
      case START: return bpf_wq_start(&value->work, request->flags);                                \
      case LOOKUP: return value->ran;                                                               \
      case LOCK: return map##_lock(value);                                                          \
      case LOCK_TWICE: return map##_lock_twice(value, key);                                         \
      case LOCK_IRQSAVE: return map##_lock_irqsave(value);                                          \
      default: return MALFORMED;                                                                    \
    }                                                                                               \
  }

OPERATIONS(array)
OPERATIONS(hash)

SEC("xdp") int work(struct xdp_md *ctx) {
  struct request *given = (void *)(long)ctx->data;
  if ((void *)(given + 1) > (void *)(long)ctx->data_end) return MALFORMED;
  struct request request = *given;
  return request.map == 0 ? array_operation(&request) : hash_operation(&request);
}

char LICENSE[] SEC("license") = "GPL";
