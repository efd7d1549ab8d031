import { expect, test } from "vitest";
import { type Btf, type BtfType, decodeValue, encodeUntyped, encodeValue, formatHex } from "../../../src/bpf/btf/index.ts";

const int = (name: string, size: number, signed = false): BtfType => ({
  ...{ kind: "int", name, size, bits: size * 8, bitOffset: 0 },
  ...{ signed, char: false, bool: name === "_Bool" },
});

/** struct flow { __be32 saddr; __u16 port; __u8 mac[6]; char name[8]; enum fate fate; unsigned syn:1, state:3; int delta:12; struct { __u64 packets; }; }; */
const btf: Btf = {
  littleEndian: true,
  types: [
    { kind: "void" },
    int("unsigned int", 4),
    int("unsigned short", 2),
    int("unsigned char", 1),
    int("char", 1, true),
    { kind: "array", element: 3, index: 1, length: 6 },
    { kind: "array", element: 4, index: 1, length: 8 },
    {
      kind: "enum",
      name: "fate",
      size: 4,
      signed: false,
      values: [
        { name: "FATE_DROP", value: 1n },
        { name: "FATE_PASS", value: 2n },
      ],
    },
    int("int", 4, true),
    int("unsigned long long", 8),
    { kind: "struct", name: "", size: 8, members: [{ name: "packets", type: 9, bitOffset: 0, bitSize: 0 }] },
    {
      kind: "struct",
      name: "flow",
      size: 40,
      members: [
        { name: "saddr", type: 1, bitOffset: 0, bitSize: 0 },
        { name: "port", type: 2, bitOffset: 32, bitSize: 0 },
        { name: "mac", type: 5, bitOffset: 48, bitSize: 0 },
        { name: "name", type: 6, bitOffset: 96, bitSize: 0 },
        { name: "fate", type: 7, bitOffset: 160, bitSize: 0 },
        { name: "syn", type: 1, bitOffset: 192, bitSize: 1 },
        { name: "state", type: 1, bitOffset: 193, bitSize: 3 },
        { name: "delta", type: 8, bitOffset: 196, bitSize: 12 },
        { name: "", type: 10, bitOffset: 256, bitSize: 0 },
      ],
    },
  ],
};
const FLOW = 11;

const flow = {
  ...{ saddr: 0x0100000a, port: 443, mac: [2, 0, 0, 0, 0, 1], name: "eth0", fate: "FATE_PASS" },
  ...{ syn: 1, state: 5, delta: -3, packets: "18446744073709551615" },
};

test("a struct is written member by member, bitfields and anonymous members too", () => {
  const bytes = encodeValue(btf, FLOW, flow);
  expect(bytes.ok && formatHex(bytes.value)).toBe(
    "0a 00 00 01 bb 01 02 00 00 00 00 01 65 74 68 30 00 00 00 00 02 00 00 00 db ff 00 00 00 00 00 00 ff ff ff ff ff ff ff ff",
  );
  expect(bytes.ok && decodeValue(btf, FLOW, bytes.value)).toEqual({ ok: true, value: flow });
});

test("addresses may be written as people write them, in packet order", () => {
  const text = encodeValue(btf, FLOW, { saddr: "10.0.0.1", mac: "02:00:00:00:00:01" });
  const numbers = encodeValue(btf, FLOW, { saddr: 0x0100000a, mac: [2, 0, 0, 0, 0, 1] });
  expect(text).toMatchObject({ ok: true });
  expect(text).toEqual(numbers);
});

test("a wrong member is named with its path", () => {
  const message = (value: unknown) => {
    const result = encodeValue(btf, FLOW, value, "flows.value");
    return result.ok ? "fine" : result.problem.message;
  };
  expect(message({ port: 65536 })).toBe("flows.value.port: 65536 does not fit unsigned short (unsigned, 16 bits)");
  expect(message({ state: 8 })).toBe("flows.value.state: 8 does not fit unsigned int (unsigned, 3 bits)");
  expect(message({ mac: [0, 1, 256] })).toBe("flows.value.mac[2]: 256 does not fit unsigned char (unsigned, 8 bits)");
  expect(message({ mac: [1, 2, 3, 4, 5, 6, 7] })).toBe("flows.value.mac: 7 elements given, unsigned char[6] holds 6");
  expect(message({ fate: "FATE_TX" })).toBe("flows.value.fate: enum fate has no enumerator FATE_TX");
  expect(message({ dport: 1 })).toBe("flows.value: struct flow has no member dport");
  expect(message([1])).toBe("flows.value: [1] given, expected an object for struct flow");
});

test("a value that is too short is refused", () => {
  expect(decodeValue(btf, FLOW, new Uint8Array(39))).toMatchObject({ ok: false, problem: { code: "value_wrong_size" } });
});

test("without a type, a value is hexadecimal bytes, a list of bytes, or a number of a machine's size", () => {
  const bytes = (size: number, value: unknown) => {
    const result = encodeUntyped(size, value);
    return result.ok ? formatHex(result.value) : result.problem.message;
  };
  expect(bytes(4, "0a 00 00 01")).toBe("0a 00 00 01");
  expect(bytes(4, "0a000001")).toBe("0a 00 00 01");
  expect(bytes(4, ["0x0a", "0x00", 0, 1])).toBe("0a 00 00 01");
  expect(bytes(4, 0x0a000001)).toBe("01 00 00 0a");
  expect(bytes(3, "0a 00")).toBe("value has 2 bytes, but its type without a name has 3");
  expect(bytes(4, 2 ** 32)).toBe("value: 4294967296 does not fit 4 bytes");
});

test("types that contain themselves, or each other many times, end in a problem", () => {
  const loop: Btf = { littleEndian: true, types: [{ kind: "void" }, { kind: "typedef", name: "a", type: 1 }] };
  expect(decodeValue(loop, 1, new Uint8Array(4))).toMatchObject({ ok: false, problem: { code: "btf_cyclic" } });
  const self: Btf = {
    littleEndian: true,
    types: [{ kind: "void" }, { kind: "struct", name: "s", size: 4, members: [{ name: "s", type: 1, bitOffset: 0, bitSize: 0 }] }],
  };
  expect(decodeValue(self, 1, new Uint8Array(4))).toMatchObject({ ok: false, problem: { code: "value_too_complex" } });
});

test("arrays of more elements than numbers go are too large, even of elements without a size", () => {
  const arrays = Array.from({ length: 40 }, (_, index): BtfType => ({ kind: "array", element: index + 2, index: 1, length: 0xffffffff }));
  const endless: Btf = { littleEndian: true, types: [{ kind: "void" }, ...arrays, { kind: "struct", name: "none", size: 0, members: [] }] };
  expect(decodeValue(endless, 1, new Uint8Array(0))).toMatchObject({ ok: false, problem: { code: "btf_too_large" } });
});
