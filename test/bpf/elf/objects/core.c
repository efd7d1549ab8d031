/*
 * Every kind of CO-RE relocation, against types of the kernel as this file remembers them: some moved, some narrower, some renamed, some that
 * no kernel has. Values are taken as immediates (of ALU instructions and of 64-bit loads), and fields by loads and stores of their own.
 */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>

#define KNOWN __attribute__((preserve_access_index))

struct net_device {
  int ifindex;
  unsigned int mtu;
  char name[16];
  unsigned long long features;
  struct net_device *absent_pointer;
} KNOWN;

struct sk_buff___mine {
  unsigned int len, data_len;
  __u8 pkt_type : 3;
  __u8 ip_summed : 2;
  __u16 network_header;
  struct net_device *dev;
  int no_such_field;
} KNOWN;

struct iphdr___short {
  __u8 tos;
  __u8 ihl : 4;
  /* 32 bits in this file, 16 in the kernel: the load is made narrower. */
  __u32 tot_len;
  __u32 daddr;
} KNOWN;

struct tcphdr___mine {
  __u16 dest;
  __u16 syn : 1;
  __u16 fin : 1;
  __u16 doff : 4;
} KNOWN;

/* Members of anonymous structs and unions, arrays and their elements. */
struct in6_addr___mine {
  union {
    __u8 u6_addr8[16];
    __u32 u6_addr32[4];
  } in6_u;
} KNOWN;
struct ipv6hdr___mine {
  struct in6_addr___mine saddr;
  struct in6_addr___mine daddr;
} KNOWN;

struct sock_common___mine {
  union {
    struct {
      __u32 skc_daddr;
      __u32 skc_rcv_saddr;
    };
  };
  volatile unsigned char skc_state;
} KNOWN;

/* Pointers: 4 bytes where a map's value remembers the kernel of another machine. */
struct xdp_buff___mine {
  void *data;
  void *data_end;
} KNOWN;

/* A signed field that changes its width has no right answer. */
struct sock___mine {
  long sk_rcvbuf;
} KNOWN;

enum bpf_func_id___mine {
  BPF_FUNC_loop___mine = 5,
  BPF_FUNC_no_such_helper___mine = 6,
};
enum bpf_map_type___mine { BPF_MAP_TYPE_RINGBUF___mine = 1, BPF_MAP_TYPE_NONE___mine = 2 };

struct no_such_struct {
  int field;
} KNOWN;

typedef struct {
  int field;
} no_such_typedef;

struct __sk_buff___mine {
  __u32 mark;
  __u32 len;
  __u32 cb[5];
} KNOWN;

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(max_entries, 64);
  __type(key, __u32);
  __type(value, __u64);
} answers SEC(".maps");

static __always_inline void answer(__u32 key, __u64 value) {
  bpf_map_update_elem(&answers, &key, &value, 0);
}

SEC("tc")
int fields(struct __sk_buff *ctx) {
  struct sk_buff___mine *skb = (void *)0;
  struct net_device *dev = (void *)0;
  struct ipv6hdr___mine *ip6 = (void *)0;
  struct sock_common___mine *sk = (void *)0;
  struct tcphdr___mine *tcp = (void *)0;
  answer(0, bpf_core_field_offset(skb->len));
  answer(1, bpf_core_field_offset(dev->mtu));
  answer(2, bpf_core_field_offset(dev->name[3]));
  answer(3, bpf_core_field_offset(ip6->daddr.in6_u.u6_addr32[2]));
  answer(4, bpf_core_field_offset(sk->skc_rcv_saddr));
  answer(5, bpf_core_field_size(dev->name));
  answer(6, bpf_core_field_size(skb->network_header));
  answer(7, bpf_core_field_size(ip6->daddr.in6_u.u6_addr8[1]));
  answer(8, bpf_core_field_exists(skb->dev));
  answer(9, bpf_core_field_exists(skb->no_such_field));
  answer(10, bpf_core_field_exists(dev->absent_pointer));
  answer(11, bpf_core_field_exists(((struct no_such_struct *)0)->field));
  answer(12, __builtin_preserve_field_info(dev->ifindex, 3 /* BPF_FIELD_SIGNED */));
  answer(13, __builtin_preserve_field_info(dev->mtu, 3));
  answer(14, __builtin_preserve_field_info(skb->pkt_type, 0 /* BPF_FIELD_BYTE_OFFSET */));
  answer(15, __builtin_preserve_field_info(skb->pkt_type, 1 /* BPF_FIELD_BYTE_SIZE */));
  answer(16, __builtin_preserve_field_info(skb->pkt_type, 4 /* BPF_FIELD_LSHIFT_U64 */));
  answer(17, __builtin_preserve_field_info(skb->pkt_type, 5 /* BPF_FIELD_RSHIFT_U64 */));
  answer(18, __builtin_preserve_field_info(skb->ip_summed, 4));
  answer(19, __builtin_preserve_field_info(tcp->syn, 4));
  answer(20, __builtin_preserve_field_info(tcp->doff, 4));
  answer(21, __builtin_preserve_field_info(tcp->dest, 4));
  answer(22, __builtin_preserve_field_info(tcp->dest, 5));
  if (bpf_core_field_exists(skb->no_such_field)) answer(23, bpf_core_field_offset(skb->no_such_field));
  return 0;
}

SEC("tc")
int types(struct __sk_buff *ctx) {
  answer(32, bpf_core_type_exists(struct net_device));
  answer(33, bpf_core_type_exists(struct no_such_struct));
  answer(34, bpf_core_type_exists(no_such_typedef));
  answer(35, bpf_core_type_size(struct sk_buff___mine));
  answer(36, bpf_core_type_size(struct no_such_struct));
  answer(37, bpf_core_type_matches(struct in6_addr___mine));
  answer(38, bpf_core_type_matches(struct iphdr___short));
  answer(39, bpf_core_type_id_local(struct no_such_struct) != 0);
  answer(40, bpf_core_type_id_kernel(struct no_such_struct));
  answer(41, bpf_core_enum_value_exists(enum bpf_func_id___mine, BPF_FUNC_loop___mine));
  answer(42, bpf_core_enum_value_exists(enum bpf_func_id___mine, BPF_FUNC_no_such_helper___mine));
  answer(43, bpf_core_enum_value(enum bpf_func_id___mine, BPF_FUNC_loop___mine));
  answer(44, bpf_core_enum_value(enum bpf_map_type___mine, BPF_MAP_TYPE_RINGBUF___mine));
  answer(45, bpf_core_type_exists(__u32));
  answer(46, bpf_core_type_exists(enum xdp_action));
  if (bpf_core_enum_value_exists(enum bpf_map_type___mine, BPF_MAP_TYPE_NONE___mine))
    answer(47, bpf_core_enum_value(enum bpf_map_type___mine, BPF_MAP_TYPE_NONE___mine));
  return 0;
}

/* Loads and stores themselves: moved, narrowed, and the ones that have no answer behind a test that the program never passes. */
SEC("tc")
int loads(struct __sk_buff *ctx) {
  void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
  struct __sk_buff___mine *mine = (void *)ctx;
  struct iphdr___short *ip = data + 14;
  if (data + 54 > end) return 2;
  answer(50, ip->daddr);
  answer(51, ip->tot_len);
  answer(52, mine->len);
  mine->mark = 7;
  answer(53, mine->cb[2]);
  if (bpf_core_type_exists(struct no_such_struct)) {
    struct no_such_struct *none = data + 14;
    answer(54, none->field);
  }
  if (bpf_core_field_exists(((struct sk_buff___mine *)0)->no_such_field)) {
    struct sock___mine *sk = data + 14;
    answer(55, sk->sk_rcvbuf);
  }
  return 0;
}

char _license[] SEC("license") = "GPL";
