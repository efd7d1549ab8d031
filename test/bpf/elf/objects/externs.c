/* What an object may expect from the kernel: functions and variables, strong and weak, and settings that are not known. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

extern int bpf_xdp_metadata_rx_hash(const struct xdp_md *ctx, __u32 *hash, int *type) __ksym;
extern void bpf_made_up(void) __ksym __weak;
extern const void bpf_prog_active __ksym __weak;
extern const void no_such_variable __ksym;
extern char CONFIG_MADE_UP __kconfig;

SEC("xdp")
int entry(struct xdp_md *ctx) {
  __u32 hash = 0;
  int type = 0;
  bpf_xdp_metadata_rx_hash(ctx, &hash, &type);
  if (bpf_made_up) bpf_made_up();
  if (&bpf_prog_active) hash++;
  if (CONFIG_MADE_UP == 'y') hash += (__u64)&no_such_variable;
  return hash & 1 ? XDP_DROP : XDP_PASS;
}

char _license[] SEC("license") = "GPL";
