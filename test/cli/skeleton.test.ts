import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import ts from "typescript";
import { afterAll, beforeAll, expect, test } from "vitest";
import { runCommandLine } from "../../src/cli/run.node.ts";
import { bytesFromMemory, Dataplane, openCapture } from "../../src/index.ts";
import { skeletonName } from "../../src/report/index.ts";
import { pcap } from "../dataplane/machine.ts";
import { queries } from "../dataplane/watch.ts";
import { openWatch } from "./golden/watch.generated.ts";

const root = fileURLToPath(new URL("../../", import.meta.url));
/** The modules are written where the repository's packages and sources are in reach. */
const folder = join(root, `build/skeletons-${process.pid}`);
const library = "../../src/index.ts";
const objects = ["programs", "programs/bench", "programs/probes"].flatMap((place) =>
  readdirSync(join(root, place))
    .filter((name) => name.endsWith(".o"))
    .map((name) => `${place}/${name}`),
);
const moduleOf = (object: string): string => join(folder, `${object.replaceAll("/", "_").replace(/\.o$/, "")}.ts`);

beforeAll(async () => {
  mkdirSync(folder, { recursive: true });
  for (const object of objects)
    expect(
      await runCommandLine(["node", "xdplane", "skeleton", join(root, object), "-o", moduleOf(object), "--import", library]),
      object,
    ).toBe(0);
});

afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** What tsc says of files, with the project's own settings. */
function compile(files: readonly string[]): string[] {
  const { config } = ts.readConfigFile(join(root, "tsconfig.json"), ts.sys.readFile);
  const { options } = ts.parseJsonConfigFileContent({ ...config, include: [], files: [] }, ts.sys, root);
  const program = ts.createProgram([...files], options);
  return ts.getPreEmitDiagnostics(program).map(({ file, start, messageText }) => {
    const line = file === undefined ? 0 : file.getLineAndCharacterOfPosition(start ?? 0).line + 1;
    return `${file?.fileName.slice(folder.length + 1)}:${line} ${ts.flattenDiagnosticMessageText(messageText, " ")}`;
  });
}

test("the modules of all included objects compile with the project's settings, and wrong uses do not", () => {
  expect(objects.length).toBeGreaterThan(15);
  const user = join(folder, "user.ts");
  writeFileSync(
    user,
    `import { openWatch, type event } from "./programs_probes_watch.ts";
const watch = openWatch();
watch.rodata.port = 54;
watch.rodata.label = "x";
const seen: bigint = watch.bss.seen;
const packets: bigint = watch.bss.totals.packets;
const flow = watch.maps.flows.lookup({ address: [1, 2, 3, 4], port: 1 });
const counted: bigint | undefined = flow?.packets;
const lengths: readonly bigint[] | undefined = watch.maps.lengths.lookup(0);
const label = (one: event): string => one.label;
export { counted, label, lengths, packets, seen };
// @ts-expect-error a u16 is no text
watch.rodata.port = "54";
// @ts-expect-error there is no such variable
watch.bss.nothing = 1n;
// @ts-expect-error members are read-only: a variable is assigned whole
watch.bss.totals.packets = 1n;
// @ts-expect-error there is no such map
watch.maps.nothing;
// @ts-expect-error the key has no such member
watch.maps.flows.lookup({ addr: 1 });
// @ts-expect-error there is no such program
watch.progs.nothing;
`,
  );
  expect(compile([...objects.map(moduleOf), user])).toEqual([]);
});

test("the module of the watch probe is the one that is kept", () => {
  const written = readFileSync(moduleOf("programs/probes/watch.o"), "utf8").replace(library, `../${library}`);
  const golden = fileURLToPath(new URL("golden/watch.generated.ts", import.meta.url));
  if (process.env.UPDATE_DOCS === "1") writeFileSync(golden, written);
  expect(written).toBe(readFileSync(golden, "utf8"));
});

test("a skeleton is opened, set, loaded, attached, run, and read by type while packets flow", async () => {
  const watch = openWatch();
  expect({ ...watch.rodata }).toEqual({ port: 53, label: "dns" });
  expect(watch.data.limit).toBe(1_000_000n);
  watch.rodata.port = 54;
  watch.rodata.label = "other";
  watch.data.limit = 50n;
  watch.bss.totals = { packets: 7n, bytes: 0n };
  expect(() => watch.maps).toThrowError("not loaded yet");

  const dataplane = new Dataplane({ devices: [{ name: "eth0" }] });
  watch.load(dataplane);
  expect(Object.keys(watch.progs)).toEqual(["watch", "drop_watched"]);
  expect(() => {
    watch.rodata.port = 53;
  }).toThrowError("frozen");
  expect(() => watch.setMaxEntries("flows", 5)).toThrowError("loaded already");
  const eth0 = dataplane.device("eth0")!;
  const link = watch.attach("watch", eth0);
  const labels: string[] = [];
  dataplane.ringBuffer<{ label: string }>(watch.maps.events, { type: "event", onRecord: ({ label }) => labels.push(label) });
  const source = await openCapture(dataplane.memory, bytesFromMemory(pcap(queries(2000))), { name: "queries", resident: 1 << 24 });
  const seen: bigint[] = [];
  const result = await dataplane.run(source, {
    onWindow: ({ number }) => {
      seen.push(watch.bss.seen);
      if (number === 59) watch.data.limit = 1000n;
    },
  });
  // Two packets of a window go to port 54; from the 51st on they are dropped, until the limit is raised in window 60.
  expect(seen).toEqual(Array.from({ length: 100 }, (_, window) => BigInt((window + 1) * 2)));
  expect(watch.bss.totals).toEqual({ packets: 207n, bytes: 200n * 42n });
  expect(result.fates.find(({ reason }) => reason === "xdp_drop")?.packets).toBe(120 - 50);
  expect(labels).toEqual(new Array(200).fill("other"));
  expect([...watch.maps.flows].reduce((sum, [, { packets }]) => sum + packets, 0n)).toBe(200n);
  expect(watch.maps.lengths.lookup(0)).toEqual([200n]);

  link.update(watch.progs.drop_watched);
  expect(dataplane.programInfo(watch.progs.watch).runCount).toBe(2000n);
  expect(watch.links).toEqual([link]);
  watch.destroy();
  expect([dataplane.links, dataplane.programs]).toEqual([[], []]);
});

test("every included object opens through its module, with the maps and programs that it has", async () => {
  for (const object of objects) {
    const opened = ((await import(moduleOf(object))) as Record<string, () => { object: { programs: { name: string }[] } }>)[
      `open${skeletonName(object)}`
    ]!();
    const text = readFileSync(moduleOf(object), "utf8");
    for (const { name } of opened.object.programs) expect(text, object).toContain(JSON.stringify(name));
  }
});

test("names of files become names of types", () => {
  expect(["drop_all.o", "a/b/xdp-filter.bpf.o", "balancer_bpf.o", "9lives.o"].map(skeletonName)).toEqual([
    "DropAll",
    "XdpFilter",
    "Balancer",
    "Object9lives",
  ]);
});

test("wrong uses of the command are named, with exit codes", async () => {
  const run = (...argv: string[]) => runCommandLine(["node", "xdplane", "skeleton", ...argv]);
  expect(await run(join(root, "programs/drop_all.o"), "--name", "1x")).toBe(2);
  expect(await run(join(root, "programs/drop_all.c"))).toBe(3);
  expect(await run("nowhere.o")).toBe(3);
});
