import { readFileSync } from "node:fs";
import { test } from "vitest";
import { parse } from "yaml";
import { openObject, decodeKey, decodeMapValue } from "../../src/bpf/elf/index.ts";
import { openKernel } from "../../src/kernel/index.ts";
import { readContents } from "../../src/lab/bench/contents.ts";
import { declareBenchNetwork } from "../../src/lab/bench/kernelNetwork.node.ts";

function* pcapPackets(path: string) {
  const b = readFileSync(path);
  if (b.readUInt32LE(0) === 0xa1b23c4d) { let o = 24; while (o < b.length) { const n = b.readUInt32LE(o + 8); yield new Uint8Array(b.subarray(o + 16, o + 16 + n)); o += 16 + n; } return; }
  let o = 0; while (o < b.length) { const t = b.readUInt32LE(o), l = b.readUInt32LE(o + 4); if (t === 6) { const n = b.readUInt32LE(o + 20); yield new Uint8Array(b.subarray(o + 28, o + 28 + n)); } o += l; }
}
test("x", async () => {
  const k = openKernel(); if (!k.ok) throw 1;
  await k.value.inNetworkNamespace(() => {
    declareBenchNetwork();
    for (const [prog, entry, cap, maps] of [["balancer","balancer","shop.pcapng","balancer"],["protocol_counters","protocol_counters","shop.pcapng",""],["reflector","reflector","shop.pcapng",""],["firewall","firewall","firewall.pcap","firewall"],["router","router","router.pcap","router"],["scrubber","scrubber","scrubber.pcap","bench/scrubber"],["policy","ingress","policy.pcap","policy"],["policy","egress","policy.pcap","policy"]] as const) {
      const o = openObject(readFileSync(`programs/${prog}.o`), { file: prog }); if (!o.ok) throw new Error(o.problem.message);
      const ms = k.value.createMaps(o.value.maps);
      if (maps) for (const { map, entries } of readContents(parse(readFileSync(`programs/${maps}.maps.yaml`, "utf8")), o.value.maps)) for (const e of entries) { const r = ms.get(map.name)!.update(e.key, e.value!); if (r) console.log("fill", map.name, r); }
      const p = k.value.loadProgram(o.value.programs.find((x) => x.name === entry)!, ms);
      const v: Record<string, number> = {};
      for (const packet of pcapPackets(`pcaps/${cap}`)) { const r = p.run({ packet }); const key = r.error ? `e${r.error}` : String(r.returned); v[key] = (v[key] ?? 0) + 1; }
      console.log(prog, entry, JSON.stringify(v));
      for (const [name, m] of ms) { if (/stat|reason|outcome|^rules$|counters|connections/.test(name)) { let n = 0; const out: string[] = []; for (const [key, value] of m.entries()) { n++; if (value.some((x) => x) && out.length < 12) out.push(JSON.stringify(decodeKey(m.spec, key)) + "=" + JSON.stringify(decodeMapValue(m.spec, value.subarray(0, m.spec.valueSize)))); } console.log("  ", name, n, out.join(" ")); } }
    }
  });
});
