/* A program in each section that names one, as libbpf 1.x, as libbpf before 1.0, and as nobody reads it. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#define PROGRAM(section, name, type) \
  SEC(section) int name(struct type *ctx) { return 2; }

PROGRAM("xdp", xdp_plain, xdp_md)
PROGRAM("xdp.frags", xdp_frags, xdp_md)
PROGRAM("xdp/devmap", xdp_devmap, xdp_md)
PROGRAM("xdp.frags/devmap", xdp_frags_devmap, xdp_md)
PROGRAM("xdp/cpumap", xdp_cpumap, xdp_md)
PROGRAM("xdp.frags/cpumap", xdp_frags_cpumap, xdp_md)
PROGRAM("tc", tc_plain, __sk_buff)
PROGRAM("classifier", classifier_plain, __sk_buff)
PROGRAM("action", action_plain, __sk_buff)
PROGRAM("tc/ingress", tc_ingress, __sk_buff)
PROGRAM("tc/egress", tc_egress, __sk_buff)
PROGRAM("tcx/ingress", tcx_ingress, __sk_buff)
PROGRAM("tcx/egress", tcx_egress, __sk_buff)
PROGRAM("netkit/primary", netkit_primary, __sk_buff)
PROGRAM("netkit/peer", netkit_peer, __sk_buff)
PROGRAM("?xdp", xdp_not_loaded, xdp_md)
PROGRAM("xdp_firewall", old_xdp, xdp_md)
PROGRAM("classifier/egress", old_classifier, __sk_buff)
PROGRAM("kprobe/ip_rcv", probe, pt_regs)
PROGRAM("from-container", nameless, __sk_buff)

char _license[] SEC("license") = "GPL";
