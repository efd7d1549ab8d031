import { execFileSync } from "node:child_process";
import { expect, test } from "vitest";
import { linux618 } from "../../src/bpf/btf/index.ts";
import { openKernel } from "../../src/kernel/index.ts";
import { XfrmReplayEsn, XfrmState } from "../../src/layout/index.ts";
import { parseIpAddress } from "../../src/packet/index.ts";
import { parseXfrmState } from "../../src/stack/index.ts";
import { agreedResults, keep, type SmallProgram, withKernel } from "../kernel/everyEngine.ts";

const opened = openKernel();
const OPTIONS = -40;
const ESP = 50;
const AH = 51;

/** A kernel without ESP of its own takes states all the same whose SPI it is asked to choose. */
interface Allocated {
  readonly declared: string;
  readonly command: string;
}

const allocated = (ends: string, rest: string, spi: number, selector: string): Allocated => ({
  declared: `${ends} ${rest} spi ${spi} sel ${selector}`,
  command: `xfrm state allocspi ${ends} ${rest} min ${spi} max ${spi}`,
});
const ipv4 = "src 10.0.0.1 dst 10.0.0.2";
const ipv6 = "src 2001:db8::1 dst 2001:db8::2";
const states = [
  allocated(ipv4, "proto esp mode transport", 0x10, "src 10.0.0.1/32 dst 10.0.0.2/32"),
  allocated(ipv4, "proto esp reqid 7 mode tunnel mark 0x5 mask 0xff", 0x1011, "src 10.0.0.1/32 dst 10.0.0.2/32"),
  allocated(ipv4, "proto esp reqid 8 mode tunnel mark 0x106 mask 0xff", 0x1111, "src 10.0.0.1/32 dst 10.0.0.2/32"),
  allocated(ipv6, "proto ah reqid 3 mode beet", 0x12345678, "src 2001:db8::1/128 dst 2001:db8::2/128"),
];

interface Wanted {
  readonly spi?: number;
  readonly dst?: string;
  readonly protocol?: number;
  readonly mark?: number;
  readonly family?: number;
  readonly namespace?: number;
  readonly size?: number;
}

let labels = 0;

/** Asks for a state and keeps whether there is one, and the options' error; `use` works on it in r8. */
function find(wanted: Wanted, at: number, use = ""): string {
  const { spi = 0x10, dst = "10.0.0.2", protocol = ESP, mark = 0, namespace = -1, size = 36 } = wanted;
  const address = parseIpAddress(dst)!;
  const words = new DataView(new ArrayBuffer(36));
  words.setInt32(0, 77, true);
  words.setInt32(4, namespace, true);
  words.setUint32(8, mark, true);
  new Uint8Array(words.buffer).set(address, 12);
  words.setUint32(28, spi);
  words.setUint8(32, protocol);
  words.setUint16(34, wanted.family ?? (address.length === 16 ? 10 : 2), true);
  const stores = Array.from({ length: 9 }, (_, word) => `*(u32 *)(r10 ${OPTIONS + word * 4}) = ${words.getInt32(word * 4, true)}`);
  const label = `none${labels++}`;
  return [
    ...stores,
    `r1 = r7\nr2 = r10\nr2 += ${OPTIONS}\nr3 = ${size}\ncall kfunc bpf_xdp_get_xfrm_state\nr8 = r0\nr0 = 0\nif r8 == 0 goto ${label}`,
    `${use}\nr1 = r8\ncall kfunc bpf_xdp_xfrm_state_release\nr0 = 1`,
    `${label}: ${keep(at)}\nr0 = *(s32 *)(r10 ${OPTIONS})\n${keep(at + 1)}`,
  ].join("\n");
}

/** Runs in every engine, the live kernel in a network namespace with these states. */
async function run(results: number, parts: readonly string[], rest: Partial<SmallProgram> = {}): Promise<readonly bigint[]> {
  const program: SmallProgram = {
    results,
    text: `${parts.join("\n")}\nr0 = 0\nexit`,
    xfrmStates: states.map(({ declared }) => declared),
    ...rest,
  };
  let answers: readonly bigint[] = [];
  if (!opened.ok || program.kernel === false) return agreedResults(program);
  await opened.value.inNetworkNamespace(async () => {
    for (const { command } of states) execFileSync("ip", command.split(" "), { stdio: ["ignore", "ignore", "inherit"] });
    answers = agreedResults(program);
  });
  return answers;
}

test(`what bpf_xdp_get_xfrm_state refuses${withKernel}`, async () => {
  const cases: readonly (readonly [Wanted, found: bigint, error: bigint])[] = [
    [{}, 1n, 77n],
    [{ size: 35 }, 0n, -22n],
    [{ size: 4 }, 0n, -22n],
    [{ size: 3 }, 0n, 77n],
    [{ namespace: -2 }, 0n, -22n],
    [{ namespace: 0 }, 0n, -64n],
    [{ namespace: 7, spi: 0x99 }, 0n, -64n],
    [{ spi: 0x99 }, 0n, -2n],
    [{ spi: 0x10000000 }, 0n, -2n],
    [{ dst: "10.0.0.3" }, 0n, -2n],
    [{ protocol: AH }, 0n, -2n],
    [{ family: 0 }, 0n, -2n],
    [{ family: 10 }, 0n, -2n],
    [{ mark: 5 }, 1n, 77n],
    [{ spi: 0x1011 }, 0n, -2n],
    [{ spi: 0x1011, mark: 0x105 }, 1n, 77n],
    // A value beyond its mask matches no mark.
    [{ spi: 0x1111, mark: 6 }, 0n, -2n],
    [{ spi: 0x1111, mark: 0x106 }, 0n, -2n],
    [{ spi: 0x12345678, dst: "2001:db8::2", protocol: AH }, 1n, 77n],
    [{ spi: 0x12345678, dst: "2001:db8::3", protocol: AH }, 0n, -2n],
  ];
  const results = await run(
    cases.length * 2,
    cases.map(([wanted], index) => find(wanted, index * 2)),
  );
  expect(cases.map((_, index) => results.slice(index * 2, index * 2 + 2))).toEqual(cases.map(([, found, error]) => [found, error]));
});

const field = (at: number, size: string, result: number): string => `r0 = *(${size} *)(r8 +${at})\n${keep(result)}`;
const words = (at: number, count: number, result: number): string =>
  Array.from({ length: count }, (_, index) => field(at + index * 4, "u32", result + index)).join("\n");

/** What a program may read of a state; the parts in which a declared one and one whose SPI was asked for differ are left out. */
const FIELDS = 38;
function fields(result: number): string {
  const { at } = XfrmState;
  return [
    `${words(at.id_daddr, 4, result)}\n${field(at.id_spi, "u32", result + 4)}\n${field(at.id_proto, "u8", result + 5)}`,
    `${words(at.sel_daddr, 4, result + 6)}\n${words(at.sel_saddr, 4, result + 10)}\n${field(at.sel_sport, "u16", result + 14)}`,
    `${field(at.sel_prefixlen_d, "u8", result + 15)}\n${field(at.sel_prefixlen_s, "u8", result + 16)}\n${field(at.sel_proto, "u8", result + 17)}`,
    `${field(at.mark_value, "u32", result + 18)}\n${field(at.mark_mask, "u32", result + 19)}\n${field(at.if_id, "u32", result + 20)}`,
    `${field(at.props_reqid, "u32", result + 21)}\n${field(at.props_mode, "u8", result + 22)}\n${field(at.props_replay_window, "u8", result + 23)}`,
    `${field(at.props_flags, "u8", result + 24)}\n${field(at.props_family, "u16", result + 25)}\n${words(at.props_saddr, 4, result + 26)}`,
    `${field(at.lft_soft_byte, "u64", result + 30)}\n${field(at.lft_hard_packet, "u64", result + 31)}\n${field(at.repl_mode, "u32", result + 32)}`,
    `${field(at.pcpu_num, "u32", result + 33)}\n${field(at.replay_seq, "u32", result + 34)}\n${field(at.replay_esn, "u64", result + 35)}`,
    `${field(at.sel_dport, "u16", result + 36)}\n${field(at.sel_dport_mask, "u16", result + 37)}`,
  ].join("\n");
}

test(`the fields of a state${withKernel}`, async () => {
  const flows: readonly Wanted[] = [
    { spi: 0x1011, mark: 5 },
    { spi: 0x1011, mark: 0x305 },
    { spi: 0x12345678, dst: "2001:db8::2", protocol: AH },
  ];
  for (const [index, flow] of flows.entries()) {
    const results = await run(2 + FIELDS, [find(flow, 0, fields(2))]);
    const [spi, reqid, mode, family] = [4, 21, 22, 25].map((at) => results[2 + at]);
    expect([spi, reqid, mode, family]).toEqual(
      [
        [0x11100000n, 7n, 1n, 2n],
        [0x11100000n, 7n, 1n, 2n],
        [0x78563412n, 3n, 4n, 10n],
      ][index],
    );
  }
});

test("what ip-xfrm's grammar says of a state stands in its fields", async () => {
  const declared =
    "src 10.0.0.1 dst 10.0.0.2 proto esp spi 0x10 reqid 9 mode tunnel replay-window 100 flag esn icmp mark 0x5/0xff if_id 0x9 auth-trunc hmac(sha256) 0x00 128 " +
    "enc cbc(aes) 0x11 sel src 10.1.0.0/16 dst 10.2.0.0/24 proto tcp dport 80 limit byte-soft 1000 limit packet-hard 5 replay-seq 3 replay-oseq 4";
  const esn = `r9 = *(u64 *)(r8 +${XfrmState.at.replay_esn})\n${["bmp_len", "oseq", "seq", "replay_window"]
    .map((name, index) => `r0 = *(u32 *)(r9 +${XfrmReplayEsn.at[name as "seq"]})\n${keep(2 + FIELDS + index)}`)
    .join("\n")}`;
  const wanted = find({ mark: 5 }, 0, `${fields(2)}\n${esn}`);
  // Of two states that fit the later one is taken.
  const results = await run(6 + FIELDS, [wanted], { kernel: false, xfrmStates: [declared.replace("reqid 9", "reqid 1"), declared] });
  const at = (index: number) => results[2 + index];
  expect([at(6), at(10), at(15), at(16), at(17)]).toEqual([0x0000020an, 0x0000010an, 24n, 16n, 6n]);
  expect([at(18), at(19), at(20), at(21), at(24), at(30), at(31), at(32)]).toEqual([5n, 255n, 9n, 9n, 0x90n, 1000n, 5n, 2n]);
  expect([at(23), at(34), at(36), at(37)]).toEqual([0n, 0n, 0x5000n, 0xffffn]);
  expect(results.slice(2 + FIELDS)).toEqual([4n, 4n, 3n, 100n]);

  // As `ip xfrm state` prints it.
  const printed =
    "src 10.0.0.1 dst 10.0.0.2\n\tproto esp spi 0x00000010 reqid 9 mode transport\n\treplay-window 20 \n\tauth-trunc hmac(sha256) 0x00 128\n\tenc cbc(aes) 0x11\n" +
    "\tanti-replay context: seq 0x3, oseq 0x4, bitmap 0x00000007\n\tsel src 0.0.0.0/0 dst 0.0.0.0/0 ";
  const short = await run(2 + FIELDS, [find({}, 0, fields(2))], { kernel: false, xfrmStates: [printed] });
  expect([short[2 + 23], short[2 + 32], short[2 + 34], short[2 + 35]]).toEqual([20n, 0n, 3n, 0n]);
  const long = parseXfrmState(
    "src 10.0.0.1 dst 10.0.0.2 proto esp spi 0x10 mode tunnel replay-window 0 flag esn anti-replay esn context: seq-hi 0x0, seq 0x3, oseq-hi 0x0, oseq 0x4 replay_window 64, bitmap-length 2 00000000 00000007",
  );
  expect(long).toMatchObject({ ok: true, value: { replayWindow: 64, seq: 3, oseq: 4, flags: 128 } });
});

test("what is no state is refused with its reason", () => {
  const ends = "src 10.0.0.1 dst 10.0.0.2 proto esp";
  const reasons = [
    ["dst 10.0.0.2 proto esp spi 1", "src is missing"],
    ["src 10.0.0.1 dst ::2 proto esp spi 1", "src and dst are of different families"],
    ["src 10.0.0.1 dst 10.0.0.2 spi 1", "proto is missing"],
    [ends, "spi is missing"],
    [`${ends} spi`, "spi needs a value"],
    [`${ends} spi 0x100000000`, "spi 0x100000000 is no number up to 4294967295"],
    [`${ends} spi 1 mode bridge`, "mode bridge is not known"],
    [`${ends} spi 1 flag fast`, "flag fast is not known"],
    [`${ends} spi 1 flag esn`, "the flag esn needs a replay-window"],
    [`${ends} spi 1 replay-window 5000`, "replay-window 5000 is no number up to 4096"],
    [`${ends} spi 1 sel src 10.0.0.0/8 dst ::/0`, "the selector's ends are of different families"],
    [`${ends} spi 1 sel src ten`, "ten is no prefix"],
    [`${ends} spi 1 limit time-soft 5`, "limit time-soft is not known"],
    [`${ends} spi 1 offload dev eth0`, "offload is not simulated"],
  ];
  for (const [text, what] of reasons) {
    const message = `xfrm state '${text}': ${what}`;
    expect(parseXfrmState(text!)).toMatchObject({ ok: false, problem: { code: "xfrm_state_malformed", message } });
  }
});

test("struct xfrm_state is laid out as in Linux 6.18", () => {
  const offsets = (name: string): Record<string, number> => {
    const type = linux618().btf.types.find((one) => one.kind === "struct" && one.name === name);
    if (type?.kind !== "struct") throw new Error(`no struct ${name}`);
    return { size: type.size, ...Object.fromEntries(type.members.map((member) => [member.name, member.bitOffset / 8])) };
  };
  const { at, size } = XfrmState;
  expect(offsets("xfrm_state")).toMatchObject({
    ...{
      size,
      refcnt: at.refcnt,
      pcpu_num: at.pcpu_num,
      id: at.id_daddr,
      sel: at.sel_daddr,
      mark: at.mark_value,
      if_id: at.if_id,
      genid: at.genid,
    },
    ...{
      km: at.km_list,
      props: at.props_reqid,
      lft: at.lft_soft_byte,
      aalg: at.algorithms,
      geniv: at.names_and_mappings,
      replay: at.replay_oseq,
    },
    ...{
      tunnel_users: at.tunnel_users,
      replay_esn: at.replay_esn,
      preplay: at.preplay,
      preplay_esn: at.preplay_esn,
      repl_mode: at.repl_mode,
    },
  });
  expect(offsets("bpf_xfrm_state_opts")).toMatchObject({
    size: 36,
    error: 0,
    netns_id: 4,
    mark: 8,
    daddr: 12,
    spi: 28,
    proto: 32,
    family: 34,
  });
});
