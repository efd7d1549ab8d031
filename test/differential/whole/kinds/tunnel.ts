import fc from "fast-check";
import { type AnyKind, defineKind, flagsOf } from "../statement.ts";

/** Bytes of struct bpf_tunnel_key, and of its older versions. include/uapi/linux/bpf.h. */
const keySizes = [44, 44, 44, 28, 24, 20, 16, 40, 8];

export const tunnelKinds: readonly AnyKind[] = [
  defineKind({
    name: "bpf_skb_set_tunnel_key",
    subject: "skb",
    type: "sched_cls",
    params: fc.record({
      seed: fc.nat({ max: 0xffff }),
      size: fc.constantFrom(...keySizes),
      flags: flagsOf([1, 2, 4, 8, 16, 3], [32, 64]),
      padding: fc.boolean(),
    }),
    covers: () => ["bpf_skb_set_tunnel_key"],
    stack: 48,
    write(out, { seed, size, flags, padding }) {
      const { code } = out;
      const at = out.buffer(48, seed);
      // tunnel_ext, and the upper bits of the label, must be 0.
      if (!padding) {
        code.put(2, 10, at + 22, 0);
        code.put(4, 10, at + 24, seed & 0xfffff);
      }
      code.copy(1, 6);
      code.frame(2, at);
      code.set(3, size);
      code.set(4, flags);
      out.call("bpf_skb_set_tunnel_key");
      out.keep(0);
    },
  }),
  defineKind({
    name: "bpf_skb_get_tunnel_key",
    subject: "skb",
    type: "sched_cls",
    params: fc.record({ seed: fc.nat({ max: 255 }), size: fc.constantFrom(...keySizes), flags: flagsOf([1, 16], [2, 64]) }),
    covers: () => ["bpf_skb_get_tunnel_key"],
    stack: 48,
    write(out, { seed, size, flags }) {
      const { code } = out;
      const at = out.buffer(48, seed);
      code.copy(1, 6);
      code.frame(2, at);
      code.set(3, size);
      code.set(4, flags);
      out.call("bpf_skb_get_tunnel_key");
      out.keep(0);
      out.keepStack(at, 48);
    },
  }),
  defineKind({
    name: "bpf_skb_set_tunnel_opt",
    subject: "skb",
    type: "sched_cls",
    params: fc.record({ seed: fc.nat({ max: 0xffff }), size: fc.constantFrom(4, 8, 16, 32, 6) }),
    covers: () => ["bpf_skb_set_tunnel_opt"],
    stack: 32,
    write(out, { seed, size }) {
      const { code } = out;
      const at = out.buffer(32, seed);
      code.copy(1, 6);
      code.frame(2, at);
      code.set(3, size);
      out.call("bpf_skb_set_tunnel_opt");
      out.keep(0);
    },
  }),
  defineKind({
    name: "bpf_skb_get_tunnel_opt",
    subject: "skb",
    type: "sched_cls",
    params: fc.record({ seed: fc.nat({ max: 255 }), size: fc.constantFrom(4, 8, 16, 32, 6) }),
    covers: () => ["bpf_skb_get_tunnel_opt"],
    stack: 32,
    write(out, { seed, size }) {
      const { code } = out;
      const at = out.buffer(32, seed);
      code.copy(1, 6);
      code.frame(2, at);
      code.set(3, size);
      out.call("bpf_skb_get_tunnel_opt");
      out.keep(0);
      out.keepStack(at, 32);
    },
  }),
];
