import fc from "fast-check";
import { expect, test } from "vitest";
import type { Btf } from "../../src/bpf/btf/index.ts";
import type { MapSpec } from "../../src/bpf/spec.ts";
import { dumpMap } from "../../src/dataplane/mapContents.ts";
import { openKernel } from "../../src/kernel/index.ts";
import { BPF_F_CLONE, BPF_F_LOCK, BPF_F_NO_PREALLOC, BPF_MAP_TYPE_SK_STORAGE, EBADF } from "../../src/layout/index.ts";
import { agreedResults, keep, withKernel } from "../kernel/everyEngine.ts";
import { u32Key } from "../runtime/machine.ts";
import { listening, mapOfSockets } from "./declared.ts";
import { besideSockets, lookup, release, sockets } from "./liveSockets.ts";

const opened = openKernel();

const int = (name: string, size: number) =>
  ({ kind: "int", name, size, bits: size * 8, bitOffset: 0, signed: false, char: false, bool: false }) as const;

/** Types of a key (1) and of a value of `size` bytes (3), or of one that begins with a bpf_spin_lock (5). */
const types = (size: number): Btf => ({
  littleEndian: true,
  types: [
    { kind: "void" },
    int("int", 4),
    int("__u8", 1),
    { kind: "array", element: 2, index: 1, length: size },
    { kind: "struct", name: "bpf_spin_lock", size: 4, members: [{ name: "val", type: 1, bitOffset: 0, bitSize: 0 }] },
    {
      kind: "struct",
      name: "locked",
      size: 8,
      members: [
        { name: "lock", type: 4, bitOffset: 0, bitSize: 0 },
        { name: "number", type: 1, bitOffset: 32, bitSize: 0 },
      ],
    },
  ],
});

const storage = (name: string, valueSize = 8, rest: Partial<MapSpec> = {}): MapSpec => ({
  name,
  type: BPF_MAP_TYPE_SK_STORAGE,
  keySize: 4,
  valueSize,
  maxEntries: 0,
  flags: BPF_F_NO_PREALLOC,
  btf: types(valueSize),
  keyTypeId: 1,
  valueTypeId: 3,
  ...rest,
});

const get = (map: string, flags: number, { socket = "r8", value = "0" } = {}) =>
  `r1 = map[${map}]\nr2 = ${socket}\n${value === "0" ? "r3 = 0" : `r3 = r10\nr3 += ${value}`}\nr4 = ${flags}\ncall bpf_sk_storage_get`;
const remove = (map: string) => `r1 = map[${map}]\nr2 = r8\ncall bpf_sk_storage_delete`;

/** Keeps whether r0 is not NULL, and what it points to. */
let labels = 0;
function keepValue(index: number): string {
  const label = `null${labels++}`;
  return `r9 = 0\nr1 = 0\nif r0 == 0 goto ${label}\nr9 = 1\nr1 = *(u64 *)(r0 +0)\n${label}:\nr0 = r9\n${keep(index)}\nr0 = r1\n${keep(index + 1)}`;
}

/** A TC program on the socket that UDP packets to 127.0.0.2:53 go to, and what it finds. */
const onSocket = (text: string, results: number, maps: readonly MapSpec[], { helper = "bpf_sk_lookup_udp", to = "127.0.0.2:53" } = {}) =>
  agreedResults({ type: "sched_cls", sockets, maps, results, text: `${lookup(helper, "127.0.0.9:4000", to)}\n${text}\n${release}` });

test(`programs create, find and delete a socket's value${withKernel}`, async () => {
  await besideSockets(() => {
    const text = `
      ${get("s", 0)}
      ${keepValue(1)}
      r1 = 77
      *(u64 *)(r10 -104) = r1
      ${get("s", 1, { value: "-104" })}
      ${keepValue(3)}
      r1 = 78
      *(u64 *)(r10 -104) = r1
      ${get("s", 1, { value: "-104" })}
      ${keepValue(5)}
      ${get("s", 0)}
      ${keepValue(7)}
      ${remove("s")}
      ${keep(9)}
      ${remove("s")}
      ${keep(10)}
      ${get("s", 0)}
      ${keepValue(11)}
      ${get("s", 1)}
      ${keepValue(13)}
      ${get("s", 2)}
      ${keepValue(15)}
      ${remove("s")}
      ${keep(17)}`;
    const found = onSocket(text, 18, [storage("s", 8, { flags: BPF_F_NO_PREALLOC | BPF_F_CLONE })]);
    expect(found).toEqual([1n, 0n, 0n, 1n, 77n, 1n, 77n, 1n, 77n, 0n, -2n, 0n, 0n, 1n, 0n, 0n, 0n, 0n]);
  });
});

test(`who holds a value that was deleted does not write into the next one${withKernel}`, async () => {
  await besideSockets(() => {
    const text = `
      ${get("s", 1)}
      if r0 == 0 goto end
      r9 = r0
      ${remove("s")}
      ${get("s", 1)}
      if r0 == 0 goto end
      r1 = 5
      *(u64 *)(r9 +0) = r1
      r0 = *(u64 *)(r0 +0)
      ${keep(1)}
      r0 = *(u64 *)(r9 +0)
      ${keep(2)}
      ${remove("s")}
      end:`;
    expect(onSocket(text, 3, [storage("s")])).toEqual([1n, 0n, 5n]);
  });
});

test(`a bpf_tcp_sock stands for its socket${withKernel}`, async () => {
  await besideSockets(() => {
    const text = `
      r1 = 9
      *(u64 *)(r10 -104) = r1
      ${get("s", 1, { value: "-104" })}
      r1 = r8
      call bpf_tcp_sock
      if r0 == 0 goto end
      r9 = r0
      ${get("s", 0, { socket: "r9" })}
      ${keepValue(1)}
      ${remove("s")}
      end:`;
    expect(onSocket(text, 3, [storage("s")], { helper: "bpf_sk_lookup_tcp", to: "127.0.0.2:80" })).toEqual([1n, 1n, 9n]);
  });
});

test(`the memory that a socket may take for values ends${withKernel}`, async () => {
  await besideSockets(() => {
    // 131,072 bytes at most, 72 for each value and 176 for the first one: one byte more does not fit.
    const sizes = [
      [60000, 60000, 8],
      [65407, 65344],
      [65407, 65345],
      [65407, 65407],
    ];
    const answers = sizes.map((each) => {
      const maps = each.map((size, index) => storage(`s${index}`, size));
      const calls = each.map((_, index) => `${get(`s${index}`, 1)}\n${keepValue(1 + 2 * index)}`).join("\n");
      const ends = each.map((_, index) => remove(`s${index}`)).join("\n");
      return onSocket(`${calls}\n${ends}`, 1 + 2 * each.length, maps).filter((_, index) => index % 2 === 1);
    });
    expect(answers).toEqual([
      [1n, 1n, 1n],
      [1n, 1n],
      [1n, 0n],
      [1n, 0n],
    ]);
  });
});

test.runIf(opened.ok)(
  `user space changes values by socket${opened.ok ? ", as in the live kernel" : " (skipped: no live kernel)"}`,
  async () => {
    const held = [await listening(), await listening()];
    const locked = storage("locked", 8, { valueTypeId: 5 });
    try {
      for (const spec of [storage("plain"), locked]) {
        fc.assert(
          fc.property(
            fc.array(
              fc.record({
                kind: fc.constantFrom("update", "update", "delete", "lookup", "nextKey", "take"),
                socket: fc.constantFrom(0, 0, 1, -1),
                flags: fc.constantFrom(0, 0, 1, 2, 3, BPF_F_LOCK, BPF_F_LOCK | 1, BPF_F_LOCK | 2, 8),
                value: fc.nat(1000),
              }),
              { maxLength: 20 },
            ),
            (operations) => {
              if (!opened.ok) return;
              const ours = mapOfSockets(spec);
              const theirs = opened.value.createMap(spec);
              try {
                for (const { kind, socket, flags, value } of operations) {
                  const ourKey = u32Key(socket < 0 ? 99 : socket + 1);
                  const theirKey = u32Key(socket < 0 ? 9999 : held[socket]!.fd);
                  const bytes = new Uint8Array(8);
                  new DataView(bytes.buffer).setUint32(4, value, true);
                  if (kind === "update") expect(ours.update(ourKey, bytes, flags)).toBe(theirs.update(theirKey, bytes, flags));
                  else if (kind === "delete") expect(ours.delete(ourKey)).toBe(theirs.delete(theirKey));
                  else if (kind === "lookup") expect(ours.lookup(ourKey)).toEqual(theirs.lookup(theirKey));
                  else {
                    expect(theirs.answer(kind, theirKey)).toBeLessThan(0);
                    expect(kind === "take" ? ours.lookupAndDelete(ourKey) : ours.nextKey(ourKey)).toBeUndefined();
                  }
                }
              } finally {
                theirs.close();
              }
            },
          ),
          { numRuns: 60 },
        );
      }
    } finally {
      for (const { server } of held) server.close();
    }
  },
);

test("entries and dumps show the sockets that have values, under the numbers of their declarations", () => {
  const map = mapOfSockets(storage("s", 4, { valueTypeId: 1, btf: types(4) }));
  expect([...map.entries()]).toEqual([]);
  expect(map.update(u32Key(2), u32Key(5))).toBe(0);
  expect([...map.entries()]).toEqual([[u32Key(2), u32Key(5)]]);
  expect([...map.keys()]).toEqual([u32Key(2)]);
  expect(map.used).toBe(1);
  expect(dumpMap(map)).toEqual([{ key: 2, value: 5 }]);
  map.update(u32Key(1), u32Key(6));
  expect(map.lookup(u32Key(1))).toEqual(u32Key(6));
  map.clear();
  expect(map.used).toBe(0);
});

test("what is left of a connection has no values", () => {
  const map = mapOfSockets(storage("s"), ["tcp time-wait 127.0.0.1:81 127.0.0.1:82"]);
  expect(map.update(u32Key(1), new Uint8Array(8))).toBe(-EBADF);
  const text = `${lookup("bpf_skc_lookup_tcp", "127.0.0.1:82", "127.0.0.1:81")}\n${get("s", 1)}\n${keepValue(1)}\n${remove("s")}\n${keep(3)}\n${release}`;
  const timeWait = ["tcp time-wait 127.0.0.1:81 127.0.0.1:82"];
  expect(agreedResults({ type: "sched_cls", sockets: timeWait, maps: [storage("s")], results: 4, text, kernel: false })).toEqual([
    1n,
    0n,
    0n,
    -22n,
  ]);
});
