/* bpf_throw in a function that the program calls, with and without an exception callback. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

extern void bpf_throw(__u64 cookie) __ksym;
#define __exception_cb(name) __attribute__((btf_decl_tag("exception_callback:" #name)))

__noinline int caught(__u64 cookie) { return cookie + 100; }

static __noinline int thrower(struct xdp_md *ctx, __u64 limit) {
  __u64 length = ctx->data_end - ctx->data;
  if (length > limit) bpf_throw(length);
  return length & 1;
}

SEC("xdp")
__exception_cb(caught)
int with_callback(struct xdp_md *ctx) {
  return thrower(ctx, 100) + 1;
}

SEC("xdp")
int without_callback(struct xdp_md *ctx) {
  return thrower(ctx, 100) + 1;
}

char _license[] SEC("license") = "GPL";
