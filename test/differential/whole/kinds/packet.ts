import fc from "fast-check";
import type { AccessSize } from "../../../../src/bpf/isa/index.ts";
import { type AnyKind, anyNumber, anyOperand, defineKind, upTo } from "../statement.ts";

const size = fc.constantFrom<AccessSize>(1, 2, 4, 8);
/** Offsets into a packet: mostly in its headers. */
const offset = fc.oneof({ weight: 4, arbitrary: fc.nat({ max: 60 }) }, { weight: 1, arbitrary: fc.nat({ max: 1500 }) });
const start = fc.constantFrom<"data" | "data_meta">("data", "data", "data", "data_meta");

export const packetKinds: readonly AnyKind[] = [
  defineKind({
    name: "packet load",
    subject: "packet",
    params: fc.record({ size, offset, start, signed: fc.boolean() }),
    covers: ({ start: from }) => [from === "data" ? "packet load" : "metadata load"],
    write(out, { size: bytes, offset: at, start: from, signed }) {
      const { code } = out;
      const end = code.label();
      out.packet(at, bytes, end, from);
      code.load(bytes, 0, 8, 0);
      if (signed && bytes < 8) code.emit({ code: 0x81 | { 4: 0, 2: 8, 1: 0x10, 8: 0x18 }[bytes], dst: 0, src: 8, offset: 0 });
      out.keep(0);
      out.fold();
      code.place(end);
    },
  }),
  defineKind({
    name: "packet store",
    subject: "packet",
    params: fc.record({ size, offset, start, value: anyOperand }),
    covers: ({ start: from }) => [from === "data" ? "packet store" : "metadata store"],
    write(out, { size: bytes, offset: at, start: from, value }) {
      const { code } = out;
      const end = code.label();
      out.packet(at, bytes, end, from);
      out.operand(0, value);
      code.store(bytes, 8, 0, 0);
      code.place(end);
    },
  }),
  defineKind({
    name: "packet access at a variable offset",
    subject: "packet",
    params: fc.record({ size, mask: fc.constantFrom(7, 15, 31, 63), value: anyNumber }),
    covers: () => ["packet access at a variable offset"],
    write(out, { size: bytes, mask, value }) {
      const { code } = out;
      const end = code.label();
      const fields = out.fields;
      code.load(4, 8, 6, fields.data);
      code.load(4, 3, 6, fields.data_end);
      code.copy(9, 7);
      code.change(9, "&=", mask);
      code.combine(8, "+=", 9);
      code.copy(2, 8);
      code.change(2, "+=", bytes);
      code.whenRegister(2, ">", 3, end);
      code.load(bytes, 0, 8, 0);
      code.put(bytes, 8, 0, value);
      out.keep(0);
      out.fold();
      code.place(end);
    },
  }),
  defineKind({
    name: "bpf_xdp_adjust_head",
    subject: "packet",
    type: "xdp",
    params: fc.oneof(fc.integer({ min: -40, max: 40 }), fc.integer({ min: -300, max: 300 })),
    covers: () => ["bpf_xdp_adjust_head"],
    write(out, delta) {
      out.code.copy(1, 6);
      out.code.set(2, delta);
      out.call("bpf_xdp_adjust_head");
      out.keep(0);
      out.fold();
    },
  }),
  defineKind({
    name: "bpf_xdp_adjust_meta",
    subject: "packet",
    type: "xdp",
    params: fc.oneof(
      fc.integer({ min: -12, max: 4 }).map((words) => words * 4),
      fc.integer({ min: -300, max: 50 }),
    ),
    covers: () => ["bpf_xdp_adjust_meta"],
    write(out, delta) {
      out.code.copy(1, 6);
      out.code.set(2, delta);
      out.call("bpf_xdp_adjust_meta");
      out.keep(0);
    },
  }),
  defineKind({
    name: "bpf_xdp_adjust_tail",
    subject: "packet",
    type: "xdp",
    params: fc.oneof(fc.integer({ min: -100, max: 60 }), fc.integer({ min: -4000, max: 4000 })),
    covers: () => ["bpf_xdp_adjust_tail"],
    write(out, delta) {
      out.code.copy(1, 6);
      out.code.set(2, delta);
      out.call("bpf_xdp_adjust_tail");
      out.keep(0);
    },
  }),
  ...(["xdp", "sched_cls"] as const).flatMap((type) => {
    const [load, store] = type === "xdp" ? ["bpf_xdp_load_bytes", "bpf_xdp_store_bytes"] : ["bpf_skb_load_bytes", "bpf_skb_store_bytes"];
    return [
      defineKind({
        name: load,
        subject: "packet",
        type,
        params: fc.record({
          offset: fc.oneof(upTo(127), upTo(4000), anyOperand),
          length: fc.integer({ min: 1, max: 32 }),
          seed: fc.nat({ max: 255 }),
        }),
        covers: () => [load],
        stack: 32,
        write(out, { offset: at, length, seed }) {
          const { code } = out;
          const buffer = out.buffer(32, seed);
          code.copy(1, 6);
          out.operand(2, at);
          code.frame(3, buffer);
          code.set(4, length);
          out.call(load);
          out.keep(0);
          out.keepStack(buffer, 32);
          out.fold();
        },
      }),
      defineKind({
        name: store,
        subject: "packet",
        type,
        params: fc.record({
          offset: fc.oneof(upTo(127), upTo(4000), anyOperand),
          length: fc.integer({ min: 1, max: 32 }),
          seed: fc.nat({ max: 0xffff }),
          flags: fc.constantFrom(0, 0, 1, 2, 3, 4),
        }),
        covers: () => [store],
        stack: 32,
        write(out, { offset: at, length, seed, flags }) {
          const { code } = out;
          const buffer = out.buffer(32, seed);
          code.copy(1, 6);
          out.operand(2, at);
          code.frame(3, buffer);
          code.set(4, length);
          if (type === "sched_cls") code.set(5, flags);
          out.call(store);
          out.keep(0);
        },
      }),
    ];
  }),
  defineKind({
    name: "bpf_xdp_pull_data",
    subject: "packet",
    type: "xdp",
    params: fc.oneof(fc.nat({ max: 200 }), fc.nat({ max: 4000 })),
    covers: () => ["bpf_xdp_pull_data"],
    write(out, length) {
      out.code.copy(1, 6);
      out.code.set(2, length);
      out.kfunc("bpf_xdp_pull_data");
      out.keep(0);
    },
  }),
  defineKind({
    name: "bpf_xdp_get_buff_len",
    subject: "packet",
    type: "xdp",
    params: fc.constant(null),
    covers: () => ["bpf_xdp_get_buff_len"],
    write(out) {
      out.code.copy(1, 6);
      out.call("bpf_xdp_get_buff_len");
      out.keep(0);
      out.fold();
    },
  }),
];
