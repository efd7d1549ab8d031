// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
// Proves: packets that no honest sender makes are dropped in the driver, and the rest is spread over CPUs through a cpumap, flow by flow.
#include "include/packet.h"

#define RULE_CLEAN 0
#define RULE_MALFORMED 1
/* Source that is no unicast address, the same as the destination, or on the block list. */
#define RULE_BAD_SOURCE 2
#define RULE_BLOCKED 3
/* No flags at all, SYN with FIN or RST, or FIN without ACK. */
#define RULE_TCP_FLAGS 4
/* UDP from a port that amplifiers answer from, or to port 0. */
#define RULE_AMPLIFIER 5
#define RULE_FRAGMENT 6
#define RULES 7

#define MAX_CPUS 64

struct source {
  __be32 address[4];
};

struct spread {
  /* Entries of `cpus` that take part: 0 to count - 1. With 0 everything stays on its CPU. */
  __u32 count;
};

struct {
  map_number(type, BPF_MAP_TYPE_CPUMAP);
  map_number(max_entries, MAX_CPUS);
  map_type(key, __u32);
  map_type(value, struct bpf_cpumap_val);
} cpus SEC(".maps");

struct {
  map_number(type, BPF_MAP_TYPE_ARRAY);
  map_number(max_entries, 1);
  map_type(key, __u32);
  map_type(value, struct spread);
} spread SEC(".maps");

/* IPv4 sources stand in the first word, the rest being 0. The value counts what they sent. */
struct {
  map_number(type, BPF_MAP_TYPE_HASH);
  map_number(max_entries, 10000);
  map_type(key, struct source);
  map_type(value, __u64);
} blocked SEC(".maps");

/* UDP source ports, host order, that are dropped. */
struct {
  map_number(type, BPF_MAP_TYPE_HASH);
  map_number(max_entries, 64);
  map_type(key, __u16);
  map_type(value, __u32);
} amplifiers SEC(".maps");

struct {
  map_number(type, BPF_MAP_TYPE_PERCPU_ARRAY);
  map_number(max_entries, RULES);
  map_type(key, __u32);
  map_type(value, __u64);
} rules SEC(".maps");

/* What the rules and the spreading read of a packet. */
struct summary {
  struct source source;
  __u32 hash;
};

inlined __u32 check_tcp(struct tcphdr *tcp, void *end) {
  if ((void *)(tcp + 1) > end) return RULE_MALFORMED;
  __u8 flags = tcp->flags & (TCP_FIN | TCP_SYN | TCP_RST | TCP_PSH | TCP_ACK | TCP_URG);
  if (flags == 0) return RULE_TCP_FLAGS;
  if ((flags & TCP_SYN) && (flags & (TCP_FIN | TCP_RST))) return RULE_TCP_FLAGS;
  if ((flags & TCP_FIN) && !(flags & TCP_ACK)) return RULE_TCP_FLAGS;
  return RULE_CLEAN;
}

inlined __u32 check_udp(struct ports *udp, void *end) {
  if ((void *)(udp + 1) > end) return RULE_MALFORMED;
  if (udp->dest == 0) return RULE_AMPLIFIER;
  __u16 port = ntohs(udp->source);
  return bpf_map_lookup_elem(&amplifiers, &port) ? RULE_AMPLIFIER : RULE_CLEAN;
}

/* The rules about the upper layer; mixes its ports into the hash. */
inlined __u32 check_upper(struct summary *summary, int protocol, void *at, void *end) {
  __u32 verdict = RULE_CLEAN;
  if (protocol == IPPROTO_TCP) verdict = check_tcp(at, end);
  else if (protocol == IPPROTO_UDP) verdict = check_udp(at, end);
  else return RULE_CLEAN;
  struct ports *ports = at;
  if (verdict == RULE_CLEAN && (void *)(ports + 1) <= end) {
    /* The same for both directions of a flow. */
    summary->hash = mix_hash(summary->hash, ports->source ^ ports->dest);
  }
  return verdict;
}

inlined __u32 check_ipv4(struct summary *summary, struct iphdr *ip, void *end) {
  if ((void *)(ip + 1) > end || ip->version != 4 || ip->ihl < 5) return RULE_MALFORMED;
  __u8 first = ip->saddr & 0xff;
  if (first == 0 || first == 127 || first >= 224 || ip->saddr == ip->daddr) return RULE_BAD_SOURCE;
  summary->source.address[0] = ip->saddr;
  summary->hash = mix_hash(0, ip->saddr ^ ip->daddr);
  if (ip->frag_off & htons(IP_MF | IP_OFFSET)) return ip->protocol == IPPROTO_ICMP ? RULE_FRAGMENT : RULE_CLEAN;
  return check_upper(summary, ip->protocol, (void *)ip + ip->ihl * 4, end);
}

inlined __u32 check_ipv6(struct summary *summary, struct ipv6hdr *ip, void *end) {
  if ((void *)(ip + 1) > end) return RULE_MALFORMED;
  if ((ip->saddr[0] & 0xff) == 0xff) return RULE_BAD_SOURCE;
#pragma unroll
  for (int word = 0; word < 4; word++) {
    summary->source.address[word] = ip->saddr[word];
    summary->hash = mix_hash(summary->hash, ip->saddr[word] ^ ip->daddr[word]);
  }
  void *at = ip + 1;
  int fragment = 0;
  int protocol = skip_ipv6_extensions(ip->nexthdr, &at, end, &fragment);
  if (protocol < 0) return RULE_MALFORMED;
  if (fragment) return protocol == IPPROTO_ICMPV6 ? RULE_FRAGMENT : RULE_CLEAN;
  return check_upper(summary, protocol, at, end);
}

inlined int is_blocked(struct summary *summary) {
  __u64 *packets = bpf_map_lookup_elem(&blocked, &summary->source);
  if (!packets) return 0;
  __sync_fetch_and_add(packets, 1);
  return 1;
}

/* To the CPU that the flow's hash names; a missing entry keeps the packet on this one. */
inlined int send_to_cpu(__u32 hash) {
  __u32 zero = 0;
  struct spread *setting = bpf_map_lookup_elem(&spread, &zero);
  if (!setting || setting->count == 0) return XDP_PASS;
  return bpf_redirect_map(&cpus, finish_hash(hash) % setting->count, XDP_PASS);
}

inlined int scrub(struct xdp_md *ctx) {
  void *end = (void *)(long)ctx->data_end;
  struct ethhdr *eth = (void *)(long)ctx->data;
  struct summary summary = {};
  __u32 rule = RULE_CLEAN;
  void *at = eth + 1;
  __be16 protocol = at > end ? 0 : skip_vlan_tags(eth->h_proto, &at, end);
  int is_ip = protocol == htons(ETH_P_IP) || protocol == htons(ETH_P_IPV6);

  if (protocol == 0) rule = RULE_MALFORMED;
  else if (protocol == htons(ETH_P_IP)) rule = check_ipv4(&summary, at, end);
  else if (protocol == htons(ETH_P_IPV6)) rule = check_ipv6(&summary, at, end);
  if (rule == RULE_CLEAN && is_ip && is_blocked(&summary)) rule = RULE_BLOCKED;

  __u64 *count = bpf_map_lookup_elem(&rules, &rule);
  if (count) ++*count;
  if (rule != RULE_CLEAN) return XDP_DROP;
  return is_ip ? send_to_cpu(summary.hash) : XDP_PASS;
}

SEC("xdp") int scrubber(struct xdp_md *ctx) {
  return scrub(ctx);
}

char LICENSE[] SEC("license") = "GPL";
