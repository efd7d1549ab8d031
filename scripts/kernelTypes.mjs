// Writes what the product knows of Linux 6.18 from a running one. src/bpf/elf/linux618Settings.generated.ts: the settings of its build that programs for
// networking ask for. src/bpf/btf/linux618.generated.ts: the types of the running kernel (Linux 6.18, x86-64) that XDP and TC programs relocate against, cut out
// of its BTF. `node scripts/kernelTypes.mjs [/sys/kernel/btf/vmlinux]`. What is kept: the types named below with all that they contain; what
// they only point at stays as a forward declaration, unless it is named itself; functions tagged as kfuncs; the names of per-CPU variables.
import { readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { gunzipSync } from "node:zlib";
import { build as bundle } from "tsdown";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
const at = (...parts) => join(root, ...parts);

/** Types that are kept whole. */
const wanted = new Set(
  [
    // Contexts of programs, and what the helpers take and give.
    "xdp_md __sk_buff bpf_sock bpf_tcp_sock bpf_sock_tuple bpf_sock_addr bpf_sock_ops bpf_xdp_sock bpf_fib_lookup bpf_tunnel_key bpf_xfrm_state",
    "bpf_redir_neigh bpf_flow_keys bpf_spin_lock bpf_res_spin_lock bpf_timer bpf_wq bpf_dynptr bpf_dynptr_kern bpf_list_head bpf_list_node",
    "bpf_rb_root bpf_rb_node bpf_refcount bpf_task_work bpf_devmap_val bpf_cpumap_val bpf_lpm_trie_key_hdr",
    "bpf_lpm_trie_key_u8 bpf_perf_event_value bpf_ct_opts bpf_xfrm_state_opts bpf_crypto_params bpf_iter_num",
    "bpf_iter_bits bpf_iter_css bpf_iter_css_task bpf_iter_task bpf_iter_task_vma bpf_iter_kmem_cache bpf_tcp_req_attrs bpf_map_info",
    "bpf_prog_info bpf_btf_info bpf_link_info bpf_skb_data_end bpf_run_ctx bpf_redirect_info bpf_cpu_map_entry bpf_dtab_netdev",
    // Packets and devices as the kernel has them.
    "sk_buff sk_buff_head skb_shared_info skb_shared_hwtstamps skb_frag skb_frag_t skb_ext xdp_buff xdp_frame xdp_frame_bulk xdp_rxq_info",
    "xdp_txq_info xdp_mem_info xdp_desc xsk_tx_metadata xdp_dev_bulk_queue xdp_bulk_queue xdp_cpumap_stats net_device netdev_rx_queue netdev_queue net napi_struct neighbour",
    "dst_entry rtable rt6_info metadata_dst ip_tunnel_info ip_tunnel_key ip_tunnel_encap qdisc_skb_cb bpf_prog bpf_map bpf_array bpf_htab",
    // Sockets.
    "socket sock sock_common inet_sock ipv6_pinfo inet_connection_sock inet_request_sock request_sock tcp_request_sock tcp_sock tcp6_sock",
    "tcp_timewait_sock inet_timewait_sock udp_sock udp6_sock unix_sock mptcp_sock",
    // Connection tracking and IPsec.
    "nf_conn nf_conn___init nf_conntrack nf_conntrack_tuple nf_conntrack_tuple_hash nf_conntrack_man nf_inet_addr nf_conntrack_zone nf_hook_state",
    "xfrm_state xfrm_address_t xfrm_id xfrm_md_info flow_offload flow_offload_tuple flow_offload_tuple_rhash",
    // Headers.
    "ethhdr vlan_hdr vlan_ethhdr iphdr ipv6hdr ipv6_opt_hdr ipv6_rt_hdr frag_hdr ip_auth_hdr ip_esp_hdr tcphdr udphdr icmphdr icmp6hdr",
    "igmphdr arphdr gre_base_hdr gre_full_hdr vxlanhdr genevehdr sctphdr mpls_label in_addr in6_addr sockaddr_in sockaddr_in6 sockaddr",
    "tcp_word_hdr ipv6_sr_hdr ip_comp_hdr sctp_chunkhdr mld_msg",
    "pppoe_hdr pppoe_tag nd_msg erspan_metadata erspan_md2 mptcp_options_received tcp_options_received",
    // Scalars.
    "u8 u16 u32 u64 s8 s16 s32 s64 __u8 __u16 __u32 __u64 __s8 __s16 __s32 __s64 __le16 __le32 __le64 __be16 __be32 __be64 __sum16 __wsum",
    "size_t ssize_t bool gfp_t netdev_features_t sk_buff_data_t possible_net_t ktime_t atomic_t atomic64_t refcount_t spinlock_t pid_t uid_t",
    // Enums beside those of bpf and xdp.
    "tcp_ca_state ip_conntrack_info ip_conntrack_status ip_conntrack_dir nf_nat_manip_type nf_inet_hooks pkt_hash_types skb_drop_reason",
    "netdev_xdp_act netdev_xdp_rx_metadata netdev_priv_flags netdev_tx sk_rst_reason bpf_type_flag",
  ].flatMap((line) => line.split(" ")),
);
const isWanted = (type) =>
  wanted.has(type.name) || ((type.kind === "enum" || type.kind === "enum64") && /^(bpf|xdp|tcx|btf|nf)_/.test(type.name));

/** Reads the kernel's types with the product's own reader. */
async function openTypes() {
  await bundle({
    ...{ config: false, cwd: root, entry: { btf: "src/bpf/btf/index.ts" }, outDir: "build", format: "esm", dts: false, clean: false },
    logLevel: "error",
  });
  return import(pathToFileURL(at("build/btf.mjs")).href);
}

/** Copies types from one table into another, each once. Behind a pointer only what is wanted itself is copied whole. */
class Extract {
  types = [{ kind: "void" }];
  #ids = new Map();
  #forwards = new Map();

  constructor(from) {
    this.from = from;
  }

  /** The new id of a type, copied with all that it contains. */
  whole(id) {
    if (id === 0) return 0;
    const known = this.#ids.get(id);
    if (known !== undefined) return known;
    const type = this.from[id];
    // Tags in the kernel's types (rcu, user, percpu) matter to its verifier, and to no relocation.
    if (type.kind === "type_tag") return this.whole(type.type);
    const own = this.types.push(null) - 1;
    this.#ids.set(id, own);
    this.types[own] = this.#copy(type);
    return own;
  }

  /** The new id of what a pointer points at. */
  behindPointer(id) {
    const type = this.from[id];
    switch (type.kind) {
      case "struct":
      case "union":
        if (this.#ids.has(id) || isWanted(type)) return this.whole(id);
        return this.#forward(type.name, type.kind === "union");
      case "fwd":
        return this.#forward(type.name, type.union);
      case "type_tag":
        return this.behindPointer(type.type);
      case "const":
      case "volatile":
      case "restrict":
        return this.#wrapped(type.kind, this.behindPointer(type.type));
      case "array":
        return this.behindPointer(type.element);
      case "typedef": {
        // A typedef of a struct that is not kept would bring it in; its name alone is no type.
        const behind = this.behindPointer(type.type);
        return isWanted(type) ? this.whole(id) : behind;
      }
      // Methods are pointers all the same, whatever they take.
      case "func_proto":
        return 0;
      default:
        return this.whole(id);
    }
  }

  #forward(name, union) {
    if (name === "") return 0;
    const key = `${union} ${name}`;
    const known = this.#forwards.get(key);
    if (known !== undefined) return known;
    const id = this.types.push({ kind: "fwd", name, union }) - 1;
    this.#forwards.set(key, id);
    return id;
  }

  #wrapped(kind, type) {
    const key = `${kind} ${type}`;
    const known = this.#forwards.get(key);
    if (known !== undefined) return known;
    const id = this.types.push({ kind, type }) - 1;
    this.#forwards.set(key, id);
    return id;
  }

  #copy(type) {
    switch (type.kind) {
      case "ptr":
        return { ...type, type: this.behindPointer(type.type) };
      case "array":
        return { ...type, element: this.whole(type.element), index: this.whole(type.index) };
      case "struct":
      case "union":
        return { ...type, members: type.members.map((member) => ({ ...member, type: this.whole(member.type) })) };
      case "func_proto":
        return {
          ...type,
          result: this.whole(type.result),
          parameters: type.parameters.map((parameter) => ({ ...parameter, type: this.whole(parameter.type) })),
        };
      case "typedef":
      case "const":
      case "volatile":
      case "restrict":
      case "func":
        return { ...type, type: this.whole(type.type) };
      default:
        return type;
    }
  }
}

const { FileRange, parseBtf, writeBtf } = await openTypes();
const path = process.argv[2] ?? "/sys/kernel/btf/vmlinux";
const bytes = readFileSync(path);
const { types } = parseBtf(new FileRange(bytes, path, 0, true)).btf;
const extract = new Extract(types);
const found = new Set();
for (const [id, type] of types.entries()) {
  const named =
    type.kind === "struct" || type.kind === "union" || type.kind === "typedef" || type.kind === "enum" || type.kind === "enum64";
  if (!named || !isWanted(type)) continue;
  extract.whole(id);
  found.add(type.name);
}
const kfuncs = types.filter((type) => type.kind === "decl_tag" && type.name === "bpf_kfunc").map((tag) => tag.type);
for (const id of new Set(kfuncs)) extract.whole(id);
for (const type of types) if (type.kind === "var") extract.types.push({ ...type, type: 0 });

const missing = [...wanted].filter((name) => !found.has(name));
if (missing.length > 0) process.stderr.write(`not in ${path}: ${missing.join(", ")}\n`);
const cut = Buffer.from(writeBtf(extract.types, true));
const lines = cut.toString("base64").match(/.{1,160}/g) ?? [];
writeFileSync(
  at("src/bpf/btf/linux618.generated.ts"),
  [
    "// Written by scripts/kernelTypes.mjs from the BTF of Linux 6.18 (x86-64). Not for editing.",
    `// ${extract.types.length - 1} types, ${cut.length} bytes.`,
    "export const linux618Base64 =",
    ...lines.map((line, index) => `  "${line}"${index === lines.length - 1 ? ";" : " +"}`),
    "",
  ].join("\n"),
);
process.stdout.write(`${extract.types.length - 1} types, ${cut.length} bytes\n`);

/** Settings of the kernel's build that programs for networking ask for. */
const settingNames =
  /^CONFIG_(64BIT|BPF|BPF_.*|CGROUPS?|CGROUP_.*|NET|NET_.*|NETFILTER|NETFILTER_(ADVANCED|INGRESS|XTABLES)|NF_.*|NFT_.*|INET|INET_.*|IP_.*|IPV6|IPV6_.*|TCP_.*|XFRM.*|XDP_.*|VLAN.*|VXLAN|GENEVE|TUN|VETH|BRIDGE|BONDING|DUMMY|HZ|NR_CPUS|NUMA|PREEMPT.*|SMP|MMU|PAGE_SHIFT|PAGE_SIZE_.*|PGTABLE_LEVELS|X86|X86_64|JUMP_LABEL|KALLSYMS.*|DEBUG_INFO_BTF.*|DYNAMIC_FTRACE.*|FUNCTION_ERROR_INJECTION|SECURITY|LSM|ARCH_.*_SYSCALL.*|USER_NS|NAMESPACES|MPTCP.*|NETKIT|PAGE_POOL.*|SOCK_.*|RPS|RFS_ACCEL|XPS|BQL|NO_HZ.*|DEFAULT_HOSTNAME|DEFAULT_TCP_CONG|DEFAULT_NET_SCH|CC_VERSION_TEXT|HIGH_RES_TIMERS)=/;
const settings = gunzipSync(readFileSync("/proc/config.gz"))
  .toString()
  .split("\n")
  .filter((line) => settingNames.test(line))
  .sort();
writeFileSync(
  at("src/bpf/elf/linux618Settings.generated.ts"),
  [
    "// Written by scripts/kernelTypes.mjs from /proc/config.gz of Linux 6.18 (x86-64). Not for editing.",
    "export const linux618Settings = `",
    ...settings.map((line) => line.replaceAll(/[\\`$]/g, "\\$&")),
    "`;",
    "",
  ].join("\n"),
);
process.stdout.write(`${settings.length} settings\n`);
