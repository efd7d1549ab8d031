import { expect, test } from "vitest";
import { agreedResults, keep, withKernel } from "../kernel/everyEngine.ts";

/** Offsets in struct __sk_buff. */
const queueMapping = 12;
const tcIndex = 44;
const tcClassid = 72;

/** Stores to a field of the context in r7, each followed by a look at what it holds. */
const stores = (field: number) =>
  [
    "r1 = 0xfffe\n*(u32 *)(r7 + FIELD) = r1",
    "r1 = 0xffff\n*(u32 *)(r7 + FIELD) = r1",
    "r1 = 0x12345\n*(u32 *)(r7 + FIELD) = r1",
    "r1 = 0x500000007 ll\n*(u32 *)(r7 + FIELD) = r1",
    "r1 = -1\n*(u32 *)(r7 + FIELD) = r1",
    "r1 = 7\n*(u32 *)(r7 + FIELD) = r1",
    "*(u32 *)(r7 + FIELD) = 0x23456",
    "*(u32 *)(r7 + FIELD) = 0xffff",
    "*(u32 *)(r7 + FIELD) = 0xfffe",
    "*(u32 *)(r7 + FIELD) = -2",
    "*(u32 *)(r7 + FIELD) = 3",
  ]
    .map((text, index) => `${text}\nr0 = *(u32 *)(r7 + FIELD)\n${keep(index)}`)
    .join("\n")
    .replaceAll("FIELD", String(field));

test.each([
  ["queue_mapping", queueMapping, [0xfffe, 0xfffe, 0xfffe, 0xfffe, 0xfffe, 7, 7, 7, 0xfffe, 0xfffe, 3]],
  ["tc_index", tcIndex, [0xfffe, 0xffff, 0x2345, 7, 0xffff, 7, 0x3456, 0xffff, 0xfffe, 0xfffe, 3]],
  ["tc_classid", tcClassid, [0xfffe, 0xffff, 0x2345, 7, 0xffff, 7, 0x3456, 0xffff, 0xfffe, 0xfffe, 3]],
] as const)(`%s holds 16 bits${withKernel}`, (_, field, wanted) => {
  const results = agreedResults({ type: "sched_cls", results: 11, text: `${stores(field)}\nr0 = 0\nexit` });
  expect(results.map(Number)).toEqual(wanted);
});

test(`wherever the context's address comes from; other memory holds what is stored${withKernel}`, () => {
  const results = agreedResults({
    type: "sched_cls",
    results: 4,
    text: `*(u64 *)(r10 - 8) = r7
      r1 = 0x12345
      r2 = *(u64 *)(r10 - 8)
      *(u32 *)(r2 + ${tcIndex}) = r1
      r0 = *(u32 *)(r7 + ${tcIndex})\n${keep(0)}
      r2 = r10
      r2 += -64
      *(u32 *)(r2 + ${tcIndex}) = r1
      r0 = *(u32 *)(r10 - ${64 - tcIndex})\n${keep(1)}
      r1 = r7
      r2 = 0x23456
      call other
      r0 = *(u32 *)(r7 + ${tcClassid})\n${keep(2)}
      r2 = *(u32 *)(r7 + 76)
      r3 = *(u32 *)(r7 + 80)
      r4 = r2
      r4 += 60
      if r4 > r3 goto out
      r1 = 0x34567
      *(u32 *)(r2 + ${tcIndex}) = r1
      *(u32 *)(r2 + ${queueMapping}) = 0x45678
      r0 = *(u32 *)(r2 + ${tcIndex})\n${keep(3)}
      out: r0 = 0
      exit
      other: *(u32 *)(r1 + ${tcClassid}) = r2
      r0 = 0
      exit`,
  });
  expect(results).toEqual([0x2345n, 0x12345n, 0x3456n, 0x34567n]);
});
