import { readdirSync, readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { parse } from "yaml";
import { openObject, readMapEntries } from "../../src/bpf/elf/index.ts";
import { openKernel } from "../../src/kernel/index.ts";

const root = new URL("../../programs/", import.meta.url);
const inFolder = (folder: string, ending: string) =>
  readdirSync(new URL(folder, root))
    .filter((name) => name.endsWith(ending))
    .map((name) => folder + name);
const sources = [...inFolder("./", ".c"), ...inFolder("./bench/", ".c"), ...inFolder("./probes/", ".c")];
const read = (name: string) => readFileSync(new URL(name, root));
const open = (name: string) => {
  const object = openObject(read(name), { file: name });
  if (!object.ok) throw new Error(object.problem.message);
  return object.value;
};
const objects = sources.map((name) => name.replace(/\.c$/, ".o"));

const kernel = openKernel();

test("all nine programs are there", () => {
  const names = ["pass_all", "drop_all", "protocol_counters", "reflector", "firewall", "router", "balancer", "scrubber", "policy"];
  expect(sources).toEqual(expect.arrayContaining(names.map((name) => `./${name}.c`)));
});

test.each(objects)("%s opens without a warning, with types and source lines", (name) => {
  const object = open(name);
  expect(object.warnings).toEqual([]);
  expect(object.otherPrograms).toEqual([]);
  expect(object.programs.length).toBeGreaterThan(0);
  expect(object.btf).not.toBeNull();
  for (const program of object.programs) {
    expect(program.license).toBe("GPL");
    expect(program.lines.length).toBeGreaterThan(0);
    expect(program.lines.every(({ file }) => file.startsWith("./programs/"))).toBe(true);
  }
});

test.each(objects)("%s holds no path of the machine that built it", (name) => {
  const text = read(name).toString("latin1");
  expect(text.match(/\/(home|root|work|tmp|usr)\//)).toBeNull();
});

test.each(sources.filter((name) => !name.startsWith("./bench/")))("%s says what it proves", (name) => {
  expect(read(name).toString()).toMatch(/^\/\/ Proves: .+\.$/m);
});

test.each([...inFolder("./", ".maps.yaml"), ...inFolder("./bench/", ".maps.yaml")])("%s fits the maps of its object", (name) => {
  const object = open(name.replace(/\.maps\.yaml$/, ".o"));
  const contents = parse(read(name).toString()) as Record<string, unknown>;
  for (const [map, entries] of Object.entries(contents)) {
    const spec = object.maps.find((one) => one.name === map);
    expect(spec, map).toBeDefined();
    expect(readMapEntries(spec!, entries)).toMatchObject({ ok: true });
  }
});

/** Maps and callbacks of the probes need their types, which these loads leave out: test/runtime/timers.test.ts loads them. */
const withoutTypes = objects.filter((name) => !name.startsWith("./probes/"));

test.runIf(kernel.ok).each(withoutTypes)("the live kernel takes every program of %s", (name) => {
  if (!kernel.ok) return;
  const object = open(name);
  const maps = kernel.value.createMaps(object.maps);
  for (const program of object.programs) expect(kernel.value.loadProgram(program, maps).fd).toBeGreaterThan(2);
});
