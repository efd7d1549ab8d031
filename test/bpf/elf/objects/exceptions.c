/* bpf_throw: in the program, in a function it calls and in a callback; with and without an exception callback. */
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

static int step(__u32 index, __u64 *limit) {
  if (index == *limit) bpf_throw(index);
  return 0;
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

SEC("xdp")
__exception_cb(caught)
int in_loop(struct xdp_md *ctx) {
  __u64 limit = ctx->data_end - ctx->data;
  return bpf_loop(80, step, &limit, 0);
}

char _license[] SEC("license") = "GPL";
