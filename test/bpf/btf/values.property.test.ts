import fc from "fast-check";
import { expect, test } from "vitest";
import { decodeValue, encodeValue } from "../../../src/bpf/btf/index.ts";
import { shapes, typesOf } from "./randomTypes.ts";

test("a value that was read from bytes is written back as bytes that read the same", () => {
  fc.assert(
    fc.property(shapes, fc.boolean(), fc.infiniteStream(fc.nat(255)), (shape, littleEndian, stream) => {
      const { btf, id, size } = typesOf(shape, littleEndian);
      const bytes = Uint8Array.from({ length: size }, () => stream.next().value);
      const value = decodeValue(btf, id, bytes);
      expect(value).toMatchObject({ ok: true });
      if (!value.ok) return;
      const throughText: unknown = JSON.parse(JSON.stringify(value.value));
      const back = encodeValue(btf, id, throughText);
      if (!back.ok) throw new Error(back.problem.message);
      expect(back.value.length).toBe(size);
      expect(decodeValue(btf, id, back.value)).toEqual(value);
    }),
    { numRuns: 2000 },
  );
});

test("whatever is given for a value is written, or refused by name", () => {
  fc.assert(
    fc.property(shapes, fc.jsonValue(), (shape, value) => {
      const { btf, id, size } = typesOf(shape, true);
      const bytes = encodeValue(btf, id, value, "flow");
      if (bytes.ok) expect(bytes.value.length).toBe(size);
      else expect(bytes.problem.message).toMatch(/^flow/);
    }),
    { numRuns: 1000 },
  );
});
