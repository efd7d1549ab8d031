/* Settings of the kernel in every type that libbpf knows, one that is not there, and one whose value does not fit. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

extern int LINUX_KERNEL_VERSION __kconfig;
extern _Bool LINUX_HAS_SYSCALL_WRAPPER __kconfig;
extern unsigned long long CONFIG_HZ __kconfig;
extern enum libbpf_tristate CONFIG_BRIDGE __kconfig;
extern char CONFIG_BPF_JIT __kconfig;
extern _Bool CONFIG_NF_CONNTRACK __kconfig;
extern char CONFIG_DEFAULT_HOSTNAME[6] __kconfig;
extern enum libbpf_tristate CONFIG_WEAK_ABSENT __kconfig __weak;
extern signed char CONFIG_NR_CPUS __kconfig;

SEC("tc")
int settings(struct __sk_buff *ctx) {
  ctx->cb[0] = LINUX_KERNEL_VERSION;
  ctx->cb[1] = CONFIG_HZ + LINUX_HAS_SYSCALL_WRAPPER + CONFIG_NF_CONNTRACK;
  ctx->cb[2] = CONFIG_BRIDGE + CONFIG_WEAK_ABSENT;
  ctx->cb[3] = CONFIG_BPF_JIT + CONFIG_DEFAULT_HOSTNAME[1];
  return ctx->mark == 1 ? CONFIG_NR_CPUS : 0;
}

char _license[] SEC("license") = "GPL";
