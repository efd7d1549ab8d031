// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
// Proves: a TC policy sees the skb's metadata, marks and classifies, rewrites through the skb helpers, drops, and redirects, on both directions.
#include "include/packet.h"

#define ETH_HLEN 14
#define IP_TOS_OFFSET (ETH_HLEN + __builtin_offsetof(struct iphdr, tos))
#define IP_CHECK_OFFSET (ETH_HLEN + __builtin_offsetof(struct iphdr, check))

#define ACTION_ALLOW 0
#define ACTION_DENY 1
#define ACTION_REDIRECT 2

/* What a packet is: `port` is the destination's at ingress and the source's at egress, in host order. */
struct policy_key {
  __u16 port;
  __u8 protocol;
  __u8 egress;
};

struct policy {
  __u32 action;
  /* Where ACTION_REDIRECT sends. */
  __u32 ifindex;
  __u32 mark;
  __u32 classid;
  __u32 priority;
  /* Differentiated services field to be written; 0 leaves it. */
  __u32 tos;
};

struct counter {
  __u64 packets;
  __u64 bytes;
};

struct {
  map_number(type, BPF_MAP_TYPE_HASH);
  map_number(max_entries, 256);
  map_type(key, struct policy_key);
  map_type(value, struct policy);
} policies SEC(".maps");

/* By action, ingress first, then egress. */
struct {
  map_number(type, BPF_MAP_TYPE_PERCPU_ARRAY);
  map_number(max_entries, 6);
  map_type(key, __u32);
  map_type(value, struct counter);
} counters SEC(".maps");

/* What was read of an IPv4 packet. */
struct packet {
  __u8 tos;
  struct policy_key key;
};

/* Reads through the helper, not through data: so it works on skbs whose bytes are not linear too. 0 when it is not IPv4 with ports. */
inlined int read_packet(struct __sk_buff *skb, struct packet *packet, int egress) {
  struct iphdr ip;
  struct ports ports;
  if (skb->protocol != htons(ETH_P_IP)) return 0;
  if (bpf_skb_load_bytes(skb, ETH_HLEN, &ip, sizeof(ip))) return 0;
  if (ip.protocol != IPPROTO_TCP && ip.protocol != IPPROTO_UDP) return 0;
  if (ip.frag_off & htons(IP_OFFSET)) return 0;
  if (bpf_skb_load_bytes(skb, ETH_HLEN + ip.ihl * 4, &ports, sizeof(ports))) return 0;
  packet->tos = ip.tos;
  packet->key.protocol = ip.protocol;
  packet->key.port = ntohs(egress ? ports.source : ports.dest);
  packet->key.egress = egress;
  return 1;
}

/* Writes the field and mends the header's checksum by the difference of the two words that hold it. */
inlined void write_tos(struct __sk_buff *skb, __u8 from, __u8 to) {
  bpf_l3_csum_replace(skb, IP_CHECK_OFFSET, htons(from), htons(to), 2);
  bpf_skb_store_bytes(skb, IP_TOS_OFFSET, &to, sizeof(to), 0);
}

inlined void count_action(struct __sk_buff *skb, __u32 action, int egress) {
  __u32 key = egress * 3 + action;
  struct counter *counter = bpf_map_lookup_elem(&counters, &key);
  if (!counter) return;
  counter->packets++;
  counter->bytes += skb->len;
}

inlined int apply(struct __sk_buff *skb, int egress) {
  struct packet packet = {};
  if (!read_packet(skb, &packet, egress)) return TC_ACT_OK;
  struct policy *policy = bpf_map_lookup_elem(&policies, &packet.key);
  if (!policy) return TC_ACT_OK;
  count_action(skb, policy->action, egress);
  if (policy->action == ACTION_DENY) return TC_ACT_SHOT;
  skb->mark = policy->mark;
  skb->priority = policy->priority;
  skb->tc_classid = policy->classid;
  if (policy->tos && policy->tos != packet.tos) write_tos(skb, packet.tos, policy->tos);
  if (policy->action == ACTION_REDIRECT) return bpf_redirect(policy->ifindex, 0);
  return TC_ACT_OK;
}

SEC("tc") int ingress(struct __sk_buff *skb) {
  return apply(skb, 0);
}

SEC("tc") int egress(struct __sk_buff *skb) {
  return apply(skb, 1);
}

char LICENSE[] SEC("license") = "GPL";
