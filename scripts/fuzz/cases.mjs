// The command lines that mutated files are put into, by kind of file. `FILE` stands for the mutated one.
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { gunzipSync, gzipSync } from "node:zlib";
import { mutateBytes, mutateText, randomFrom } from "./mutate.mjs";

const eth0 = ["--dev", "eth0,mac=02:00:00:00:00:10,addr=10.0.0.1/24,queues=4"];
const others = ["--dev", "eth1", "--dev", "eth2"];
const routes = [
  ...["--route", "192.0.2.0/24 via 10.1.0.2 dev eth1", "--route", "2001:db8:2::/48 via fe80::2 dev eth2"],
  ...["--neigh", "10.1.0.2 lladdr 02:00:00:00:01:02 dev eth1", "--neigh", "fe80::2 lladdr 02:00:00:00:02:02 dev eth2"],
];
const xdp = (name, capture, more = [], contents = []) => ({ object: `programs/${name}.o`, capture, hooks: ["--xdp"], more, contents });
const own = (name) => ["--map", `programs/${name}.maps.yaml`];

/** Each program with the traffic and the map contents that were made for it. */
const programs = [
  xdp("pass_all", "pcaps/policy.pcap"),
  xdp("drop_all", "pcaps/policy.pcap"),
  xdp("protocol_counters", "pcaps/firewall.pcap"),
  xdp("reflector", "pcaps/router.pcap"),
  xdp("firewall", "pcaps/firewall.pcap", [], own("firewall")),
  xdp("router", "pcaps/router.pcap", [...others, ...routes], own("router")),
  xdp("balancer", "pcaps/shop.pcapng", [], own("balancer")),
  xdp("scrubber", "pcaps/scrubber.pcap", [], own("scrubber")),
  { ...xdp("policy", "pcaps/policy.pcap", others, own("policy")), hooks: ["--tc-ingress:ingress", "--tc-egress:egress"] },
];

const replay = ({ object, capture, hooks, more, contents }) => [
  ...["replay", capture, ...eth0],
  ...hooks.flatMap((hook) => {
    const [option, program] = hook.split(":");
    return [option, program === undefined ? object : `${object}:${program}`];
  }),
  ...[...more, ...contents, "--as-ethernet", "--dump-maps", "--json"],
];

/** The captures of the project, and those of the shared collection where it stands beside; large ones would only take time. */
const captures = ["pcaps", "../shared/pcaps"]
  .filter((folder) => existsSync(folder))
  .flatMap((folder) => readdirSync(folder).map((name) => `${folder}/${name}`))
  .filter((path) => /\.pcap(ng)?(\.gz)?$/.test(path) && statSync(path).size < 200_000);

const kinds = {
  capture(random) {
    const path = random.of(captures);
    let original = readFileSync(path);
    if (path.endsWith(".gz")) original = gunzipSync(original);
    let bytes = mutateBytes(original, random);
    if (random.below(10) === 0) bytes = mutateBytes(gzipSync(bytes), random);
    const argv = random.below(4) === 0 ? ["dump", "FILE", "--json"] : replay({ ...random.of(programs), capture: "FILE" });
    return { from: path, bytes, extension: "pcap", argv };
  },
  object(random) {
    const program = random.of(programs);
    const original = readFileSync(program.object);
    // Half of the damage stays in instructions, so that much of it gets past the checks and runs.
    const bytes = mutateBytes(original, random, random.below(2) === 0 ? codeOf(original) : undefined);
    const argv = random.below(8) === 0 ? ["dump", "FILE", "--json"] : replay({ ...program, object: "FILE" });
    return { from: program.object, bytes, extension: "o", argv };
  },
  map(random) {
    const program = random.of(programs.filter(({ contents }) => contents.length > 0));
    const from = program.contents[1];
    const bytes = Buffer.from(mutateText(readFileSync(from, "utf8"), random));
    return { from, bytes, extension: "yaml", argv: replay({ ...program, contents: ["--map", "FILE"] }) };
  },
};

export const kindNames = Object.keys(kinds);

/** Mutation `index` of a seed: where it came from, the file's bytes and the command line. */
export function fuzzCase(kind, seed, index) {
  return kinds[kind](randomFrom(Math.imul(seed, 0x9e3779b1) ^ Math.imul(index + 1, 0x85ebca6b) ^ kindNames.indexOf(kind)));
}

/** Where an object's first section with instructions stands (ELF64, little endian: the project's own objects are). */
function codeOf(elf) {
  const table = Number(elf.readBigUInt64LE(0x28));
  let largest = [0, 0];
  for (let index = 0; index < elf.readUInt16LE(0x3c); index++) {
    const section = table + index * elf.readUInt16LE(0x3a);
    const executable = elf.readUInt32LE(section + 4) === 1 && (Number(elf.readBigUInt64LE(section + 8)) & 4) !== 0;
    const [start, size] = [Number(elf.readBigUInt64LE(section + 0x18)), Number(elf.readBigUInt64LE(section + 0x20))];
    if (executable && size > largest[1] - largest[0]) largest = [start, start + size];
  }
  return largest;
}
