// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
// Headers as they stand on the wire, and how to reach them. A parser returns NULL when the packet ends too early.
#pragma once
#include "bpf.h"

#define htons(value) ((__be16)__builtin_bswap16(value))
#define ntohs(value) __builtin_bswap16(value)
#define htonl(value) ((__be32)__builtin_bswap32(value))
#define ntohl(value) __builtin_bswap32(value)

#define ETH_P_IP 0x0800
#define ETH_P_ARP 0x0806
#define ETH_P_8021Q 0x8100
#define ETH_P_8021AD 0x88a8
#define ETH_P_IPV6 0x86dd

#define IPPROTO_HOPOPTS 0
#define IPPROTO_ICMP 1
#define IPPROTO_IPIP 4
#define IPPROTO_TCP 6
#define IPPROTO_UDP 17
#define IPPROTO_IPV6 41
#define IPPROTO_ROUTING 43
#define IPPROTO_FRAGMENT 44
#define IPPROTO_ICMPV6 58
#define IPPROTO_DSTOPTS 60

#define IP_MF 0x2000
#define IP_OFFSET 0x1fff

struct ethhdr {
  __u8 h_dest[6];
  __u8 h_source[6];
  __be16 h_proto;
};

struct vlan_hdr {
  __be16 h_vlan_TCI;
  __be16 h_vlan_encapsulated_proto;
};

struct iphdr {
  __u8 ihl : 4, version : 4;
  __u8 tos;
  __be16 tot_len;
  __be16 id;
  __be16 frag_off;
  __u8 ttl;
  __u8 protocol;
  __sum16 check;
  __be32 saddr;
  __be32 daddr;
};

struct ipv6hdr {
  __be32 ver_tc_flow;
  __be16 payload_len;
  __u8 nexthdr;
  __u8 hop_limit;
  __be32 saddr[4];
  __be32 daddr[4];
};

struct ipv6_opt_hdr {
  __u8 nexthdr;
  __u8 hdrlen;
};

/* The first four bytes of TCP and UDP. */
struct ports {
  __be16 source;
  __be16 dest;
};

struct tcphdr {
  __be16 source;
  __be16 dest;
  __be32 seq;
  __be32 ack_seq;
  __u8 doff; /* in the upper four bits */
  __u8 flags;
  __be16 window;
  __sum16 check;
  __be16 urg_ptr;
};
#define TCP_FIN 0x01
#define TCP_SYN 0x02
#define TCP_RST 0x04
#define TCP_PSH 0x08
#define TCP_ACK 0x10
#define TCP_URG 0x20

struct icmphdr {
  __u8 type;
  __u8 code;
  __sum16 checksum;
};

/* What stands behind the Ethernet header and up to two VLAN tags: its EtherType in network order, or 0 when the packet is too short. */
inlined __be16 skip_vlan_tags(__be16 protocol, void **at, void *end) {
#pragma unroll
  for (int tag = 0; tag < 2; tag++) {
    if (protocol != htons(ETH_P_8021Q) && protocol != htons(ETH_P_8021AD)) break;
    struct vlan_hdr *vlan = *at;
    if ((void *)(vlan + 1) > end) return 0;
    protocol = vlan->h_vlan_encapsulated_proto;
    *at = vlan + 1;
  }
  return protocol;
}

/* Steps over up to four IPv6 extension headers: the upper protocol, or -1 when the packet is too short. *fragment is set behind a fragment header. */
inlined int skip_ipv6_extensions(__u8 next, void **at, void *end, int *fragment) {
#pragma unroll
  for (int header = 0; header < 4; header++) {
    if (next != IPPROTO_HOPOPTS && next != IPPROTO_ROUTING && next != IPPROTO_DSTOPTS && next != IPPROTO_FRAGMENT) break;
    struct ipv6_opt_hdr *option = *at;
    if ((void *)(option + 1) > end) return -1;
    int length = next == IPPROTO_FRAGMENT ? 8 : (option->hdrlen + 1) * 8;
    if (next == IPPROTO_FRAGMENT) *fragment = 1;
    next = option->nexthdr;
    *at += length;
    if (*at > end) return -1;
  }
  return next;
}

/* Folds a sum of 16-bit words into the Internet checksum's complement form. */
inlined __sum16 fold_checksum(__u32 sum) {
  sum = (sum & 0xffff) + (sum >> 16);
  sum = (sum & 0xffff) + (sum >> 16);
  return (__sum16)~sum;
}

/* The checksum after one of its words went from `from` to `to` (RFC 1624, equation 3). All as they stand in the packet. */
inlined __sum16 update_checksum(__sum16 check, __u16 from, __u16 to) {
  return fold_checksum((__u16)~check + (__u16)~from + to);
}

/* Checksum of an IPv4 header of 20 bytes whose `check` is 0. */
inlined __sum16 ipv4_header_checksum(const struct iphdr *ip) {
  const __u16 *word = (const __u16 *)ip;
  __u32 sum = 0;
#pragma unroll
  for (int at = 0; at < 10; at++) sum += word[at];
  return fold_checksum(sum);
}

/* Mixes one word into a running hash (multiply, xor and rotate); finish_hash spreads the last bits. */
inlined __u32 mix_hash(__u32 hash, __u32 word) {
  hash ^= word * 0xcc9e2d51;
  return ((hash << 13) | (hash >> 19)) * 5 + 0xe6546b64;
}

inlined __u32 finish_hash(__u32 hash) {
  hash = (hash ^ (hash >> 16)) * 0x85ebca6b;
  hash = (hash ^ (hash >> 13)) * 0xc2b2ae35;
  return hash ^ (hash >> 16);
}
