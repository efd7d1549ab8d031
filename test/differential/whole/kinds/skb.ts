import fc from "fast-check";
import type { AccessSize } from "../../../../src/bpf/isa/index.ts";
import { SkBuff } from "../../../../src/layout/index.ts";
import { type AnyKind, anyOperand, defineKind, flagsOf, type Operand, upTo } from "../statement.ts";
import { between, constants, plainCalls } from "./calls.ts";

const flags = (...known: number[]): fc.Arbitrary<Operand> => flagsOf(known, [0x100, 0x40]).map((constant) => ({ constant }));

/** EtherTypes as a program has them in a register that it read from a packet. */
const ETH_P_IP = 0x0008;
const ETH_P_IPV6 = 0xdd86;
const ETH_P_8021Q = 0x0081;
const ETH_P_8021AD = 0xa888;

/** Flags of bpf_skb_adjust_room. include/uapi/linux/bpf.h. */
const roomFlags = [0, 1, 2, 4, 2 | 8, 2 | 16, 4 | 16, 4 | 8, 32, 2 | 64, 128, 256, 1 | 2 | 8];
const room = fc
  .tuple(fc.constantFrom(...roomFlags), fc.constantFrom(0, 0, 0, 14, 4))
  .map(([low, link]) => (BigInt(link) << 56n) | BigInt(low));

/** MAC header, with some tags in it, and IPv6 header. */
const LONGEST_HEADERS = 74;

type Field = keyof typeof SkBuff.at;
/**
 * Words that programs read, whole or in part, and how many bytes the kernel keeps of each. Of a part that is no smaller than that, and not the first, Linux gives the
 * first: programs of compilers do not ask for it, and the engines, which do not know what a register points to, give zeros.
 */
const readable = {
  len: 4,
  pkt_type: 1,
  mark: 4,
  queue_mapping: 2,
  protocol: 2,
  vlan_present: 1,
  vlan_tci: 2,
  vlan_proto: 2,
  priority: 4,
  ingress_ifindex: 4,
  ifindex: 4,
  tc_index: 2,
  cb: 4,
  hash: 4,
  tc_classid: 2,
  napi_id: 4,
  wire_len: 4,
  gso_segs: 2,
  gso_size: 2,
} as const satisfies Partial<Record<Field, number>>;
type Readable = keyof typeof readable;
const writable = ["mark", "queue_mapping", "priority", "tc_index", "tc_classid", "cb"] as const satisfies readonly Field[];
export const skbKinds: readonly AnyKind[] = [
  ...plainCalls([
    {
      name: "bpf_skb_vlan_push",
      subject: "skb",
      type: "sched_cls",
      context: true,
      args: [constants(ETH_P_8021Q, ETH_P_8021Q, ETH_P_8021AD, 0, 7), anyOperand],
    },
    { name: "bpf_skb_vlan_pop", subject: "skb", type: "sched_cls", context: true },
    {
      name: "bpf_skb_change_proto",
      subject: "skb",
      type: "sched_cls",
      context: true,
      args: [constants(ETH_P_IP, ETH_P_IPV6, ETH_P_IPV6, ETH_P_8021Q), flags()],
    },
    { name: "bpf_skb_change_type", subject: "skb", type: "sched_cls", context: true, args: [between(0, 6)] },
    {
      name: "bpf_skb_change_tail",
      subject: "skb",
      type: "sched_cls",
      context: true,
      args: [fc.oneof(between(0, 200), between(0, 5000), anyOperand), flags()],
    },
    {
      name: "bpf_skb_change_head",
      subject: "skb",
      type: "sched_cls",
      context: true,
      args: [fc.oneof(between(0, 40), between(0, 3000)), flags()],
    },
    { name: "bpf_skb_pull_data", subject: "skb", type: "sched_cls", context: true, args: [fc.oneof(between(0, 200), anyOperand)] },
    { name: "bpf_set_hash", subject: "skb", type: "sched_cls", context: true, args: [anyOperand] },
    { name: "bpf_set_hash_invalid", subject: "skb", type: "sched_cls", context: true },
    { name: "bpf_skb_ecn_set_ce", subject: "skb", type: "sched_cls", context: true },
    { name: "bpf_get_route_realm", subject: "skb", type: "sched_cls", context: true },
    { name: "bpf_csum_update", subject: "skb", type: "sched_cls", context: true, args: [anyOperand] },
    { name: "bpf_csum_level", subject: "skb", type: "sched_cls", context: true, args: [between(0, 4)] },
    {
      name: "bpf_skb_set_tstamp",
      subject: "skb",
      type: "sched_cls",
      context: true,
      args: [fc.oneof(constants(0), anyOperand), between(0, 3)],
    },
    {
      name: "bpf_l3_csum_replace",
      subject: "skb",
      type: "sched_cls",
      context: true,
      args: [fc.oneof(constants(24), between(0, 200)), anyOperand, anyOperand, constants(0, 2, 4, 2, 4, 1, 0x10)],
    },
    {
      name: "bpf_l4_csum_replace",
      subject: "skb",
      type: "sched_cls",
      context: true,
      args: [
        fc.oneof(constants(40, 50, 60, 70), between(0, 200)),
        anyOperand,
        anyOperand,
        constants(0, 2, 4, 0x12, 0x14, 0x22, 0x34, 0x52, 0x92, 0x94, 0x84, 1),
      ],
    },
  ]),
  defineKind({
    name: "bpf_skb_adjust_room",
    subject: "skb",
    type: "sched_cls",
    weight: 8,
    params: fc.record({
      difference: fc.oneof(fc.constantFrom(0, 4, 8, 20, 24, 28, 40, 48, -4, -8, -20, -40), fc.integer({ min: -100, max: 300 })),
      mode: fc.nat({ max: 2 }),
      flags: room,
    }),
    covers: () => ["bpf_skb_adjust_room"],
    write(out, { difference, mode, flags: given }) {
      const { code } = out;
      const short = code.label();
      // Of a frame that ends in its IPv6 header Linux moves bytes behind the end, which may be anything.
      code.load(4, 0, 6, SkBuff.at.len);
      code.when(0, "<", LONGEST_HEADERS, short);
      code.copy(1, 6);
      code.set(2, difference);
      code.set(3, mode);
      code.setWide(4, given);
      out.call("bpf_skb_adjust_room");
      out.keep(0);
      code.place(short);
    },
  }),
  defineKind({
    name: "bpf_get_hash_recalc",
    subject: "skb",
    type: "sched_cls",
    params: anyOperand,
    covers: () => ["bpf_get_hash_recalc"],
    write(out, hash) {
      // Without a hash the kernel makes one with a secret of its own.
      out.code.copy(1, 6);
      out.operand(2, hash);
      out.call("bpf_set_hash");
      out.keep(0);
      out.code.copy(1, 6);
      out.call("bpf_get_hash_recalc");
      const { code } = out;
      const zero = code.label();
      // A hash of 0 counts as none.
      if ("constant" in hash && hash.constant === 0) code.goto(zero);
      else {
        out.operand(8, hash);
        code.change(8, "<<=", 32);
        code.when(8, "==", 0, zero);
        out.keep(0);
      }
      code.place(zero);
    },
  }),
  defineKind({
    name: "bpf_skb_load_bytes_relative",
    subject: "skb",
    type: "sched_cls",
    params: fc.record({
      offset: fc.oneof(upTo(63), anyOperand),
      length: fc.integer({ min: 1, max: 32 }),
      start: fc.constantFrom(0, 1, 0, 1, 2),
      seed: fc.nat({ max: 255 }),
    }),
    covers: () => ["bpf_skb_load_bytes_relative"],
    stack: 32,
    write(out, { offset, length, start, seed }) {
      const { code } = out;
      const at = out.buffer(32, seed);
      code.copy(1, 6);
      out.operand(2, offset);
      code.frame(3, at);
      code.set(4, length);
      code.set(5, start);
      out.call("bpf_skb_load_bytes_relative");
      out.keep(0);
      out.keepStack(at, 32);
    },
  }),
  defineKind({
    name: "read of __sk_buff",
    subject: "skb",
    weight: 12,
    type: "sched_cls",
    params: fc.record({
      field: fc.constantFrom(...(Object.keys(readable) as Readable[])),
      word: fc.nat({ max: 4 }),
      size: fc.constantFrom<AccessSize>(4, 4, 2, 1),
      part: fc.nat({ max: 3 }),
    }),
    covers: ({ field }) => [`__sk_buff.${field} read`],
    write(out, { field, word, size, part }) {
      const within = size < readable[field] ? part & ~(size - 1) & (4 - size) : 0;
      const offset = SkBuff.at[field] + (field === "cb" ? word * 4 : 0) + within;
      out.code.load(size, 0, 6, offset);
      out.keep(0);
      out.fold();
    },
  }),
  defineKind({
    name: "read of a long word of __sk_buff",
    subject: "skb",
    type: "sched_cls",
    params: fc.constantFrom<Field>("tstamp", "hwtstamp"),
    covers: (field) => [`__sk_buff.${field} read`],
    write(out, field) {
      out.code.load(8, 0, 6, SkBuff.at[field]);
      out.keep(0);
    },
  }),
  defineKind({
    name: "read of __sk_buff.tstamp_type",
    subject: "skb",
    type: "sched_cls",
    params: fc.constant(null),
    covers: () => ["__sk_buff.tstamp_type read"],
    write(out) {
      out.code.load(1, 0, 6, SkBuff.at.tstamp_type);
      out.keep(0);
    },
  }),
  defineKind({
    name: "write to __sk_buff",
    subject: "skb",
    weight: 8,
    type: "sched_cls",
    params: fc.record({ field: fc.constantFrom(...writable), word: fc.nat({ max: 4 }), value: anyOperand, immediate: fc.boolean() }),
    covers: ({ field }) => [`__sk_buff.${field} write`],
    write(out, { field, word, value, immediate }) {
      const offset = SkBuff.at[field] + (field === "cb" ? word * 4 : 0);
      if (immediate && "constant" in value) out.code.put(4, 6, offset, value.constant);
      else {
        out.operand(0, value);
        out.code.store(4, 6, offset, 0);
      }
    },
  }),
  defineKind({
    name: "write to __sk_buff.tstamp",
    subject: "skb",
    type: "sched_cls",
    params: anyOperand,
    covers: () => ["__sk_buff.tstamp write"],
    write(out, value) {
      out.operand(0, value);
      out.code.store(8, 6, SkBuff.at.tstamp, 0);
    },
  }),
  defineKind({
    name: "legacy load",
    subject: "skb",
    type: "sched_cls",
    // It ends the function that holds it, which a callback's caller would take for an answer.
    notIn: "held",
    params: fc.record({
      size: fc.constantFrom(0x00, 0x08, 0x10),
      offset: fc.oneof(fc.nat({ max: 120 }), fc.constantFrom(-0x1000, -0x1000 + 12, -0x100000, -0x100000 + 9, 4000)),
      indirect: fc.boolean(),
    }),
    covers: ({ indirect }) => [indirect ? "LD_IND" : "LD_ABS"],
    write(out, { size, offset, indirect }) {
      const { code } = out;
      if (indirect) {
        code.copy(8, 7);
        code.change(8, "&=", 15);
        code.emit({ code: 0x40 | size, src: 8, imm: offset });
      } else code.emit({ code: 0x20 | size, imm: offset });
      out.keep(0);
      out.fold();
    },
  }),
];
