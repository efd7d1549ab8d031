import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { type ObjectFile, openObject } from "../../src/bpf/elf/index.ts";
import { verify } from "../../src/bpf/verifier/index.ts";
import { dumpMap } from "../../src/dataplane/mapContents.ts";
import { programTypes } from "../../src/dataplane/programTypes.ts";
import { openKernel } from "../../src/kernel/index.ts";
import { BPF_MAP_TYPE_ARENA, XdpContext } from "../../src/layout/index.ts";
import { udp } from "../../src/packet/index.ts";
import { createMap, type Engine, ProgramLoader, runOnce } from "../../src/runtime/index.ts";
import { hex, TestMachine } from "./machine.ts";

/** programs/probes/arena.c: flows in an arena, which the program makes and links itself; and a list that user space may put there. */
function open(): ObjectFile {
  const object = openObject(readFileSync(new URL("../../programs/probes/arena.o", import.meta.url)), { file: "arena.o" });
  if (!object.ok) throw new Error(object.problem.message);
  return object.value;
}

const object = open();
const variables = object.maps[0]!.contents!.length;

/** The packets' sources, and where user space puts a list of two flows: on the third page. */
const sources = [1, 2, 1, 3, 2, 2, 4, 5, 6, 7, 8, 9, 10, 9, 1];
const packetOf = (source: number) => udp({ from: `10.0.0.${source}:4000`, to: "10.1.0.1:53", payload: new Uint8Array(source) });
const LIST = 2 * 4096;
const FLOW = 24;

const word = (value: bigint): Uint8Array => new Uint8Array(BigUint64Array.of(value).buffer);

/** Offset of a variable. */
function offsetOf(name: string): number {
  const { btf, valueTypeId } = object.maps[0]!;
  const section = btf!.types[valueTypeId!]!;
  if (section.kind !== "datasec") throw new Error("no section");
  return section.variables.find(({ type }) => (btf!.types[type] as { name: string }).name === name)!.offset;
}

interface Side {
  readonly start: bigint;
  write(offset: number, bytes: Uint8Array): void;
  read(offset: number, size: number): Uint8Array;
  run(packet: Uint8Array): number;
}

function simulated(engine: Engine, mapExtra?: bigint): Side {
  const machine = new TestMachine(1);
  const specs = object.maps.map((spec) => (mapExtra === undefined || spec.type !== BPF_MAP_TYPE_ARENA ? spec : { ...spec, mapExtra }));
  const maps = specs.map((spec) => createMap(machine.host, spec));
  const program = verify({ ...object.programs[0]!, maps: specs }, programTypes.xdp);
  if (!program.accepted) throw new Error(program.problem.message);
  const loaded = new ProgramLoader(machine.host).load(program, maps, engine);
  const context = machine.memory.allocate("program", XdpContext.size, 64, "context");
  const arena = maps.find((map) => map.arena !== undefined)!.arena!;
  return {
    start: arena.start,
    write: (offset, bytes) => arena.write(arena.start + BigInt(offset), bytes),
    read: (offset, size) => arena.read(arena.start + BigInt(offset), size),
    run: (packet) => {
      const data = machine.put(0, packet);
      XdpContext.write(machine.memory.view, context, "data", data);
      XdpContext.write(machine.memory.view, context, "data_end", data + packet.length);
      const result = runOnce(machine.host, loaded, context);
      if ("trap" in result) throw new Error(result.trap.message);
      return Number(result.returned);
    },
  };
}

/** What the program answers to the packets, and the variables and the list in the end. */
function story(side: Side) {
  const answers = sources.slice(0, 5).map((source) => side.run(packetOf(source)));
  side.write(LIST, word(side.start + BigInt(LIST + FLOW)));
  side.write(LIST + FLOW, word(0n));
  side.write(offsetOf("theirs"), word(side.start + BigInt(LIST)));
  answers.push(...sources.slice(5).map((source) => side.run(packetOf(source))));
  return { answers, variables: hex(side.read(0, variables)), list: hex(side.read(LIST, 2 * FLOW)) };
}

const opened = openKernel();
const why = opened.ok ? "" : " (skipped: no live kernel)";

describe.each(["jit", "interp"] as const)("an object with an arena, %s", (engine) => {
  test("keeps flows in it", () => {
    const side = simulated(engine);
    const { answers, list } = story(side);
    expect(answers).toEqual([0, 1, 1, 2, 1, 201, 203, 204, 205, 206, 207, 8, 8, 8, 207]);
    // Seven packets met the list, whose flows count by the variable `version`: 3.
    expect(list.slice(32, 48)).toBe("1500000000000000");
    const lost = new DataView(side.read(offsetOf("lost"), 8).buffer).getBigUint64(0, true);
    expect(lost).toBe(3n);
  });

  test.runIf(opened.ok)(`does what it does in the live kernel${why}`, () => {
    if (!opened.ok) return;
    const maps = opened.value.createMaps(object.maps);
    const program = opened.value.loadProgram(object.programs[0]!, maps);
    const { arena } = maps.get("arena")!;
    const theirs = story({
      start: arena!.start,
      write: (offset, bytes) => arena!.write(offset, bytes),
      read: (offset, size) => arena!.read(offset, size),
      run: (packet) => program.run({ packet }).returned,
    });
    const ours = story(simulated(engine, arena!.start));
    program.close();
    for (const map of maps.values()) map.close();
    expect(ours).toEqual(theirs);
  });
});

test("the arena's variables are dumped by their types", () => {
  const map = createMap(new TestMachine(1).host, object.maps[0]!);
  const [dumped] = dumpMap(map) as { variables: unknown }[];
  expect(JSON.stringify(dumped, (_key, value: unknown) => (typeof value === "bigint" ? Number(value) : value))).toContain('"version":3');
  expect(map.used).toBe(1);
});
