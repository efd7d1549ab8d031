import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { openKernel } from "../../src/kernel/index.ts";
import { BPF_MAP_TYPE_SOCKHASH, BPF_MAP_TYPE_SOCKMAP, EBADF, Socket } from "../../src/layout/index.ts";
import { agreedResults, keep, withKernel } from "../kernel/everyEngine.ts";
import { mapSpec, u32Key } from "../runtime/machine.ts";
import { listening, mapOfSockets } from "./declared.ts";
import { besideSockets, lookup, release, sockets } from "./liveSockets.ts";

const opened = openKernel();

const kinds = [
  { name: "SOCKMAP", type: BPF_MAP_TYPE_SOCKMAP, absent: -22n },
  { name: "SOCKHASH", type: BPF_MAP_TYPE_SOCKHASH, absent: -2n },
] as const;

const setKey = (key: number) => `r1 = ${key}\n*(u32 *)(r10 -104) = r1\nr1 = map[m]\nr2 = r10\nr2 += -104`;
const update = (key: number, flags: number) => `${setKey(key)}\nr3 = r8\nr4 = ${flags}\ncall bpf_map_update_elem`;
const remove = (key: number) => `${setKey(key)}\ncall bpf_map_delete_elem`;

let labels = 0;
/** Looks the key up and keeps the found socket's own port, 0 for none. */
function portOf(key: number, index: number): string {
  const label = `none${++labels}x`;
  return `${setKey(key)}\ncall bpf_map_lookup_elem\nr9 = 0\nif r0 == 0 goto ${label}\nr1 = r0\nr9 = *(u32 *)(r0 +${Socket.at.src_port})\ncall bpf_sk_release\n${label}:\nr0 = r9\n${keep(index)}`;
}

describe.each(kinds)("$name", ({ type, absent }) => {
  const map = mapSpec(type, { name: "m", valueSize: 8, maxEntries: 2 });

  test.each(["xdp", "sched_cls"] as const)(`%s programs put sockets in, find them and take them out${withKernel}`, async (program) => {
    await besideSockets(() => {
      for (const [helper, to] of [
        ["bpf_sk_lookup_tcp", "127.0.0.2:80"],
        ["bpf_sk_lookup_tcp", "127.0.0.2:81"],
        ["bpf_sk_lookup_udp", "127.0.0.2:53"],
        ["bpf_sk_lookup_udp", "[::1]:55"],
      ] as const) {
        const from = to.startsWith("[") ? "[::1]:4000" : "127.0.0.9:4000";
        const text = `${lookup(helper, from, to)}
          ${portOf(1, 1)}
          ${update(1, 2)}\n${keep(2)}
          ${update(1, 0)}\n${keep(3)}
          ${portOf(1, 4)}
          ${update(1, 1)}\n${keep(5)}
          ${update(1, 2)}\n${keep(6)}
          ${update(1, 3)}\n${keep(7)}
          ${update(1, 4)}\n${keep(8)}
          ${update(0, 0)}\n${keep(9)}
          ${update(2, 0)}\n${keep(10)}
          ${portOf(2, 11)}
          ${remove(1)}\n${keep(12)}
          ${remove(1)}\n${keep(13)}
          ${remove(2)}\n${keep(14)}
          ${portOf(1, 15)}
          ${release}`;
        const port = BigInt(to.split(":").at(-1)!);
        expect(agreedResults({ type: program, sockets, maps: [map], results: 16, text })).toEqual([
          ...[1n, 0n, -2n, 0n, port, -17n, 0n, -22n, -22n, 0n, -7n, 0n, 0n, absent, absent, 0n],
        ]);
      }
    });
  });

  test("takes no remains of a connection", () => {
    const text = `${lookup("bpf_skc_lookup_tcp", "127.0.0.1:82", "127.0.0.1:81")}\n${update(1, 0)}\n${keep(1)}\n${release}`;
    const timeWait = ["tcp time-wait 127.0.0.1:81 127.0.0.1:82"];
    expect(agreedResults({ sockets: timeWait, maps: [map], results: 2, text, kernel: false })).toEqual([1n, -22n]);
  });

  test.runIf(opened.ok)(`user space changes it${opened.ok ? ", as in the live kernel" : " (skipped: no live kernel)"}`, async () => {
    const held = [await listening(), await listening()];
    const number = (value: number, size: number): Uint8Array => {
      const bytes = new Uint8Array(size);
      new DataView(bytes.buffer).setUint32(0, value, true);
      return bytes;
    };
    try {
      fc.assert(
        fc.property(
          fc.constantFrom(4, 8),
          fc.array(
            fc.record({
              kind: fc.constantFrom("update", "update", "delete", "lookup", "nextKey"),
              key: fc.nat(3),
              socket: fc.constantFrom(0, 1, -1, -2),
              flags: fc.constantFrom(0, 0, 1, 2, 3, 4),
            }),
            { maxLength: 25 },
          ),
          (valueSize, operations) => {
            if (!opened.ok) return;
            const spec = mapSpec(type, { valueSize, maxEntries: 3 });
            const ours = mapOfSockets(spec);
            const theirs = opened.value.createMap(spec);
            try {
              for (const { kind, key, socket, flags } of operations) {
                const at = u32Key(key);
                if (kind === "update") {
                  const [our, their] =
                    socket === -1 ? [99, 9999] : socket === -2 ? [0x80000000, 0x80000000] : [socket + 1, held[socket]!.fd];
                  const answer = theirs.update(at, number(their, valueSize), flags);
                  expect(ours.update(at, number(our, valueSize), flags)).toBe(answer);
                } else if (kind === "delete") expect(ours.delete(at)).toBe(theirs.delete(at));
                // The kernel reads values of 8 bytes only, and gives cookies; of a SOCKHASH no order of keys is promised.
                else if (kind === "lookup" && valueSize === 8) expect(ours.lookup(at) === undefined).toBe(theirs.answer("lookup", at) < 0);
                else if (kind === "nextKey" && type === BPF_MAP_TYPE_SOCKMAP)
                  expect(ours.nextKey(at) === undefined).toBe(theirs.answer("nextKey", at) < 0);
              }
            } finally {
              theirs.close();
            }
          },
        ),
        { numRuns: 60 },
      );
    } finally {
      for (const { server } of held) server.close();
    }
  });

  test("shows the sockets in it by the numbers of their declarations", () => {
    const ours = mapOfSockets(mapSpec(type, { valueSize: 4, maxEntries: 3 }));
    expect(ours.update(u32Key(2), u32Key(2))).toBe(0);
    expect([...ours.entries()]).toEqual([[u32Key(2), u32Key(2)]]);
    expect([ours.lookup(u32Key(2)), ours.lookup(u32Key(1))]).toEqual([u32Key(2), undefined]);
    expect(ours.update(u32Key(2), u32Key(3))).toBe(-EBADF);
    ours.clear();
    expect(ours.used).toBe(0);
  });
});
