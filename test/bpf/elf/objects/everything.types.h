typedef unsigned int __u32;

typedef unsigned long long __u64;

struct inner {
	int (*type)[2];
	int (*max_entries)[4];
	__u32 *key;
	__u64 *value;
};

typedef unsigned char __u8;

union address {
	__u32 v4;
	__u8 v6[16];
};

typedef unsigned short __u16;

enum fate {
	FATE_DROP = 0,
	FATE_PASS = 7,
	FATE_NEGATIVE = -2,
};

struct flow {
	union address from;
	__u16 port;
	unsigned int syn: 1;
	unsigned int state: 3;
	enum fate fate;
	char name[8];
	struct {
		__u64 packets;
		__u64 bytes;
	};
};

struct xdp_md {
	__u32 data;
	__u32 data_end;
	__u32 data_meta;
	__u32 ingress_ifindex;
	__u32 rx_queue_index;
	__u32 egress_ifindex;
};

struct bpf_flow_keys;

struct bpf_sock;

struct __sk_buff {
	__u32 len;
	__u32 pkt_type;
	__u32 mark;
	__u32 queue_mapping;
	__u32 protocol;
	__u32 vlan_present;
	__u32 vlan_tci;
	__u32 vlan_proto;
	__u32 priority;
	__u32 ingress_ifindex;
	__u32 ifindex;
	__u32 tc_index;
	__u32 cb[5];
	__u32 hash;
	__u32 tc_classid;
	__u32 data;
	__u32 data_end;
	__u32 napi_id;
	__u32 family;
	__u32 remote_ip4;
	__u32 local_ip4;
	__u32 remote_ip6[4];
	__u32 local_ip6[4];
	__u32 remote_port;
	__u32 local_port;
	__u32 data_meta;
	union {
		struct bpf_flow_keys *flow_keys;
	};
	__u64 tstamp;
	__u32 wire_len;
	__u32 gso_segs;
	union {
		struct bpf_sock *sk;
	};
	__u32 gso_size;
	__u8 tstamp_type;
	__u64 hwtstamp;
};
