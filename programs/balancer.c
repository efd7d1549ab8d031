// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
// Proves: flows to a virtual address are spread by consistent hashing, stay with their backend, and leave encapsulated by XDP_TX.
#include "include/packet.h"

/* Slots of a Maglev ring: a prime, so that every backend's permutation visits all of them. */
#define RING_SIZE 1021
#define MAX_SERVICES 8192
/* Sets of backends: services that share one share its ring and its statistics. */
#define MAX_POOLS 16
#define MAX_BACKENDS 512
#define MAX_CONNECTIONS 65536

/* Whom a packet is for. IPv4 addresses stand in the first four bytes, the rest being 0; `port` is in host order. */
struct service_key {
  __u8 address[16];
  __u16 port;
  __u8 protocol;
  __u8 family; /* 4 or 6 */
};

/* Which ring and which statistics are the service's, below MAX_POOLS. */
struct service {
  __u32 pool;
};

/* The Maglev ring of a pool, made by user space: a flow's hash picks a slot, the slot names the backend. */
struct ring {
  __u16 backend[RING_SIZE];
};

/* A real server. The encapsulation's family is the backend's. */
struct backend {
  __u8 address[16];
  __u8 family; /* 4 or 6; 0: no such backend */
};

struct settings {
  /* Next hop of what leaves, and where the tunnels begin. */
  __u8 gateway[6];
  __u8 source4[4];
  __u8 source6[16];
};

/* Address words and ports as they stand in the packet; the unused words of an IPv4 flow are 0. */
struct connection_key {
  __be32 source[4];
  __be32 destination[4];
  __be16 source_port;
  __be16 destination_port;
  __u32 protocol;
};

struct connection {
  __u32 backend;
};

struct statistics {
  __u64 packets;
  __u64 bytes;
  __u64 new_connections;
  /* No backend for the flow, or no room in front of the frame. */
  __u64 dropped;
};

struct {
  map_number(type, BPF_MAP_TYPE_HASH);
  map_number(max_entries, MAX_SERVICES);
  map_type(key, struct service_key);
  map_type(value, struct service);
} services SEC(".maps");

struct {
  map_number(type, BPF_MAP_TYPE_ARRAY);
  map_number(max_entries, MAX_POOLS);
  map_type(key, __u32);
  map_type(value, struct ring);
} rings SEC(".maps");

struct {
  map_number(type, BPF_MAP_TYPE_ARRAY);
  map_number(max_entries, MAX_BACKENDS);
  map_type(key, __u32);
  map_type(value, struct backend);
} backends SEC(".maps");

struct {
  map_number(type, BPF_MAP_TYPE_LRU_HASH);
  map_number(max_entries, MAX_CONNECTIONS);
  map_type(key, struct connection_key);
  map_type(value, struct connection);
} connections SEC(".maps");

struct {
  map_number(type, BPF_MAP_TYPE_ARRAY);
  map_number(max_entries, 1);
  map_type(key, __u32);
  map_type(value, struct settings);
} settings SEC(".maps");

struct {
  map_number(type, BPF_MAP_TYPE_PERCPU_ARRAY);
  map_number(max_entries, MAX_POOLS);
  map_type(key, __u32);
  map_type(value, struct statistics);
} pool_stats SEC(".maps");

/* What was read of a packet. */
struct flow {
  struct service_key service;
  struct connection_key connection;
  /* Bytes of the IP packet, header included, and the type of service to carry over. */
  __u16 length;
  __u8 tos;
};

/* Ports of TCP and UDP; 0 when the packet is too short for them or the protocol is another. */
inlined int read_ports(struct flow *flow, __u8 protocol, void *at, void *end) {
  struct ports *ports = at;
  if (protocol != IPPROTO_TCP && protocol != IPPROTO_UDP) return 0;
  if ((void *)(ports + 1) > end) return 0;
  flow->connection.source_port = ports->source;
  flow->connection.destination_port = ports->dest;
  flow->connection.protocol = protocol;
  flow->service.protocol = protocol;
  flow->service.port = ntohs(ports->dest);
  return 1;
}

/* Fills `flow` from an IPv4 packet without options; 0 when it is not one that can be balanced (fragments are not: they lack the ports). */
inlined int read_ipv4(struct flow *flow, void *at, void *end) {
  struct iphdr *ip = at;
  if ((void *)(ip + 1) > end || ip->ihl != 5) return 0;
  if (ip->frag_off & htons(IP_MF | IP_OFFSET)) return 0;
  flow->connection.source[0] = ip->saddr;
  flow->connection.destination[0] = ip->daddr;
  __builtin_memcpy(flow->service.address, &ip->daddr, 4);
  flow->service.family = 4;
  flow->length = ntohs(ip->tot_len);
  flow->tos = ip->tos;
  return read_ports(flow, ip->protocol, ip + 1, end);
}

inlined int read_ipv6(struct flow *flow, void *at, void *end) {
  struct ipv6hdr *ip = at;
  if ((void *)(ip + 1) > end) return 0;
  __builtin_memcpy(flow->connection.source, ip->saddr, 16);
  __builtin_memcpy(flow->connection.destination, ip->daddr, 16);
  __builtin_memcpy(flow->service.address, ip->daddr, 16);
  flow->service.family = 6;
  flow->length = ntohs(ip->payload_len) + sizeof(struct ipv6hdr);
  flow->tos = ntohl(ip->ver_tc_flow) >> 20;
  return read_ports(flow, ip->nexthdr, ip + 1, end);
}

inlined __u32 hash_connection(const struct connection_key *key) {
  const __u32 *word = (const __u32 *)key;
  __u32 hash = 0;
#pragma unroll
  for (int at = 0; at < sizeof(*key) / 4; at++) hash = mix_hash(hash, word[at]);
  return finish_hash(hash);
}

/* The flow's backend: the one it had, or the ring's, which is then remembered. */
inlined struct backend *choose_backend(const struct flow *flow, const struct service *service, struct statistics *statistics) {
  struct connection *known = bpf_map_lookup_elem(&connections, &flow->connection);
  if (known) return bpf_map_lookup_elem(&backends, &known->backend);

  struct ring *ring = bpf_map_lookup_elem(&rings, &service->pool);
  if (!ring) return NULL;
  __u32 slot = hash_connection(&flow->connection) % RING_SIZE;
  keep_value(slot); /* the verifier does not know the bounds of a remainder */
  if (slot >= RING_SIZE) return NULL;
  struct connection connection = {.backend = ring->backend[slot]};
  bpf_map_update_elem(&connections, &flow->connection, &connection, BPF_ANY);
  statistics->new_connections++;
  return bpf_map_lookup_elem(&backends, &connection.backend);
}

/* Writes Ethernet and outer header in front of the packet; 0 when the frame has no room. The old Ethernet header is overwritten. */
inlined int encapsulate4(struct xdp_md *ctx, const struct flow *flow, const struct backend *backend, const struct settings *settings) {
  __u8 own[6];
  struct ethhdr *eth = (void *)(long)ctx->data;
  if ((void *)(eth + 1) > (void *)(long)ctx->data_end) return 0;
  __builtin_memcpy(own, eth->h_dest, 6);
  if (bpf_xdp_adjust_head(ctx, -(int)sizeof(struct iphdr))) return 0;
  eth = (void *)(long)ctx->data;
  struct iphdr *ip = (void *)(eth + 1);
  if ((void *)(ip + 1) > (void *)(long)ctx->data_end) return 0;
  __builtin_memcpy(eth->h_dest, settings->gateway, 6);
  __builtin_memcpy(eth->h_source, own, 6);
  eth->h_proto = htons(ETH_P_IP);
  ip->version = 4;
  ip->ihl = 5;
  ip->tos = flow->tos;
  ip->tot_len = htons(flow->length + sizeof(struct iphdr));
  ip->id = 0;
  ip->frag_off = 0;
  ip->ttl = 64;
  ip->protocol = flow->service.family == 4 ? IPPROTO_IPIP : IPPROTO_IPV6;
  ip->check = 0;
  __builtin_memcpy(&ip->saddr, settings->source4, 4);
  __builtin_memcpy(&ip->daddr, backend->address, 4);
  ip->check = ipv4_header_checksum(ip);
  return 1;
}

inlined int encapsulate6(struct xdp_md *ctx, const struct flow *flow, const struct backend *backend, const struct settings *settings) {
  __u8 own[6];
  struct ethhdr *eth = (void *)(long)ctx->data;
  if ((void *)(eth + 1) > (void *)(long)ctx->data_end) return 0;
  __builtin_memcpy(own, eth->h_dest, 6);
  if (bpf_xdp_adjust_head(ctx, -(int)sizeof(struct ipv6hdr))) return 0;
  eth = (void *)(long)ctx->data;
  struct ipv6hdr *ip = (void *)(eth + 1);
  if ((void *)(ip + 1) > (void *)(long)ctx->data_end) return 0;
  __builtin_memcpy(eth->h_dest, settings->gateway, 6);
  __builtin_memcpy(eth->h_source, own, 6);
  eth->h_proto = htons(ETH_P_IPV6);
  ip->ver_tc_flow = htonl(0x60000000 | (__u32)flow->tos << 20);
  ip->payload_len = htons(flow->length);
  ip->nexthdr = flow->service.family == 4 ? IPPROTO_IPIP : IPPROTO_IPV6;
  ip->hop_limit = 64;
  __builtin_memcpy(ip->saddr, settings->source6, 16);
  __builtin_memcpy(ip->daddr, backend->address, 16);
  return 1;
}

inlined int balance(struct xdp_md *ctx) {
  void *data = (void *)(long)ctx->data;
  void *end = (void *)(long)ctx->data_end;
  struct ethhdr *eth = data;
  struct flow flow = {};
  __u32 zero = 0;

  if ((void *)(eth + 1) > end) return XDP_PASS;
  if (eth->h_proto == htons(ETH_P_IP)) {
    if (!read_ipv4(&flow, eth + 1, end)) return XDP_PASS;
  } else if (eth->h_proto == htons(ETH_P_IPV6)) {
    if (!read_ipv6(&flow, eth + 1, end)) return XDP_PASS;
  } else {
    return XDP_PASS;
  }

  struct service *service = bpf_map_lookup_elem(&services, &flow.service);
  if (!service) return XDP_PASS;
  struct statistics *statistics = bpf_map_lookup_elem(&pool_stats, &service->pool);
  struct settings *own = bpf_map_lookup_elem(&settings, &zero);
  if (!statistics || !own) return XDP_ABORTED;
  statistics->packets++;
  statistics->bytes += flow.length;

  struct backend *backend = choose_backend(&flow, service, statistics);
  int sent = 0;
  if (backend && backend->family == 4) sent = encapsulate4(ctx, &flow, backend, own);
  if (backend && backend->family == 6) sent = encapsulate6(ctx, &flow, backend, own);
  if (!sent) {
    statistics->dropped++;
    return XDP_DROP;
  }
  return XDP_TX;
}

SEC("xdp") int balancer(struct xdp_md *ctx) {
  return balance(ctx);
}

char LICENSE[] SEC("license") = "GPL";
