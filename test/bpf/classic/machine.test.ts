import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  type ClassicProgram,
  checkClassic,
  classicInitialisers,
  classicListing,
  classicNumbers,
  compileFilter,
  interpretClassic,
  readClassic,
  translateClassic,
} from "../../../src/bpf/classic/index.ts";
import { disassemble } from "../../../src/bpf/isa/index.ts";
import { anyPacket, anyProgram } from "./arbitrary.ts";
import { FilterMachine } from "./machine.ts";
import { ours, recorded, taken } from "./recorded.ts";

const seed = Number(process.env.XDPLANE_SEED ?? Date.now() & 0x7fffffff);
const program = (text: string): ClassicProgram => taken(readClassic(text));
const codeOf = (text: string): string | undefined => {
  const result = checkClassic(program(text));
  return result.ok ? undefined : result.problem.code;
};

describe("texts", () => {
  test("tcp port 80 on Ethernet is listed as tcpdump -d lists it", () => {
    expect(classicListing(taken(compileFilter("tcp dst port 80")))).toBe(
      [
        "(000) ldh      [12]",
        "(001) jeq      #0x86dd          jt 2\tjf 6",
        "(002) ldb      [20]",
        "(003) jeq      #0x6             jt 4\tjf 15",
        "(004) ldh      [56]",
        "(005) jeq      #0x50            jt 14\tjf 15",
        "(006) jeq      #0x800           jt 7\tjf 15",
        "(007) ldb      [23]",
        "(008) jeq      #0x6             jt 9\tjf 15",
        "(009) ldh      [20]",
        "(010) jset     #0x1fff          jt 15\tjf 11",
        "(011) ldxb     4*([14]&0xf)",
        "(012) ldh      [x + 16]",
        "(013) jeq      #0x50            jt 14\tjf 15",
        "(014) ret      #262144",
        "(015) ret      #0",
        "",
      ].join("\n"),
    );
  });

  /** What libpcap 1.10.3's bpf_image writes. */
  test.each([
    ["32 0 0 4294963248", "ld       [vlanp]"],
    ["48 0 0 4294963260", "ldb      [vlan_tpid]"],
    ["40 0 0 4294963264", "ldh      [-4032]"],
    ["64 0 0 4294967280", "ld       [x + -16]"],
    ["177 0 0 14", "ldxb     4*([14]&0xf)"],
    ["128 0 0 0", "ld       #pktlen"],
    ["129 0 0 0", "unimp    0x81"],
    ["768 0 0 0", "unimp    0x300"],
    ["0 0 0 31", "ld       #0x1f"],
    ["4 0 0 4294967280", "add      #-16"],
    ["84 0 0 4294967280", "and      #0xfffffff0"],
    ["100 0 0 3", "lsh      #3"],
    ["132 0 0 0", "neg      "],
    ["7 0 0 0", "tax      "],
    ["22 0 0 0", "ret      "],
    ["6 0 0 4294967295", "ret      #-1"],
    ["3 0 0 5", "stx      M[5]"],
    ["5 0 0 31", "ja       32"],
    ["29 2 5 0", "jeq      x                jt 3\tjf 6"],
    ["21 255 255 4294967295", "jeq      #0xffffffff      jt 256\tjf 256"],
  ])("%s is written %s", (numbers, line) => {
    expect(classicListing(program(`1\n${numbers}\n`))).toBe(`(000) ${line}\n`);
  });

  test("what is printed as numbers or initialisers reads as the same program", () => {
    for (const code of Object.values(recorded())) {
      const read = program(code ?? "1,6 0 0 0");
      expect(program(classicNumbers(read))).toEqual(read);
      expect(program(classicInitialisers(read))).toEqual(read);
    }
    expect(classicInitialisers(program("1,21 0 3 2048"))).toBe("{ 0x15, 0, 3, 0x00000800 },\n");
  });

  test.each([
    ["", 1],
    ["x", 1],
    ["2\n6 0 0 0\n", 1],
    ["1\n6 0 0\n", 2],
    ["1\n70000 0 0 0\n", 2],
    ["1\n6 256 0 0\n", 2],
    ["1\n6 0 0 4294967296\n", 2],
    ["{ 0x6, 0, 0, 0x0 },\n{ 0x6, 0, 0 },\n", 2],
  ])("%j is refused at line %i", (text, line) => {
    expect(readClassic(text)).toMatchObject({ ok: false, problem: { code: "classic_text", at: { line } } });
  });
});

describe("checks", () => {
  test.each([
    ["0", "classic_length"],
    ["1,0 0 0 0", "classic_end"],
    ["1,255 0 0 0", "classic_code"],
    ["2,52 0 0 0,6 0 0 0", "classic_division"],
    ["2,148 0 0 0,6 0 0 0", "classic_division"],
    ["2,100 0 0 32,6 0 0 0", "classic_shift"],
    ["2,116 0 0 31,6 0 0 0", undefined],
    ["2,2 0 0 16,6 0 0 0", "classic_scratch"],
    ["2,96 0 0 3,6 0 0 0", "classic_scratch_unset"],
    ["3,2 0 0 3,96 0 0 3,6 0 0 0", undefined],
    // One way stores M[0], the other does not.
    ["4,21 0 1 0,2 0 0 0,96 0 0 0,6 0 0 0", "classic_scratch_unset"],
    ["4,21 0 1 0,2 0 0 0,6 0 0 0,6 0 0 0", undefined],
    ["2,5 0 0 1,6 0 0 0", "classic_jump"],
    ["2,5 0 0 4294967295,6 0 0 0", "classic_jump"],
    ["2,21 0 1 0,6 0 0 0", "classic_jump"],
    ["2,32 0 0 4294963264,6 0 0 0", "classic_ancillary"],
    ["2,32 0 0 4294963201,6 0 0 0", "classic_ancillary"],
    ["2,32 0 0 4293918740,6 0 0 0", undefined],
    ["2,14 0 0 0,6 0 0 0", "classic_code"],
    ["1,14 0 0 0", "classic_code"],
  ])("%s: %s", (text, code) => {
    expect(codeOf(text)).toBe(code);
  });

  test("a program of 4,096 instructions passes, one more does not", () => {
    const rows = new Array<string>(4095).fill("0 0 0 1");
    expect(codeOf(`4096,${rows},6 0 0 0`)).toBeUndefined();
    expect(codeOf(`4097,${rows},0 0 0 1,6 0 0 0`)).toBe("classic_length");
  });

  test("by libpcap's rules jumps go back, and a program that never ends is given up", () => {
    const loop = program("2,5 0 0 4294967295,6 0 0 1");
    const checked = taken(checkClassic(loop, { rules: "libpcap" }));
    expect(interpretClassic(checked, { bytes: new Uint8Array(60), length: 60 })).toBe(0);
    expect(translateClassic(checked)).toMatchObject({ ok: false, problem: { code: "classic_jump" } });
  });
});

describe("translation", () => {
  const text = (numbers: string): string[] =>
    disassemble(taken(translateClassic(taken(checkClassic(program(numbers))))).instructions)
      .split("\n")
      .slice(3);

  test("a division by X ends with 0 where X is 0", () => {
    expect(text("2,60 0 0 0,22 0 0 0")).toEqual(["if r7 != 0x0 goto pc+2", "w0 ^= w0", "exit", "w0 /= w7", "exit"]);
  });

  test("4*([14]&0xf) keeps A", () => {
    expect(text("2,177 0 0 14,6 0 0 0")).toEqual([
      "r7 = r0",
      "r0 = *(u8 *)skb[14]",
      "w0 &= 15",
      "w0 <<= 2",
      "r2 = r7",
      "r7 = r0",
      "r0 = r2",
      "w0 = 0",
      "exit",
    ]);
  });

  test("a constant with its top bit set is compared without sign", () => {
    expect(text("4,37 0 1 4294967280,6 0 0 1,6 0 0 0,6 0 0 2").slice(0, 2)).toEqual(["w2 = -16", "if r0 <= r2 goto pc+2"]);
  });

  test("what is not built is refused by name", () => {
    const poff = taken(checkClassic(program("2,32 0 0 4294963252,6 0 0 0")));
    expect(translateClassic(poff)).toMatchObject({
      ok: false,
      problem: { message: "[poff] of a packet is not built", at: { instruction: 0 } },
    });
  });

  test(`programs at random do compiled and in the eBPF interpreter what they do in their own, seed ${seed}`, () => {
    let matched = 0;
    fc.assert(
      fc.property(anyProgram, fc.array(anyPacket, { minLength: 4, maxLength: 12 }), (instructions, packets) => {
        const checked = taken(checkClassic(instructions));
        const machine = new FilterMachine(packets);
        const expected = [...packets.keys()].filter((index) => interpretClassic(checked, packets[index]!) !== 0);
        matched += expected.length;
        expect(machine.matches(machine.load(checked))).toEqual(expected);
        expect(machine.matches(machine.load(checked, "interp"))).toEqual(expected);
      }),
      { seed, numRuns: 60 },
    );
    expect(matched).toBeGreaterThan(20);
  });
});

test("code for a live interface, which asks for the tag that the device took out, finds tags in the frame", () => {
  // tcpdump -ddd -i eth0 vlan 5: vlanp, or a tag in the frame.
  const live = program(
    "12,48 0 0 4294963248,21 6 0 1,40 0 0 12,21 2 0 33024,21 1 0 34984,21 0 5 37120,40 0 0 14,5 0 0 1,48 0 0 4294963244,84 0 0 4095,21 0 1 5,6 0 0 262144",
  );
  const whole = [...live, { code: 6, jt: 0, jf: 0, k: 0 }];
  const checked = taken(checkClassic(whole));
  const tagged = Uint8Array.from(Buffer.from("ffffffffffff0200000000018100000508060001", "hex"));
  expect(interpretClassic(checked, { bytes: tagged, length: tagged.length })).toBe(262144);
  expect(interpretClassic(ours("vlan 5"), { bytes: tagged, length: tagged.length })).toBe(262144);
});
