/** enum bpf_attach_type. include/uapi/linux/bpf.h of Linux 6.18. */
const BPF_XDP_DEVMAP = 33;
const BPF_XDP_CPUMAP = 35;
const BPF_XDP = 37;
const BPF_TCX_INGRESS = 46;
const BPF_TCX_EGRESS = 47;
const BPF_NETKIT_PRIMARY = 54;
const BPF_NETKIT_PEER = 55;
/** Load flag of programs that take frames of several buffers. include/uapi/linux/bpf.h. */
const BPF_F_XDP_HAS_FRAGS = 32;

/** What the name of a program's section says of it. */
export interface SectionMeaning {
  /** BPF_PROG_TYPE_* in lower case: "xdp", "sched_cls", "kprobe", … */
  readonly type: string;
  readonly attachType: number;
  readonly flags: number;
}

const meaning = (type: string, attachType = 0, flags = 0): SectionMeaning => ({ type, attachType, flags });

/** The names that libbpf 1.x gives to XDP and TC programs; each must match whole. */
const packetSections: ReadonlyMap<string, SectionMeaning> = new Map([
  ["xdp", meaning("xdp", BPF_XDP)],
  ["xdp.frags", meaning("xdp", BPF_XDP, BPF_F_XDP_HAS_FRAGS)],
  ["xdp/devmap", meaning("xdp", BPF_XDP_DEVMAP)],
  ["xdp.frags/devmap", meaning("xdp", BPF_XDP_DEVMAP, BPF_F_XDP_HAS_FRAGS)],
  ["xdp/cpumap", meaning("xdp", BPF_XDP_CPUMAP)],
  ["xdp.frags/cpumap", meaning("xdp", BPF_XDP_CPUMAP, BPF_F_XDP_HAS_FRAGS)],
  ["tc", meaning("sched_cls")],
  ["classifier", meaning("sched_cls")],
  ["tc/ingress", meaning("sched_cls", BPF_TCX_INGRESS)],
  ["tc/egress", meaning("sched_cls", BPF_TCX_EGRESS)],
  ["tcx/ingress", meaning("sched_cls", BPF_TCX_INGRESS)],
  ["tcx/egress", meaning("sched_cls", BPF_TCX_EGRESS)],
  ["netkit/primary", meaning("sched_cls", BPF_NETKIT_PRIMARY)],
  ["netkit/peer", meaning("sched_cls", BPF_NETKIT_PEER)],
  ["action", meaning("sched_act")],
]);

/** Program types of the other names that libbpf knows: such programs are shown, not run. A name matches whole or up to a slash. */
const otherSections: ReadonlyMap<string, string> = new Map(
  Object.entries({
    socket: "socket_filter",
    sk_reuseport: "sk_reuseport",
    "kprobe kretprobe uprobe uretprobe uprobe.s uretprobe.s kprobe.multi kretprobe.multi kprobe.session": "kprobe",
    "uprobe.multi uretprobe.multi uprobe.multi.s uretprobe.multi.s uprobe.session uprobe.session.s ksyscall kretsyscall usdt usdt.s":
      "kprobe",
    "tracepoint tp": "tracepoint",
    "raw_tracepoint raw_tp": "raw_tracepoint",
    "raw_tracepoint.w raw_tp.w": "raw_tracepoint_writable",
    "tp_btf fentry fmod_ret fexit fentry.s fmod_ret.s fexit.s iter iter.s": "tracing",
    freplace: "ext",
    "lsm lsm.s lsm_cgroup": "lsm",
    syscall: "syscall",
    perf_event: "perf_event",
    lwt_in: "lwt_in",
    lwt_out: "lwt_out",
    lwt_xmit: "lwt_xmit",
    lwt_seg6local: "lwt_seg6local",
    sockops: "sock_ops",
    sk_skb: "sk_skb",
    sk_msg: "sk_msg",
    lirc_mode2: "lirc_mode2",
    flow_dissector: "flow_dissector",
    cgroup_skb: "cgroup_skb",
    sk_lookup: "sk_lookup",
    "struct_ops struct_ops.s": "struct_ops",
    netfilter: "netfilter",
  }).flatMap(([names, type]) => names.split(" ").map((name) => [name, type] as const)),
);

/** Of the cgroup sections, the hook decides the type. */
const cgroupHooks: readonly (readonly [RegExp, string])[] = [
  [/^cgroup\/(skb|skb_(in|e)gress)$/, "cgroup_skb"],
  [/^cgroup\/(sock|sock_create|sock_release|post_bind[46])$/, "cgroup_sock"],
  [/^cgroup\/(bind|connect|connect_unix|sendmsg|sendmsg_unix|recvmsg|recvmsg_unix|getpeername|getsockname)/, "cgroup_sock_addr"],
  [/^cgroup\/sysctl$/, "cgroup_sysctl"],
  [/^cgroup\/[gs]etsockopt$/, "cgroup_sockopt"],
  [/^cgroup\/dev$/, "cgroup_device"],
];

/** Beginnings that libbpf before 1.0 took for a type, whatever followed: "xdp_firewall", "classifier/egress". The longest first. */
const oldBeginnings: readonly (readonly [string, SectionMeaning])[] = [
  ["xdp_devmap", meaning("xdp", BPF_XDP_DEVMAP)],
  ["xdp_cpumap", meaning("xdp", BPF_XDP_CPUMAP)],
  ["xdp.frags", meaning("xdp", BPF_XDP, BPF_F_XDP_HAS_FRAGS)],
  ["classifier", meaning("sched_cls")],
  ["action", meaning("sched_act")],
  ["xdp", meaning("xdp", BPF_XDP)],
  ["tc", meaning("sched_cls")],
];

/**
 * What a section's name says of the programs in it: first as libbpf 1.x reads it, then as libbpf before 1.0 did; null when no loader
 * knows the name. A leading "?" (do not load by itself) is passed over.
 */
export function meaningOfSection(name: string): SectionMeaning | null {
  const plain = name.startsWith("?") ? name.slice(1) : name;
  const exact = packetSections.get(plain);
  if (exact !== undefined) return exact;
  const other = otherSections.get(plain.split("/", 1)[0] ?? "");
  if (other !== undefined) return meaning(other);
  for (const [pattern, type] of cgroupHooks) if (pattern.test(plain)) return meaning(type);
  for (const [beginning, old] of oldBeginnings) if (plain.startsWith(beginning)) return old;
  return null;
}

/** The program types that xdplane runs, of those that a section may name. */
export const isRunnable = (type: string): type is "xdp" | "sched_cls" => type === "xdp" || type === "sched_cls";
