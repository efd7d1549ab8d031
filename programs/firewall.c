// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
// Proves: the longest prefix of the source decides its zone, the zone's port list decides the packet, and every rule counts what it met.
#include "include/packet.h"

#define ZONE_UNKNOWN 0
/* Port of a rule for all ports of its protocol; protocol 0 is a rule for all protocols. */
#define ANY_PORT 0
#define ANY_PROTOCOL 0

#define REASON_ALLOWED 0
#define REASON_DENIED 1
#define REASON_NO_RULE 2
#define REASON_FRAGMENT 3
#define REASON_MALFORMED 4
#define REASON_NOT_IP 5
#define REASONS 6

/* Prefix in bits, then the address as it stands in the packet. */
struct prefix4 {
  __u32 length;
  __u8 address[4];
};

struct prefix6 {
  __u32 length;
  __u8 address[16];
};

struct zone {
  __u32 id;
};

/* `port` is the destination's, in host order. */
struct rule_key {
  __u32 zone;
  __u16 port;
  __u8 protocol;
  __u8 unused;
};

struct rule {
  __u32 allow;
  __u32 counter;
};

struct counter {
  __u64 packets;
  __u64 bytes;
};

struct {
  map_number(type, BPF_MAP_TYPE_LPM_TRIE);
  map_number(max_entries, 4096);
  map_number(map_flags, BPF_F_NO_PREALLOC);
  map_type(key, struct prefix4);
  map_type(value, struct zone);
} zones4 SEC(".maps");

struct {
  map_number(type, BPF_MAP_TYPE_LPM_TRIE);
  map_number(max_entries, 4096);
  map_number(map_flags, BPF_F_NO_PREALLOC);
  map_type(key, struct prefix6);
  map_type(value, struct zone);
} zones6 SEC(".maps");

struct {
  map_number(type, BPF_MAP_TYPE_HASH);
  map_number(max_entries, 1024);
  map_type(key, struct rule_key);
  map_type(value, struct rule);
} rules SEC(".maps");

struct {
  map_number(type, BPF_MAP_TYPE_PERCPU_ARRAY);
  map_number(max_entries, 256);
  map_type(key, __u32);
  map_type(value, struct counter);
} rule_counters SEC(".maps");

struct {
  map_number(type, BPF_MAP_TYPE_PERCPU_ARRAY);
  map_number(max_entries, REASONS);
  map_type(key, __u32);
  map_type(value, struct counter);
} reasons SEC(".maps");

inlined void count(void *map, __u32 key, __u64 bytes) {
  struct counter *counter = bpf_map_lookup_elem(map, &key);
  if (!counter) return;
  counter->packets++;
  counter->bytes += bytes;
}

/* The rule for the port, or else for the protocol, or else for the zone. */
inlined struct rule *find_rule(__u32 zone, __u8 protocol, __u16 port) {
  struct rule_key key = {.zone = zone, .protocol = protocol, .port = port};
  struct rule *rule = bpf_map_lookup_elem(&rules, &key);
  if (rule) return rule;
  if (key.port != ANY_PORT) {
    key.port = ANY_PORT;
    rule = bpf_map_lookup_elem(&rules, &key);
    if (rule) return rule;
  }
  key.protocol = ANY_PROTOCOL;
  return bpf_map_lookup_elem(&rules, &key);
}

/* Decides by zone, protocol and port; `at` stands behind the IP header. */
inlined __u32 judge(struct zone *zone, __u8 protocol, void *at, void *end, __u64 bytes) {
  __u16 port = ANY_PORT;
  if (protocol == IPPROTO_TCP || protocol == IPPROTO_UDP) {
    struct ports *ports = at;
    if ((void *)(ports + 1) > end) return REASON_MALFORMED;
    port = ntohs(ports->dest);
  }
  struct rule *rule = find_rule(zone ? zone->id : ZONE_UNKNOWN, protocol, port);
  if (!rule) return REASON_NO_RULE;
  count(&rule_counters, rule->counter, bytes);
  return rule->allow ? REASON_ALLOWED : REASON_DENIED;
}

inlined __u32 judge_ipv4(struct iphdr *ip, void *end, __u64 bytes) {
  if ((void *)(ip + 1) > end || ip->ihl < 5) return REASON_MALFORMED;
  if (ip->frag_off & htons(IP_OFFSET)) return REASON_FRAGMENT; /* no ports in it to judge by */
  struct prefix4 source = {.length = 32};
  __builtin_memcpy(source.address, &ip->saddr, 4);
  struct zone *zone = bpf_map_lookup_elem(&zones4, &source);
  return judge(zone, ip->protocol, (void *)ip + ip->ihl * 4, end, bytes);
}

inlined __u32 judge_ipv6(struct ipv6hdr *ip, void *end, __u64 bytes) {
  if ((void *)(ip + 1) > end) return REASON_MALFORMED;
  struct prefix6 source = {.length = 128};
  __builtin_memcpy(source.address, ip->saddr, 16);
  void *at = ip + 1;
  int fragment = 0;
  int protocol = skip_ipv6_extensions(ip->nexthdr, &at, end, &fragment);
  if (protocol < 0) return REASON_MALFORMED;
  if (fragment) return REASON_FRAGMENT;
  struct zone *zone = bpf_map_lookup_elem(&zones6, &source);
  return judge(zone, protocol, at, end, bytes);
}

inlined int filter(struct xdp_md *ctx) {
  void *end = (void *)(long)ctx->data_end;
  struct ethhdr *eth = (void *)(long)ctx->data;
  __u64 bytes = end - (void *)eth;
  __u32 reason = REASON_NOT_IP;

  void *at = eth + 1;
  __be16 protocol = at > end ? 0 : skip_vlan_tags(eth->h_proto, &at, end);
  if (protocol == htons(ETH_P_IP)) reason = judge_ipv4(at, end, bytes);
  else if (protocol == htons(ETH_P_IPV6)) reason = judge_ipv6(at, end, bytes);
  else if (protocol == 0) reason = REASON_MALFORMED;
  count(&reasons, reason, bytes);
  return reason == REASON_ALLOWED || reason == REASON_NOT_IP ? XDP_PASS : XDP_DROP;
}

SEC("xdp") int firewall(struct xdp_md *ctx) {
  return filter(ctx);
}

char LICENSE[] SEC("license") = "GPL";
