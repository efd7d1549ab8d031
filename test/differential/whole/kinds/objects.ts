import fc from "fast-check";
import type { AccessSize } from "../../../../src/bpf/isa/index.ts";
import { type AnyKind, anyOperand, defineKind } from "../statement.ts";
import { formats } from "../texts.ts";

/** kfuncs that hand out something of the kernel's, or take an address for what it is not. */
export const objectKinds: readonly AnyKind[] = [
  defineKind({
    name: "bpf_lookup_system_key",
    subject: "surroundings",
    weight: 2,
    params: fc.constantFrom(0n, 1n, 2n, 3n, -1n, 1n << 32n),
    covers: () => ["bpf_lookup_system_key", "bpf_key_put"],
    write(out, number) {
      const { code } = out;
      const none = code.label();
      code.setWide(1, number);
      out.kfunc("bpf_lookup_system_key");
      code.set(9, 0);
      code.when(0, "==", 0, none);
      code.copy(8, 0);
      code.load(1, 9, 8, 8);
      code.change(9, "+=", 1);
      code.copy(1, 8);
      out.kfunc("bpf_key_put");
      code.place(none);
      out.keep(9);
    },
  }),
  defineKind({
    name: "bpf_rdonly_cast",
    subject: "surroundings",
    weight: 2,
    params: fc.record({ offset: fc.nat({ max: 100 }), size: fc.constantFrom<AccessSize>(1, 2, 4, 8) }),
    covers: () => ["bpf_rdonly_cast"],
    write(out, { offset, size }) {
      const { code } = out;
      out.sharedBuffer(1, offset);
      // Type 0 is void: memory that may be read anyhow.
      code.set(2, 0);
      out.kfunc("bpf_rdonly_cast");
      code.load(size, 8, 0, 0);
      out.keep(8);
    },
  }),
  defineKind({
    name: "bpf_stream_vprintk_impl",
    subject: "strings",
    weight: 2,
    params: fc.record({ format: fc.nat({ max: 6 }), value: anyOperand, stream: fc.constantFrom(0, 3, 0), size: fc.constantFrom(0, 8, 7) }),
    covers: () => ["bpf_stream_vprintk_impl, no such stream"],
    stack: 8,
    write(out, { format, value, stream, size }) {
      const { code } = out;
      const at = out.stack(8);
      out.operand(0, value);
      code.store(8, 10, at, 0);
      code.set(1, stream);
      out.readOnly(2, formats[format]!.offset);
      code.frame(3, at);
      code.set(4, size);
      code.set(5, 0);
      out.kfunc("bpf_stream_vprintk_impl");
      out.keep(0);
    },
  }),
];
