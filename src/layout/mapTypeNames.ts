/** Names of the map types by number, from 0, as bpftool spells them. include/uapi/linux/bpf.h of Linux 6.18: enum bpf_map_type. */
const names = [
  "unspec hash array prog_array perf_event_array percpu_hash percpu_array stack_trace cgroup_array lru_hash lru_percpu_hash lpm_trie",
  "array_of_maps hash_of_maps devmap sockmap cpumap xskmap sockhash cgroup_storage reuseport_sockarray percpu_cgroup_storage queue stack",
  "sk_storage devmap_hash struct_ops ringbuf inode_storage task_storage bloom_filter user_ringbuf cgrp_storage arena",
].flatMap((line) => line.split(" "));

/** "lru_hash" for BPF_MAP_TYPE_LRU_HASH; "type 77" for a number that Linux 6.18 does not know. */
export const mapTypeName = (type: number): string => names[type] ?? `type ${type}`;
