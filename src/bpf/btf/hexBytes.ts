import type { Result } from "../../problem/index.ts";
import { asResult, shown, ValueWalk, writeInteger } from "./typedValue.ts";

const noTypes = { types: [{ kind: "void" } as const], littleEndian: true };

/** Bytes in memory order, as "0a 00 00 01": the form of a value without a type. */
export const formatHex = (bytes: Uint8Array): string => Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join(" ");

/** "0a 00 00 01", "0a:00:00:01", "0x0a 0x00 …", "hex 0a …" or "0a000001": bytes in memory order; null for anything else. */
export function parseHex(text: string): Uint8Array | null {
  const digits = text
    .trim()
    .replace(/^hex\s+/, "")
    .split(/[\s:,]+/)
    .filter((part) => part !== "")
    .map((part) => part.replace(/^0x/i, ""));
  if (!digits.every((part) => /^(?:[0-9a-fA-F]{2})+$/.test(part))) return null;
  const joined = digits.join("");
  return Uint8Array.from({ length: joined.length / 2 }, (_, index) => Number.parseInt(joined.slice(index * 2, index * 2 + 2), 16));
}

/**
 * Bytes of a value that has a size but no type: hexadecimal bytes, a list of bytes (numbers, or strings such as "0x0a"), or, for a size of 1, 2, 4 or 8,
 * a number, stored in little-endian order.
 */
export function encodeUntyped(size: number, value: unknown, root = "value"): Result<Uint8Array> {
  return asResult(() => {
    const walk = new ValueWalk(noTypes, root);
    const bytes = untypedBytes(walk, size, value);
    if (bytes.length !== size) walk.fail("value_wrong_size", { size: bytes.length, type: "without a name", expected: size });
    return bytes;
  });
}

function untypedBytes(walk: ValueWalk, size: number, value: unknown): Uint8Array {
  if (typeof value === "string") {
    const bytes = parseHex(value);
    if (bytes?.length === size) return bytes;
    if (/^\d+$/.test(value) && [1, 2, 4, 8].includes(size)) return integerBytes(walk, size, BigInt(value));
    return bytes ?? walk.fail("value_wrong_form", { given: shown(value), expected: 'bytes such as "0a 00 00 01"' });
  }
  if (Array.isArray(value)) {
    return Uint8Array.from(value, (one: unknown, index) => {
      const byte = typeof one === "string" ? Number(one) : one;
      if (typeof byte === "number" && Number.isInteger(byte) && byte >= 0 && byte <= 255) return byte;
      return walk.inside(`[${index}]`, () => walk.fail("value_out_of_range", { given: shown(one), type: "a byte" }));
    });
  }
  if (typeof value === "bigint" || (typeof value === "number" && Number.isSafeInteger(value))) {
    if ([1, 2, 4, 8].includes(size)) return integerBytes(walk, size, BigInt(value));
  }
  return walk.fail("value_wrong_form", { given: shown(value), expected: `${size} bytes such as "0a 00 00 01"` });
}

function integerBytes(walk: ValueWalk, size: number, value: bigint): Uint8Array {
  const bits = size * 8;
  if (BigInt.asUintN(bits, value) !== value && BigInt.asIntN(bits, value) !== value)
    walk.fail("value_out_of_range", { given: value, type: `${size} bytes` });
  const bytes = new Uint8Array(size);
  writeInteger(bytes, 0, size, true, value);
  return bytes;
}
