import { existsSync, readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { assemble } from "../../src/bpf/isa/index.ts";
import type { MapSpec, PointerKind, ProgramSpec, ProgramTypeName, RuntimeFunction } from "../../src/bpf/spec.ts";
import { programTypes } from "../../src/dataplane/programTypes.ts";
import { BPF_MAP_TYPE_ARRAY, BPF_MAP_TYPE_PROG_ARRAY, PROGRAM_ZONE, SkBuff, XdpContext } from "../../src/layout/index.ts";
import { udp } from "../../src/packet/index.ts";
import { spec, TestMachine } from "./machine.ts";

/** An address in the engine's zone, with a page on either side that nothing uses: all of it is filled with this byte before a run. */
const ENGINES = PROGRAM_ZONE - 8192;
const FILLED = 0x5a;

const types = ["xdp", "sched_cls"] as const;
const anyMap: MapSpec = { name: "any", type: BPF_MAP_TYPE_ARRAY, keySize: 4, valueSize: 64, maxEntries: 1, flags: 0 };

/** A helper or a kfunc as a program of a type calls it. */
interface Callee {
  readonly name: string;
  readonly call: RuntimeFunction;
  /** `call 1`, or `call kfunc NAME`. */
  readonly text: string;
}

const TAIL_CALL = 12;

/** All that programs of a type may call. Of bpf_tail_call, which the engines make themselves, and of what is written in TypeScript the pointers are named here. */
function calleesOf(type: ProgramTypeName): Callee[] {
  const { helpers, kfuncs } = programTypes[type];
  return [
    ...[...helpers].map(([id, { name, call, cold }]): Callee => {
      const text = `call ${id}`;
      if (id === TAIL_CALL)
        return { name, text, call: { ...call, parameters: ["i32", "i32", "i32"], pointers: [undefined, "map", undefined] } };
      if (cold !== true) return { name, text, call };
      const pointers = name === "bpf_snprintf" ? (["written"] as const) : [];
      return { name, text, call: { ...call, parameters: ["i64", "i64", "i64", "i64", "i64"], pointers } };
    }),
    ...[...(kfuncs ?? [])].map(([name, { call }]): Callee => ({ name, text: `call kfunc ${name}`, call })),
  ];
}

/** Sets a parameter's register: the caller's own context, map or stack for what is checked, else a number. */
const argument = (index: number, kind: PointerKind | undefined, number: number): string => {
  const register = `r${index + 1}`;
  if (kind === "context") return `${register} = r6`;
  if (kind === "map") return `${register} = map[any]`;
  if (kind === "callback") return `${register} = subprog[callback]`;
  return kind === undefined ? `${register} = ${number}` : `${register} = r10\n${register} += ${-64 * (index + 1)}`;
};

/** A program that does what the packet's number says, and returns 0. r6 is the context; `first` comes before it, the number in r7. */
function cases(type: ProgramTypeName, first: string, texts: readonly string[]): ProgramSpec {
  const numbered = texts.map((text, index) => `if r7 != ${index} goto next${index}\n${text}\nr0 = 0\nexit\nnext${index}:`).join("\n");
  const text = `r6 = r1
    r8 = subprog[callback]
    r2 = *(u32 *)(r1 + ${type === "xdp" ? 0 : 76})
    r7 = *(u16 *)(r2 + 42)
    ${first}
    ${numbered}
    r0 = 0
    exit
    callback: r0 = 1
    exit`;
  const names = [...new Set([...text.matchAll(/call kfunc (\w+)/g)].map(([, name]) => name!))];
  const symbols = { maps: new Map([["any", 0]]), kfuncs: new Map(names.map((name, index) => [name, index + 1])) };
  return {
    ...spec("cases", "r0 = 0\nexit", type),
    instructions: assemble(text, symbols),
    maps: [anyMap],
    kfuncs: new Map(names.map((name, index) => [index + 1, name])),
  };
}

const packet = (number: number) =>
  udp({
    from: "10.0.0.9:4000",
    to: "10.0.0.1:53",
    payload: Uint8Array.from({ length: 200 }, (_, at) => (number >> (8 * at)) & (at < 2 ? 255 : 0)),
  });

/** Why each case's run ended, and whether the engine's memory is as it was. */
async function run(program: ProgramSpec, count: number, engine: "jit" | "interp") {
  const machine = new TestMachine({ engine, fuel: 1n << 24n });
  machine.attach(program.type === "xdp" ? "xdp" : "ingress", program, "eth0", [machine.map(anyMap)]);
  const zone = machine.dataplane.memory.bytes.subarray(ENGINES - 4096, ENGINES + 4096);
  expect(zone.every((byte) => byte === 0)).toBe(true);
  zone.fill(FILLED);
  const { outcomes } = await machine.replay(Array.from({ length: count }, (_, number) => packet(number)));
  return { reasons: outcomes.map(({ reason }) => reason), kept: zone.every((byte) => byte === FILLED) };
}

test.each(types)("%s: no helper and no kfunc takes the engine's memory for a context, a map, a buffer or a callback", async (type) => {
  const calls: { readonly title: string; readonly text: string; readonly control: string }[] = [];
  for (const { name, call, text } of calleesOf(type)) {
    for (const [at, kind] of call.pointers?.entries() ?? []) {
      if (kind === undefined) continue;
      const registers = (address: string) =>
        call.parameters.map((_, index) => (index === at ? address : argument(index, call.pointers![index], 8))).join("\n");
      calls.push({
        title: `${name}, parameter ${at + 1}`,
        text: `${registers(`r${at + 1} = ${ENGINES} ll`)}\n${text}`,
        control: `${registers(argument(at, kind, 0))}\n${text}`,
      });
    }
  }
  expect(calls.length).toBeGreaterThan(100);
  for (const engine of ["jit", "interp"] as const) {
    const program = cases(
      type,
      "",
      calls.map(({ text }) => text),
    );
    const { reasons, kept } = await run(program, calls.length, engine);
    expect(calls.filter((_, index) => reasons[index] !== "memory").map(({ title }) => title)).toEqual([]);
    expect(kept).toBe(true);
  }
  // It is that address that ended them: with the program's own instead most calls come back.
  const own = await run(
    cases(
      type,
      "",
      calls.map(({ control }) => control),
    ),
    calls.length,
    "jit",
  );
  const ended = own.reasons.filter((reason) => reason === "memory" || reason === "helper").length;
  expect(ended).toBeLessThan(calls.length / 5);
});

/** What a program of each type would write into its context to make helpers move and write bytes in the engine's memory. */
const forged = {
  xdp: [
    ...["data", "data_meta", "frags"].map((field) => [XdpContext.at[field as "data"], ENGINES]),
    [XdpContext.at.data_end, ENGINES + 128],
    [XdpContext.at.data_hard_start, ENGINES - 512],
    [XdpContext.at.frame_sz, 4096],
  ],
  sched_cls: [
    [SkBuff.at.data, ENGINES],
    [SkBuff.at.data_meta, ENGINES - 8],
    [SkBuff.at.data_end, ENGINES + 128],
    [SkBuff.at.len, 128],
    [SkBuff.at.head, ENGINES - 256],
    [SkBuff.at.end, ENGINES + 2048],
    [SkBuff.at.mac_header, 256],
    [SkBuff.at.network_header, 270],
    [SkBuff.at.protocol, 8],
    [SkBuff.at.vlan_present, 1],
    [SkBuff.at.tunnel, ENGINES],
  ],
} as const satisfies Record<string, readonly (readonly number[])[]>;

test.each(types.flatMap((type) => (type === "xdp" ? [0, 1] : [0]).map((fragments) => ({ type, fragments }))))(
  "$type, fragments: $fragments: no helper writes where a context that the program spoiled says",
  async ({ type, fragments }) => {
    const words = [
      ...forged[type],
      ...(type === "xdp"
        ? [
            [XdpContext.at.frag_count, fragments],
            [XdpContext.at.frag_len, fragments * 64],
          ]
        : []),
    ];
    const spoil = words.map(([at, value]) => `r2 = ${value} ll\n*(u32 *)(r6 + ${at}) = r2`).join("\n");
    const calls: string[] = [];
    for (const { call, text } of calleesOf(type)) {
      if (call.pointers?.[0] !== "context") continue;
      for (const first of [0, 2, 8, 64, 200, -8, 0xdd86]) {
        for (const other of [0, 1, 8]) {
          for (const flags of [0, 2]) {
            let numbers = 0;
            const registers = call.parameters.map((kind, index) =>
              argument(
                index,
                call.pointers![index],
                kind === "i64" ? flags : call.pointers![index] === undefined && numbers++ === 0 ? first : other,
              ),
            );
            calls.push(`${registers.join("\n")}\n${text}`);
          }
        }
      }
    }
    // A dynptr over the packet is written through the same context.
    const from = type === "xdp" ? "bpf_dynptr_from_xdp" : "bpf_dynptr_from_skb";
    const dynptr = `r1 = r6\nr2 = 0\nr3 = r10\nr3 += -64\ncall kfunc ${from}\nr1 = r10\nr1 += -64\nr2 = 0\nr3 = 8\nr4 = 8`;
    calls.push(`${dynptr}\nr5 = 0\ncall 202`, `${dynptr}\ncall kfunc bpf_dynptr_memset`);
    const { reasons, kept } = await run(cases(type, spoil, calls), calls.length, "jit");
    expect(kept).toBe(true);
    expect(reasons.filter((reason) => reason === "memory").length).toBeGreaterThan(20);
  },
);

test("dynptrs, records and maps that a program made itself lead nowhere in the engine's memory", async () => {
  const dynptr = (kind: number) =>
    `r1 = ${ENGINES} ll\n*(u64 *)(r10 - 64) = r1\nr1 = ${(kind << 28) | 64} ll\n*(u64 *)(r10 - 56) = r1\nr1 = r10\nr1 += -64`;
  const write = "r2 = 0\nr3 = r10\nr3 += -128\nr4 = 8\nr5 = 0\ncall 202";
  const memset = "r2 = 0\nr3 = 8\nr4 = 0\ncall kfunc bpf_dynptr_memset";
  for (const type of types) {
    const texts = [1, 2, 3, 4, 5, 6].flatMap((kind) => [
      `${dynptr(kind)}\n${write}`,
      `${dynptr(kind)}\n${memset}`,
      `${dynptr(kind)}\nr2 = 0\ncall 199`,
    ]);
    // The first record of the zone, whose header would stand in front of it.
    texts.push(`r1 = ${PROGRAM_ZONE} ll\nr2 = 0\ncall 132`);
    // The number of the program itself, which is no callback.
    texts.push("r2 = subprog[callback]\nr2 += -1\nr1 = 8\nr3 = 0\nr4 = 0\ncall 181");
    // The header of a program array in the stack.
    texts.push(`r2 = r10\nr2 += -512\n*(u32 *)(r2 + 0) = ${BPF_MAP_TYPE_PROG_ARRAY}\nr1 = r6\nr3 = 0\ncall 12`);
    for (const engine of ["jit", "interp"] as const) {
      const { reasons, kept } = await run(cases(type, "", texts), texts.length, engine);
      expect(kept).toBe(true);
      expect(reasons.slice(-3)).toEqual(["memory", "memory", "memory"]);
    }
  }
});

const facts = new URL("../../../shared/kernel/facts/", import.meta.url);
const factsHere = existsSync(facts);

/** Pointers that Linux's declarations leave without const, and that are read only; or objects that the kernel hands out, which programs cannot write. */
const onlyRead: ReadonlySet<string> = new Set([
  "bpf_csum_diff from",
  "bpf_csum_diff to",
  "bpf_skb_set_tunnel_key key",
  "bpf_skb_set_tunnel_opt opt",
  "bpf_xdp_store_bytes buf",
  "bpf_dynptr_write src",
  "bpf_perf_event_output data",
  "bpf_snprintf data",
  "bpf_ringbuf_output data",
  "bpf_redirect_neigh params",
  ...["tcp", "udp"].map((protocol) => `bpf_sk_lookup_${protocol} tuple`),
  "bpf_skc_lookup_tcp tuple",
  ...["bpf_sk_release sock", "bpf_sk_fullsock sk", "bpf_tcp_sock sk", "bpf_get_listener_sock sk", "bpf_sk_assign sk"],
  ...["tcp_request", "unix", "mptcp"].map((kind) => `bpf_skc_to_${kind}_sock sk`),
  ...["bpf_sk_storage_get sk", "bpf_sk_storage_get value", "bpf_sk_storage_delete sk"],
  ...["sk", "iph", "th"].flatMap((name) => [`bpf_tcp_check_syncookie ${name}`, `bpf_tcp_gen_syncookie ${name}`]),
  ...["4", "6"].flatMap((version) =>
    ["iph", "th"].flatMap((name) => [
      `bpf_tcp_raw_gen_syncookie_ipv${version} ${name}`,
      `bpf_tcp_raw_check_syncookie_ipv${version} ${name}`,
    ]),
  ),
  // Connections and states of the host, which the kfuncs hold against its tables.
  ...["change_status nfct", "change_timeout nfct", "insert_entry nfct_i", "release nfct", "set_timeout nfct"].map(
    (name) => `bpf_ct_${name}`,
  ),
  ...["bpf_ct_set_nat_info nfct", "bpf_ct_set_nat_info addr", "bpf_xdp_xfrm_state_release x", "bpf_key_put bkey"],
  ...["xdp", "skb"].flatMap((type) => [`bpf_${type}_ct_alloc bpf_tuple`, `bpf_${type}_ct_lookup bpf_tuple`]),
  ...["tcp", "tcp6", "udp6", "tcp_timewait", "tcp_request"].map((name) => `bpf_skc_to_${name}_sock sk`),
  ...["sk", "attrs"].map((name) => `bpf_sk_assign_tcp_reqsk ${name}`),
  "bpf_stream_vprintk_impl aux__prog",
  // Handed on to the callback.
  ...["bpf_loop", "bpf_for_each_map_elem"].map((name) => `${name} callback_ctx`),
  "bpf_user_ringbuf_drain ctx",
  "bpf_wq_set_callback_impl aux__prog",
  // The address that a tail call passes on, and contexts that are not looked at.
  "bpf_tail_call ctx",
  "bpf_get_cgroup_classid skb",
  "bpf_skb_cgroup_classid skb",
  "bpf_get_netns_cookie ctx",
]);

test.runIf(factsHere)(
  `every pointer that Linux's declarations do not call const is checked${factsHere ? "" : " (skipped: they are not here)"}`,
  () => {
    const helpers = JSON.parse(readFileSync(new URL("helpers.json", facts), "utf8")) as { helpers: { name: string; proto?: string }[] };
    const prototypes = new Map(helpers.helpers.map(({ name, proto }) => [name, proto]));
    for (const [line, name] of readFileSync(new URL("kfunc_protos.txt", facts), "utf8").matchAll(/^[^/\n]*?[ *](bpf_\w+)\(.*$/gm))
      prototypes.set(name!, line);
    const unchecked = new Set<string>();
    let seen = 0;
    for (const type of types) {
      for (const { name, call } of calleesOf(type)) {
        const declared = /\w\((.*)\)/.exec(prototypes.get(name) ?? "")?.[1];
        if (declared === undefined || declared === "void") continue;
        for (const [index, parameter] of declared
          .replace(/\(\*(\w+)\)\([^)]*\)/g, "*$1")
          .split(",")
          .entries()) {
          const written = /^(?!\s*const).*\*\s*(\w+)$/.exec(parameter)?.[1];
          if (written === undefined) continue;
          seen++;
          if (call.pointers?.[index] === undefined && !onlyRead.has(`${name} ${written}`)) unchecked.add(`${name} ${written}`);
        }
      }
    }
    expect([...unchecked]).toEqual([]);
    expect(seen).toBeGreaterThan(150);
  },
);
