import { spawn, spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { afterAll, expect, test } from "vitest";

/** These tests run the built program, as `npm test` builds it before. */
const CLI = "dist/cli.js";
const folder = mkdtempSync(join(tmpdir(), "xdplane-e2e-"));
afterAll(() => rmSync(folder, { recursive: true }));

const BALANCER = ["--dev", "eth0,mac=02:00:00:00:00:10,queues=4", "--xdp", "programs/balancer.o", "--map", "programs/balancer.maps.yaml"];

const environment = { ...process.env, NO_COLOR: "1" };

function xdplane(args: readonly string[], input: Uint8Array = new Uint8Array()) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [CLI, ...args], { encoding: "utf8", input, env: environment });
  expect(stderr).not.toContain("xdplane itself failed");
  return { status, stdout, stderr };
}

/** pass_all.o, whose first instruction (`w0 = 2`) is replaced by another. */
function passAllWith(name: string, instruction: Uint8Array): string {
  const object = readFileSync("programs/pass_all.o");
  const at = object.indexOf(Uint8Array.of(0xb4, 0, 0, 0, 2, 0, 0, 0));
  expect(at).toBeGreaterThan(0);
  object.set(instruction, at);
  const path = join(folder, name);
  writeFileSync(path, object);
  return path;
}

const jsonLines = (path: string) =>
  readFileSync(path, "utf8")
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line));

test("a replay prints programs, fates, queues, verdicts, counters and maps", () => {
  const { status, stdout, stderr } = xdplane(["replay", "pcaps/shop.pcapng", ...BALANCER]);
  expect(stderr).toBe("");
  expect(status).toBe(0);
  expect(stdout).toMatch(/^balancer\.o:balancer {3}xdp, native on eth0 {3}\d+ insns, /);
  expect(stdout).toContain(" 1,599 packets   131 kB   19.6 ms of capture   replayed in ");
  expect(stdout).toMatch(/^ tx {8}1,510 {3}94\.4 {3}123,485 {3}eth0$/m);
  expect(stdout).toMatch(/^ stack {8}89 {4}5\.6 {5}7,940$/m);
  expect(stdout).toContain("XDP_PASS 89 · XDP_TX 1,510");
  expect(stdout).toContain(" maps  services 5/8,192 ");
});

test("--json is one object with the packets, bytes, fates, queues and maps", () => {
  const { status, stdout } = xdplane(["replay", "pcaps/shop.pcapng", ...BALANCER, "--json", "--dump-maps"]);
  expect(status).toBe(0);
  const run = JSON.parse(stdout);
  expect(run).toMatchObject({ packets: 1_599, bytes: 131_425, interrupted: false, first_ts_ns: "1767225600000080994" });
  expect(run.fates.map(({ fate, packets }: { fate: string; packets: number }) => [fate, packets])).toEqual([
    ["tx", 1_510],
    ["stack", 89],
  ]);
  expect(run.queues).toHaveLength(4);
  expect(run.loaded[0]).toMatchObject({ name: "balancer.o:balancer", engine: "jit", unbuilt: [] });
  expect(run.maps.services).toHaveLength(5);
});

test("the lines of --jsonl have their keys in order and are the same for every number of workers and both engines", () => {
  const ways = [["--workers", "1"], ["--workers", "4"], ["--deterministic"], ["--engine", "interp"]];
  const files = ways.map((way, index) => {
    const path = join(folder, `${index}.jsonl`);
    expect(xdplane(["replay", "pcaps/shop.pcapng", ...BALANCER, ...way, "--jsonl", path]).status).toBe(0);
    return path;
  });
  const [first, ...others] = files.map((path) => readFileSync(path, "utf8"));
  for (const other of others) expect(other === first).toBe(true);
  const lines = jsonLines(files[0]!);
  expect(lines).toHaveLength(1_599);
  for (const line of lines)
    expect(Object.keys(line)).toEqual(["id", "ts", "dev", "queue", "cpu", "len", "steps", "fate", "to", "reason", "out_len"]);
  expect(lines[0].steps).toEqual([{ hook: "xdp", mode: "native", program: "balancer", verdict: "XDP_TX" }]);
});

test("a capture cut short is replayed up to the fault, which is named; exit code 3", () => {
  const cut = join(folder, "cut.pcap");
  writeFileSync(cut, readFileSync("pcaps/firewall.pcap").subarray(0, 15_000));
  const lines = join(folder, "cut.jsonl");
  const { status, stdout, stderr } = xdplane(["replay", cut, "--jsonl", lines]);
  expect(status).toBe(3);
  expect(stdout).toContain(" 156 packets ");
  expect(stderr).toContain("error: the capture ends inside a packet record");
  expect(stderr).toContain(`in: ${cut}, offset 14998`);
  expect(jsonLines(lines)).toHaveLength(156);
});

test("a capture of which nothing can be read has no summary", () => {
  const capture = readFileSync("pcaps/firewall.pcap");
  capture.writeUInt32LE(101, 20); // LINKTYPE_RAW
  const { status, stdout, stderr } = xdplane(["replay", "-"], capture);
  expect(stderr).toContain("try: give its packets Ethernet headers with --as-ethernet");
  expect(stdout).toBe("");
  expect(status).toBe(3);
});

test("standard input is read, plain and packed", () => {
  const capture = readFileSync("pcaps/firewall.pcap");
  for (const input of [capture, gzipSync(capture)]) {
    const { status, stdout } = xdplane(["replay", "-"], input);
    expect(status).toBe(0);
    expect(stdout).toContain(" 274 packets ");
  }
});

test("a rejected program is told with its instruction and source line; exit code 4", () => {
  const path = passAllWith("rejected.o", Uint8Array.of(0xff, 0, 0, 0, 0, 0, 0, 0));
  const { status, stdout, stderr } = xdplane(["replay", "pcaps/firewall.pcap", "--xdp", path]);
  expect(status).toBe(4);
  expect(stdout).toBe("");
  expect(stderr).toContain("error: ");
  expect(stderr).toContain(`in: ${path}, program pass_all, instruction 0, `);
  expect(stderr).toContain("pass_all.c:6");
});

test("a call of what is not built aborts packets, or with --strict refuses the program", () => {
  const path = passAllWith("unbuilt.o", Uint8Array.of(0x85, 0, 0, 0, 0x0f, 0x27, 0, 0)); // call 9999
  const lax = xdplane(["replay", "pcaps/firewall.pcap", "--xdp", path]);
  expect(lax.status).toBe(0);
  expect(lax.stdout).toContain("not built yet, traps when reached: helper 9999");
  expect(lax.stdout).toMatch(/^ aborted {7}274 {3}100\.0 /m);
  const strict = xdplane(["replay", "pcaps/firewall.pcap", "--xdp", path, "--strict"]);
  expect(strict.status).toBe(4);
  expect(strict.stderr).toContain("error: pass_all uses what xdplane has not built: helper 9999");
  expect(strict.stderr).toContain("instruction 0, ");
});

test.each([
  [2, "missing required argument", ["replay"]],
  [2, "unknown option", ["replay", "pcaps/shop.pcapng", "--que", "4"]],
  [2, "--workers 129: out of range", ["replay", "pcaps/shop.pcapng", "--workers", "129"]],
  [2, "Allowed choices are jit, interp", ["replay", "pcaps/shop.pcapng", "--engine", "fast"]],
  [3, "holds no program named nope", ["replay", "pcaps/shop.pcapng", "--xdp", "programs/balancer.o:nope"]],
  [3, "is a program of type sched_cls, not xdp", ["replay", "pcaps/shop.pcapng", "--xdp", "programs/policy.o:ingress"]],
  [2, "name one of them: programs/policy.o:ingress", ["replay", "pcaps/shop.pcapng", "--tc-ingress", "programs/policy.o"]],
  [2, "both write to standard output", ["replay", "pcaps/shop.pcapng", "--json", "--jsonl", "-"]],
  [3, "cannot be read: no such file", ["replay", "no-such-file.pcap"]],
  [3, "this is no pcap or pcapng capture", ["replay", "README.md"]],
  [3, "this is not an ELF file", ["replay", "pcaps/shop.pcapng", "--xdp", "README.md"]],
  [
    3,
    "no object has a map zones4",
    ["replay", "pcaps/shop.pcapng", "--xdp", "programs/balancer.o", "--map", "programs/firewall.maps.yaml"],
  ],
  [3, "has no member prt", ["replay", "pcaps/shop.pcapng", ...BALANCER, "--map", 'services=[{"key":{"prt":1},"value":{"pool":1}}]']],
  [3, "the output cannot be written", ["replay", "pcaps/shop.pcapng", "-o", join(folder, "no-such-folder", "out.pcapng")]],
])("exit code %i: %s", (exit, text, args) => {
  const { status, stderr } = xdplane(args);
  expect(stderr).toContain(text);
  expect(status).toBe(exit);
});

test.skipIf(process.platform !== "linux")("a full disk is a named failure", () => {
  for (const option of ["-o", "--jsonl"]) {
    const { status, stderr } = xdplane(["replay", "pcaps/shop.pcapng", option, "/dev/full"]);
    expect(stderr).toContain("error: the output cannot be written: no space left on the device");
    expect(status).toBe(3);
  }
});

test.skipIf(process.platform === "win32")("an interrupt ends the run with the summary so far and exit code 130", async () => {
  const child = spawn(process.execPath, [CLI, "replay", "pcaps/shop.pcapng", "--repeat", "1000000000"], {
    env: environment,
    stdio: ["ignore", "pipe", "pipe"],
  });
  let stderr = "";
  let stdout = "";
  child.stderr.on("data", (chunk) => (stderr += chunk));
  child.stdout.on("data", (chunk) => (stdout += chunk));
  // The handler stands once the run begins; until then there is nothing to see of it, so ask again.
  const asking = setInterval(() => child.kill("SIGINT"), 3_000);
  const status = await new Promise((resolve) => child.on("close", resolve));
  clearInterval(asking);
  expect(stderr).toBe("");
  expect(stdout).toContain(" interrupted: this is what was done so far");
  expect(status).toBe(130);
});

test.skipIf(process.platform === "win32")(
  "an interrupt while standard input keeps still ends the run with the packets that came",
  async () => {
    const path = join(folder, "waiting.jsonl");
    const child = spawn(process.execPath, [CLI, "replay", "-", "--jsonl", path], { env: environment, stdio: ["pipe", "pipe", "pipe"] });
    let stdout = "";
    child.stdout.on("data", (chunk) => (stdout += chunk));
    const capture = readFileSync("pcaps/firewall.pcap");
    child.stdin.write(capture);
    const asking = setInterval(() => child.kill("SIGINT"), 2_000);
    const status = await new Promise((resolve) => child.on("close", resolve));
    clearInterval(asking);
    child.stdin.destroy();
    expect(status).toBe(130);
    expect(stdout).toContain(" 274 packets ");
    expect(stdout).toContain(" interrupted: this is what was done so far");
    expect(jsonLines(path)).toHaveLength(274);
  },
);

test.skipIf(process.platform === "win32")("SIGTERM ends a run likewise, with its own exit code", async () => {
  const child = spawn(process.execPath, [CLI, "replay", "pcaps/shop.pcapng", "--repeat", "1000000000"], { env: environment });
  let stdout = "";
  child.stdout.on("data", (chunk) => (stdout += chunk));
  const asking = setInterval(() => child.kill("SIGTERM"), 3_000);
  const status = await new Promise((resolve) => child.on("close", resolve));
  clearInterval(asking);
  expect(stdout).toContain(" interrupted: this is what was done so far");
  expect(status).toBe(143);
});

test("--pad-snapped fills packets that were cut short up to their length on the wire", () => {
  const capture = readFileSync("pcaps/firewall.pcap");
  const wireLength = capture.readUInt32LE(24 + 12);
  // The first packet alone, cut to 20 bytes.
  const cut = Buffer.concat([capture.subarray(0, 24 + 16), capture.subarray(40, 60)]);
  cut.writeUInt32LE(20, 24 + 8);
  const path = join(folder, "cut.pcap");
  writeFileSync(path, cut);
  const plain = xdplane(["replay", path, "--jsonl", "-"]);
  expect(JSON.parse(plain.stdout)).toMatchObject({ len: 20, out_len: 20 });
  const out = join(folder, "padded.pcapng");
  const padded = xdplane(["replay", path, "--pad-snapped", "--json", "-o", out]);
  expect(padded.status).toBe(0);
  expect(JSON.parse(padded.stdout)).toMatchObject({ packets: 1, snapped: 1, padded: 1 });
  const written = readFileSync(out);
  const whole = Buffer.concat([cut.subarray(40), Buffer.alloc(wireLength - 20)]);
  expect(written.includes(whole)).toBe(true);
  expect(xdplane(["replay", path, "--pad-snapped"]).stdout).toContain(" 1 packet was cut short in the capture and filled up with zeros\n");
});

test.each([
  [["--deterministic", "--workers", "4"], "note: --deterministic runs all CPUs on one thread: --workers 4 is not used\n"],
  [["--cpus", "2", "--workers", "4"], "note: 2 of the 4 workers run, one for each simulated CPU: --queues or --cpus make more\n"],
  [["--cpus", "2", "--workers", "2"], ""],
])("%j is told what becomes of its workers", (words, note) => {
  expect(xdplane(["replay", "pcaps/firewall.pcap", ...words])).toMatchObject({ status: 0, stderr: note });
});

test("programs that saw no packet, and packets that the device refused, are told", () => {
  const { status, stderr } = xdplane([
    "replay",
    "pcaps/shop.pcapng",
    "--dev",
    "eth0,mtu=68",
    "--dev",
    "eth1",
    "--xdp",
    "programs/pass_all.o",
  ]);
  expect(status).toBe(0);
  expect(stderr).toBe(
    "note: pass_all.o:pass_all (xdp, native on eth1) saw no packet\n" +
      "note: eth0 refused 355 packets (rx_length_errors): longer than the MTU, which --dev eth0,mtu= sets, or shorter than a header\n",
  );
});

test("the notes keep silent about programs that ran, at every hook", () => {
  const hooks = ["--mode", "generic", "--xdp", "programs/pass_all.o", "--tc-ingress", "programs/policy.o:ingress"];
  expect(xdplane(["replay", "pcaps/policy.pcap", ...hooks])).toMatchObject({ status: 0, stderr: "" });
  const egress = ["--direction", "egress", "--tc-egress", "programs/policy.o:egress"];
  expect(xdplane(["replay", "pcaps/policy.pcap", ...egress])).toMatchObject({ status: 0, stderr: "" });
});

test("--conntrack takes what conntrack -L prints, and --dump-conntrack prints it in the end", () => {
  const file = join(folder, "connections.txt");
  const tracked =
    "tcp 6 300 ESTABLISHED src=10.0.0.9 dst=10.0.0.1 sport=4000 dport=80 src=10.0.0.1 dst=10.0.0.9 sport=80 dport=4000 [ASSURED] mark=7";
  const ping = "icmp     1 29 src=10.0.0.9 dst=10.0.0.1 type=8 code=0 id=1 src=10.0.0.1 dst=10.0.0.9 type=0 code=0 id=1 mark=0 use=1";
  writeFileSync(file, `# from the host\n${tracked} use=1\n${ping}\n`);
  const args = ["replay", "pcaps/shop.pcapng", "--dev", "eth0", "--conntrack", `@${file}`];
  const { status, stdout, stderr } = xdplane([...args, "--conntrack", "udp src=::1 dst=::2 sport=1 dport=2", "--dump-conntrack", "--json"]);
  expect([status, stderr]).toEqual([0, ""]);
  const udp = "udp 17 29 src=::1 dst=::2 sport=1 dport=2 src=::2 dst=::1 sport=2 dport=1 mark=0";
  expect(JSON.parse(stdout).connections).toEqual([tracked.replace(" 300 ", " 299 "), udp]);
  expect(xdplane([...args, "--dump-conntrack"]).stdout).toContain(`\n${tracked.replace(" 300 ", " 299 ")}\n`);

  writeFileSync(file, `${tracked}\ntcp src=10.0.0.9\n`);
  const broken = xdplane(args);
  expect(broken.status).toBe(2);
  expect(broken.stderr).toContain(`${file}:2`);
  expect(broken.stderr).toContain("connection 'tcp src=10.0.0.9': dst= is missing");
  expect(xdplane([...args.slice(0, -1), "@nowhere.txt"]).stderr).toContain("the entries of --conntrack cannot be read: no such file");
});

test("--xfrm-state takes what ip xfrm state prints", () => {
  const file = join(folder, "states.txt");
  const state =
    "src 10.0.0.1 dst 10.0.0.2\n\tproto esp spi 0x00000010 reqid 9 mode tunnel\n\treplay-window 20 flag af-unspec\n\tenc cbc(aes) 0x11\n";
  writeFileSync(file, `${state}${state.replace("0x00000010", "0x00000011")}`);
  const args = ["replay", "pcaps/shop.pcapng", "--dev", "eth0", "--xfrm-state", `@${file}`];
  expect(xdplane(args)).toMatchObject({ status: 0, stderr: "" });
  writeFileSync(file, `${state}src 10.0.0.1 dst 10.0.0.2\n\tproto esp\n`);
  const broken = xdplane(args);
  expect(broken.status).toBe(2);
  expect(broken.stderr).toContain(`${file}:5`);
  expect(broken.stderr).toContain("xfrm state 'src 10.0.0.1 dst 10.0.0.2 proto esp': spi is missing");
});
