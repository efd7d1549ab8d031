import fc from "fast-check";
import type { MapName } from "../mapCatalog.ts";
import { type AnyKind, anyOperand, defineKind, type Operand, upTo } from "../statement.ts";
import { constants, plainCalls } from "./calls.ts";

const redirectMaps = { devmap: "DEVMAP", devmap_hash: "DEVMAP_HASH", xskmap: "XSKMAP", cpumap: "CPUMAP" } as const satisfies Partial<
  Record<MapName, string>
>;
type RedirectMap = keyof typeof redirectMaps;
/** Making and taking down an entry of a CPUMAP starts and ends a thread of the kernel. */
const redirectMap = fc.oneof(
  { weight: 12, arbitrary: fc.constantFrom<RedirectMap>("devmap", "devmap_hash", "xskmap") },
  { weight: 1, arbitrary: fc.constant<RedirectMap>("cpumap") },
);
/** BPF_F_BROADCAST and BPF_F_EXCLUDE_INGRESS, the actions of a miss, and what is unknown. */
const redirectFlags = constants(0, 0, 1, 2, 3, 4, 8, 8 | 16, 16, 32);

const ifindex: fc.Arbitrary<Operand> = fc.oneof(constants(0, 1, 999), anyOperand);

export const verdictKinds: readonly AnyKind[] = [
  ...plainCalls([
    { name: "bpf_redirect", subject: "verdict", args: [ifindex, constants(0, 0, 1, 2, 4, 3)] },
    { name: "bpf_redirect_peer", subject: "verdict", type: "sched_cls", args: [ifindex, constants(0, 0, 1)] },
    {
      name: "bpf_clone_redirect",
      subject: "verdict",
      type: "sched_cls",
      context: true,
      args: [constants(0, 999, 12345), constants(0, 1, 2)],
    },
  ]),
  defineKind({
    name: "bpf_redirect_neigh",
    subject: "verdict",
    type: "sched_cls",
    params: fc.record({
      ifindex,
      family: fc.constantFrom(2, 10, 0),
      given: fc.boolean(),
      flags: fc.constantFrom(0, 0, 1),
      seed: fc.nat({ max: 255 }),
    }),
    covers: () => ["bpf_redirect_neigh"],
    stack: 24,
    write(out, { ifindex: device, family, given, flags, seed }) {
      const { code } = out;
      const at = out.buffer(24, seed);
      code.put(4, 10, at, family);
      out.operand(1, device);
      if (given) code.frame(2, at);
      else code.set(2, 0);
      code.set(3, given ? 20 : 0);
      code.set(4, flags);
      out.call("bpf_redirect_neigh");
      out.keep(0);
    },
  }),
  defineKind({
    name: "bpf_redirect_map",
    subject: "verdict",
    type: "xdp",
    weight: 8,
    params: fc.record({ map: redirectMap, key: upTo(7), flags: redirectFlags }),
    covers: ({ map }) => ["bpf_redirect_map", `${redirectMaps[map]} redirect`],
    write(out, { map, key, flags }) {
      out.map(1, map);
      out.operand(2, key);
      out.operand(3, flags);
      out.call("bpf_redirect_map");
      out.keep(0);
      out.fold();
    },
  }),
  defineKind({
    name: "bpf_map_lookup_elem of a map for redirects",
    subject: "verdict",
    type: "xdp",
    params: fc.record({ map: fc.constantFrom<RedirectMap>("devmap", "devmap_hash", "xskmap"), key: upTo(7) }),
    covers: ({ map }) => ["bpf_map_lookup_elem", `${redirectMaps[map]} lookup`],
    stack: 8,
    write(out, { map, key }) {
      const { code } = out;
      const missing = code.label();
      const at = out.stack(8);
      out.storeOperand(4, at, key);
      out.map(1, map);
      code.frame(2, at);
      out.call("bpf_map_lookup_elem");
      code.when(0, "==", 0, missing);
      code.set(8, 1);
      if (map !== "xskmap") code.load(4, 8, 0, 0);
      out.keep(8);
      code.place(missing);
    },
  }),
  defineKind({
    name: "return",
    subject: "verdict",
    weight: 1,
    notIn: "held",
    params: fc.integer({ min: -1, max: 8 }),
    covers: () => ["return from the middle"],
    write(out, verdict) {
      const { code } = out;
      const on = code.label();
      code.copy(0, 7);
      code.change(0, "&=", 7);
      code.when(0, "!=", 3, on);
      code.set(0, verdict);
      code.exit();
      code.place(on);
    },
  }),
];
