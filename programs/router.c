// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
// Proves: the declared routes and neighbours decide where a packet goes; it leaves by the devmap with its lifetime lowered and the checksum mended.
#include "include/packet.h"

#define OUTCOME_FORWARDED 0
/* To the stack: not IP, options, lifetime at its end, no neighbour yet, for this host, or a device outside the devmap. */
#define OUTCOME_TO_STACK 1
/* Blackhole, unreachable and prohibit routes. */
#define OUTCOME_REFUSED 2
#define OUTCOME_MALFORMED 3
#define OUTCOMES 4

struct {
  map_number(type, BPF_MAP_TYPE_DEVMAP_HASH);
  map_number(max_entries, 64);
  map_type(key, __u32);
  map_type(value, struct bpf_devmap_val);
} ports SEC(".maps");

struct {
  map_number(type, BPF_MAP_TYPE_PERCPU_ARRAY);
  map_number(max_entries, OUTCOMES);
  map_type(key, __u32);
  map_type(value, __u64);
} outcomes SEC(".maps");

/* Takes one from the lifetime, which shares a word of the checksum with the protocol. */
inlined void lower_ttl(struct iphdr *ip) {
  __u16 *word = (__u16 *)&ip->ttl;
  __u16 old = *word;
  ip->ttl--;
  ip->check = update_checksum(ip->check, old, *word);
}

/* Asks the FIB about an IPv4 packet: its answer, or -1 when the stack has to see the packet, or -2 when it is cut short. */
inlined int lookup_ipv4(struct xdp_md *ctx, struct bpf_fib_lookup *fib, struct iphdr *ip, void *end) {
  if ((void *)(ip + 1) > end) return -2;
  if (ip->ihl != 5 || ip->ttl <= 1) return -1;
  fib->family = AF_INET;
  fib->tos = ip->tos;
  fib->l4_protocol = ip->protocol;
  fib->tot_len = ntohs(ip->tot_len);
  fib->ipv4_src = ip->saddr;
  fib->ipv4_dst = ip->daddr;
  return bpf_fib_lookup(ctx, fib, sizeof(*fib), 0);
}

inlined int lookup_ipv6(struct xdp_md *ctx, struct bpf_fib_lookup *fib, struct ipv6hdr *ip, void *end) {
  if ((void *)(ip + 1) > end) return -2;
  if (ip->hop_limit <= 1) return -1;
  fib->family = AF_INET6;
  fib->flowinfo = ip->ver_tc_flow & htonl(0x0fffffff);
  fib->l4_protocol = ip->nexthdr;
  fib->tot_len = ntohs(ip->payload_len) + sizeof(*ip);
  __builtin_memcpy(fib->ipv6_src, ip->saddr, 16);
  __builtin_memcpy(fib->ipv6_dst, ip->daddr, 16);
  return bpf_fib_lookup(ctx, fib, sizeof(*fib), 0);
}

/* Looks the packet up and rewrites it for its next hop. `fib->ifindex` is then the device that it leaves by. */
inlined __u32 forward(struct xdp_md *ctx, struct bpf_fib_lookup *fib) {
  void *end = (void *)(long)ctx->data_end;
  struct ethhdr *eth = (void *)(long)ctx->data;
  if ((void *)(eth + 1) > end) return OUTCOME_MALFORMED;
  struct iphdr *ip = (void *)(eth + 1);
  struct ipv6hdr *ip6 = (void *)(eth + 1);
  int answer = -1;
  fib->ifindex = ctx->ingress_ifindex;
  if (eth->h_proto == htons(ETH_P_IP)) answer = lookup_ipv4(ctx, fib, ip, end);
  else if (eth->h_proto == htons(ETH_P_IPV6)) answer = lookup_ipv6(ctx, fib, ip6, end);

  if (answer == -2) return OUTCOME_MALFORMED;
  if (answer == BPF_FIB_LKUP_RET_BLACKHOLE || answer == BPF_FIB_LKUP_RET_UNREACHABLE || answer == BPF_FIB_LKUP_RET_PROHIBIT) return OUTCOME_REFUSED;
  if (answer != BPF_FIB_LKUP_RET_SUCCESS) return OUTCOME_TO_STACK;
  if (!bpf_map_lookup_elem(&ports, &fib->ifindex)) return OUTCOME_TO_STACK;

  if (fib->family == AF_INET) {
    if ((void *)(ip + 1) > end) return OUTCOME_MALFORMED;
    lower_ttl(ip);
  } else {
    if ((void *)(ip6 + 1) > end) return OUTCOME_MALFORMED;
    ip6->hop_limit--;
  }
  __builtin_memcpy(eth->h_dest, fib->dmac, 6);
  __builtin_memcpy(eth->h_source, fib->smac, 6);
  return OUTCOME_FORWARDED;
}

inlined int route(struct xdp_md *ctx) {
  struct bpf_fib_lookup fib = {};
  __u32 outcome = forward(ctx, &fib);
  __u64 *count = bpf_map_lookup_elem(&outcomes, &outcome);
  if (count) ++*count;
  if (outcome == OUTCOME_FORWARDED) return bpf_redirect_map(&ports, fib.ifindex, XDP_DROP);
  return outcome == OUTCOME_TO_STACK ? XDP_PASS : XDP_DROP;
}

SEC("xdp") int router(struct xdp_md *ctx) {
  return route(ctx);
}

char LICENSE[] SEC("license") = "GPL";
