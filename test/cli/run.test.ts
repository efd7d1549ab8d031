import { copyFileSync, existsSync, linkSync, mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { stripVTControlCharacters } from "node:util";
import { expect, test, vi } from "vitest";
import { runCommandLine } from "../../src/cli/run.node.ts";

const folder = mkdtempSync(join(tmpdir(), "xdplane-"));

/** Exit code and both outputs of a command line. */
async function xdplane(...words: string[]) {
  const out = { stdout: "", stderr: "" };
  const spies = (["stdout", "stderr"] as const).map((name) =>
    vi.spyOn(process[name], "write").mockImplementation((text) => {
      out[name] += stripVTControlCharacters(String(text));
      return true;
    }),
  );
  try {
    const code = await runCommandLine(["node", "xdplane", ...words]);
    return { code, ...out };
  } finally {
    for (const spy of spies) spy.mockRestore();
    process.exitCode = undefined;
  }
}

const replay = (capture: string, object: string, ...more: string[]) =>
  xdplane("replay", capture, "--workers", "0", "--xdp", object, ...more);

test.each([
  ["dump", () => xdplane("dump", "nowhere.pcap"), "nowhere.pcap"],
  ["replay, the capture", () => replay("nowhere.pcap", "programs/drop_all.o"), "nowhere.pcap"],
  ["replay, the object", () => replay("pcaps/policy.pcap", "nowhere.o"), "nowhere.o"],
  ["replay, the map file", () => replay("pcaps/policy.pcap", "programs/firewall.o", "--map", "nowhere.yaml"), "nowhere.yaml"],
])("%s: a file that is not there is called so", async (_, run, file) => {
  const { code, stdout, stderr } = await run();
  expect([code, stdout]).toEqual([3, ""]);
  expect(stderr).toContain("no such file");
  expect(stderr).toContain(`in: ${file}`);
  expect(stderr).not.toContain("ENOENT");
});

test("a directory is called one", async () => {
  expect(await xdplane("dump", folder)).toMatchObject({ code: 3, stderr: expect.stringContaining("it is a directory") });
});

test("what is neither capture nor object is told in one sentence, without a summary", async () => {
  const { code, stdout, stderr } = await xdplane("dump", "package.json");
  expect([code, stdout]).toEqual([3, ""]);
  expect(stderr).toMatch(/neither a BPF object nor a pcap or pcapng capture: it begins with 7b0a2020/);
  expect(stderr).toContain("in: package.json, offset 0");
});

test("a value that does not fit its map is shown with its line", async () => {
  const file = join(folder, "wrong.yaml");
  writeFileSync(file, "zones4:\n  - key: { length: 8, address: 10.0.0.0 }\n    value: { id: many }\n");
  const { code, stderr } = await replay("pcaps/firewall.pcap", "programs/firewall.o", "--map", file);
  expect(code).toBe(3);
  expect(stderr).toMatch(/zones4\[0\]\.value\.id/);
  expect(stderr).toContain(`in: ${file}:3:14`);
});

test.runIf(existsSync("/dev/full")).each(["--jsonl", "-o"])("%s to a full disk is told", async (option) => {
  const { code, stderr } = await replay("pcaps/policy.pcap", "programs/pass_all.o", option, "/dev/full");
  expect(code).toBe(3);
  expect(stderr).toContain("the output cannot be written: no space left on the device");
});

test("what an object lacks is told with the place where it should stand", async () => {
  const absent = await replay("pcaps/policy.pcap", "programs/policy.o:absent");
  expect(absent.code).toBe(3);
  expect(absent.stderr).toMatch(/in: programs\/policy\.o, offset \d+/);
  const otherType = await replay("pcaps/policy.pcap", "programs/policy.o");
  expect(otherType.code).toBe(3);
  expect(otherType.stderr).toMatch(/holds no program of type xdp\n {3}in: programs\/policy\.o, offset \d+/);
});

test.each([
  ["a MAC address that is none", 'settings:\n  - key: 0\n    value: { gateway: "02:00:00:zz" }\n', "a MAC address such as", ":3:14"],
  ["an index past the end", "backends:\n  99999: { family: 4 }\n", "backends[99999]: the map refuses the entry: E2BIG", ":2:3"],
  ["an alias to what it stands in", "backends:\n  1: &a { address: *a }\n", "an alias stands within what it names", ":2:20"],
])("contents of a map, %s", async (_, text, said, place) => {
  const file = join(folder, "contents.yaml");
  writeFileSync(file, text);
  const { code, stderr } = await replay("pcaps/shop.pcapng", "programs/balancer.o", "--map", file);
  expect(code).toBe(3);
  expect(stderr).toContain(said);
  expect(stderr).toContain(`in: ${file}${place}\n`);
});

test("cases of which none is looked at do not pass for agreement", async () => {
  const file = join(folder, "none.jsonl");
  writeFileSync(file, "\n");
  const { code, stdout, stderr } = await xdplane("conformance", file, "--feature", "nothing");
  expect([code, stdout]).toEqual([3, ""]);
  expect(stderr).toContain(`no case was run: ${file} hold none that uses nothing`);
  expect((await xdplane("conformance", "nowhere.jsonl")).stderr).toContain("the file cannot be read: no such file");
});

test("an output never takes the place of the capture that is read, nor two outputs of one file", async () => {
  const [capture, link, fresh] = ["own.pcap", "link.pcap", "fresh"].map((name) => join(folder, name)) as [string, string, string];
  copyFileSync("pcaps/policy.pcap", capture);
  linkSync(capture, link);
  for (const outputs of [
    ["-o", capture],
    ["--jsonl", link],
    ["-o", fresh, "--jsonl", join(folder, ".", "fresh")],
  ]) {
    const { code, stdout, stderr } = await replay(capture, "programs/drop_all.o", ...outputs);
    expect([code, stdout]).toEqual([2, ""]);
    expect(stderr).toContain("name the same file");
  }
  expect(readFileSync(capture)).toEqual(readFileSync("pcaps/policy.pcap"));
  expect(existsSync(fresh)).toBe(false);
  expect((await replay(capture, "programs/drop_all.o", "-o", "/dev/null", "--jsonl", "/dev/null")).code).toBe(0);
});
