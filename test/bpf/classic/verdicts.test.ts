import { writeFileSync } from "node:fs";
import { afterAll, describe, expect, test } from "vitest";
import { type CheckedClassic, type FilteredPacket, interpretClassic } from "../../../src/bpf/classic/index.ts";
import { type Group, readCorpus, sharedCapturesHere } from "./corpus.ts";
import { FilterMachine } from "./machine.ts";
import { expressions, ours, recorded, recordedFile, theirs } from "./recorded.ts";
import { Tcpdump, tcpdumpHere } from "./tcpdump.ts";

const ETHERNET = 1;
/** Link types whose expressions are compiled: null, Ethernet, raw, C-HDLC, loop, cooked, IPv4, IPv6, cooked version 2. */
const LINK_TYPES = new Set([0, ETHERNET, 101, 104, 108, 113, 228, 229, 276]);

const groups = await readCorpus();
const ethernet = groups.find(({ linkType }) => linkType === ETHERNET)!.packets;
const where = sharedCapturesHere ? "the project's and all shared captures" : "the project's captures (the shared ones are not here)";
const without = tcpdumpHere ? "" : " (skipped: tcpdump is not installed)";

/** All packets with all programs, which takes minutes; else fewer where each is compiled, or a run of tcpdump. */
const thorough = process.env.XDPLANE_ALL_VERDICTS === "1";
const same = (a: readonly number[], b: readonly number[]): boolean => a.length === b.length && a.every((one, index) => one === b[index]);
/** Packets times programs that were compared. */
let compared = 0;
afterAll(() => console.info(`${compared} verdicts compared`));

const matches = (program: CheckedClassic, packets: readonly FilteredPacket[]): number[] =>
  [...packets.keys()].filter((index) => interpretClassic(program, packets[index]!) !== 0);

/** Every third packet, cut somewhere in its first headers. */
const cutShort = (packets: readonly FilteredPacket[]): FilteredPacket[] =>
  packets.flatMap(({ bytes, length }, index) => (index % 3 === 0 ? [{ bytes: bytes.slice(0, (index * 7) % 90), length }] : []));

if (process.env.UPDATE_RECORDED === "1") {
  const tcpdump = new Tcpdump([], ETHERNET);
  const rows = expressions.map((expression) => {
    const compiled = tcpdump.compile(expression);
    if ("error" in compiled && !compiled.error.includes("rejects all packets")) throw new Error(`${expression}: ${compiled.error}`);
    return [expression, "text" in compiled ? compiled.text.trimEnd().replaceAll("\n", ",") : null];
  });
  tcpdump.close();
  const lines = rows.map(([expression, code]) => `${JSON.stringify(expression)}: ${JSON.stringify(code)}`);
  writeFileSync(recordedFile, `{\n${lines.join(",\n")}\n}\n`);
}

test("there are at least 300 expressions, and tcpdump's code of each is recorded", () => {
  expect(new Set(expressions).size).toBeGreaterThanOrEqual(300);
  expect(Object.keys(recorded())).toEqual(expressions);
});

describe(`on ${ethernet.length} Ethernet packets of ${where}`, () => {
  const machine = new FilterMachine(ethernet);

  test("every expression has the verdicts of tcpdump's code, also translated and compiled", () => {
    const differing: string[] = [];
    let matching = 0;
    for (const [index, [expression, code]] of Object.entries(recorded()).entries()) {
      const [own, other] = [ours(expression), theirs(code)];
      const wanted = matches(other, ethernet);
      matching += wanted.length;
      if (!same(matches(own, ethernet), wanted)) differing.push(`ours: ${expression}`);
      compared += ethernet.length;
      if (!thorough && index % 3 !== 1) continue;
      if (!same(machine.matches(machine.load(own)), wanted)) differing.push(`ours, compiled: ${expression}`);
      // Linux takes no loops, and so the translator does not.
      if (!other.loops && !same(machine.matches(machine.load(other)), wanted)) differing.push(`theirs, compiled: ${expression}`);
      compared += ethernet.length * (other.loops ? 1 : 2);
    }
    expect(differing).toEqual([]);
    expect(matching).toBeGreaterThan(ethernet.length);
  }, 120_000);

  test("translated filters do in the eBPF interpreter what they do compiled", () => {
    const few = new FilterMachine(ethernet.slice(0, 400));
    for (const expression of expressions.filter((_, index) => index % 7 === 0)) {
      const own = ours(expression);
      expect(few.matches(few.load(own, "interp")), expression).toEqual(matches(own, ethernet.slice(0, 400)));
    }
  }, 120_000);

  test.runIf(tcpdumpHere)(
    `tcpdump itself lets the same packets through${without}`,
    () => {
      const tcpdump = new Tcpdump(ethernet, ETHERNET);
      try {
        for (const [index, [expression, code]] of Object.entries(recorded()).entries()) {
          if (code === null || (!thorough && index % 3 !== 0)) continue;
          expect(tcpdump.matches(expression), expression).toEqual(matches(theirs(code), ethernet));
          compared += ethernet.length;
        }
      } finally {
        tcpdump.close();
      }
    },
    120_000,
  );

  test.runIf(tcpdumpHere)(
    `of packets cut short, those on which tcpdump's code with and without optimiser agree have that verdict${without}`,
    () => {
      const cut = cutShort(thorough ? ethernet : ethernet.slice(0, 3000));
      const tcpdump = new Tcpdump([], ETHERNET);
      try {
        for (const [expression, code] of Object.entries(recorded())) {
          const plain = tcpdump.compile(expression, "-O -ddd");
          if (code === null || "error" in plain) continue;
          const [own, optimised, unoptimised] = [ours(expression), theirs(code), theirs(plain.text)];
          const wrong = cut.filter((packet) => {
            const [one, first, second] = [own, optimised, unoptimised].map((program) => interpretClassic(program, packet) !== 0);
            return first === second && one !== first;
          });
          expect(wrong, expression).toEqual([]);
          compared += cut.length;
        }
      } finally {
        tcpdump.close();
      }
    },
    120_000,
  );
});

const others = groups.filter(({ linkType }) => linkType !== ETHERNET && LINK_TYPES.has(linkType));
describe.runIf(tcpdumpHere && others.length > 0)(`on other link types${without}`, () => {
  test.each(others.map((group): [string, Group] => [`${group.linkType}${group.bigEndian ? ", big endian" : ""}`, group]))(
    "link type %s: what tcpdump compiles has its verdicts, what it refuses is refused",
    (_, { linkType, bigEndian, packets }) => {
      const tcpdump = new Tcpdump(packets.slice(0, 1), linkType, bigEndian);
      try {
        for (const expression of thorough ? expressions : expressions.filter((_, index) => index % 5 === linkType % 5)) {
          compared += packets.length;
          const compiled = tcpdump.compile(expression);
          const code = "text" in compiled ? compiled.text : compiled.error.includes("rejects all packets") ? null : undefined;
          if (code === undefined) expect(() => ours(expression, { linkType, bigEndian }), expression).toThrow();
          else expect(matches(ours(expression, { linkType, bigEndian }), packets), expression).toEqual(matches(theirs(code), packets));
        }
      } finally {
        tcpdump.close();
      }
    },
    120_000,
  );
});

test("link types whose expressions are not known are refused, and code for them runs", () => {
  expect(() => ours("tcp", { linkType: 105 })).toThrow(/not known for packets of link type 105/);
});
