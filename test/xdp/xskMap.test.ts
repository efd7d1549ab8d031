import { expect, test } from "vitest";
import { BPF_MAP_TYPE_XSKMAP } from "../../src/layout/index.ts";
import { createMap } from "../../src/runtime/index.ts";
import { agreedResults, keep, withKernel } from "../kernel/everyEngine.ts";
import { mapSpec, TestMachine, u32Key } from "../runtime/machine.ts";

const sockets = mapSpec(BPF_MAP_TYPE_XSKMAP, { name: "sockets", valueSize: 4, maxEntries: 4 });

/** Looks queue `key` up, as programs do before they redirect: the socket's queue_id, -1 without one. */
const lookup = (key: number, index: number): string => `
  *(u32 *)(r10 -4) = ${key}
  r1 = map[sockets]
  r2 = r10
  r2 += -4
  call bpf_map_lookup_elem
  r1 = r0
  r0 = -1
  if r1 == 0 goto none${index}
  r0 = *(u32 *)(r1 +0)
  none${index}: ${keep(index)}`;

const redirect = (key: number, flags: string, index: number): string => `
  r1 = map[sockets]
  r2 = ${key}
  r3 = ${flags}
  call bpf_redirect_map
  ${keep(index)}`;

test(`a map without AF_XDP sockets: lookups find none, redirects give the action that the flags ask for${withKernel}`, () => {
  const text = `
    ${lookup(0, 0)}
    ${lookup(4, 1)}
    ${redirect(0, "0", 2)}
    ${redirect(0, "1", 3)}
    ${redirect(3, "2", 4)}
    ${redirect(4, "3", 5)}
    ${redirect(0, "4", 6)}
    ${redirect(0, "8", 7)}
    ${redirect(0, "0x100000002 ll", 8)}
    r0 = 2
    exit`;
  expect(agreedResults({ maps: [sockets], results: 9, text })).toEqual([-1n, -1n, 0n, 1n, 2n, 3n, 0n, 0n, 0n]);
  const tc = `${lookup(0, 0)}\n${lookup(9, 1)}\nr0 = 0\nexit`;
  expect(agreedResults({ type: "sched_cls", maps: [sockets], results: 2, text: tc })).toEqual([-1n, -1n]);
});

test("user space finds no socket in it either", () => {
  const map = createMap(new TestMachine(1).host, sockets);
  expect([map.lookup(u32Key(0)), map.used, map.delete(u32Key(0))]).toEqual([undefined, 0, 0]);
});
