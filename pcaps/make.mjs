#!/usr/bin/env node
// Writes the captures of this folder, the same bytes every time. `node pcaps/make.mjs [--check]`: with --check it compares and writes nothing.
import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { pcap, pcapng } from "./make/files.mjs";
import { firewall, policy, router, scrubber } from "./make/programs.mjs";
import { shop } from "./make/shop.mjs";

const captures = {
  "shop.pcapng": () => pcapng(shop(), { interfaceName: "eth0", comment: "A web shop behind a load balancer, 20 ms" }),
  "firewall.pcap": () => pcap(firewall()),
  "router.pcap": () => pcap(router()),
  "scrubber.pcap": () => pcap(scrubber()),
  "policy.pcap": () => pcap(policy()),
};

const check = process.argv.includes("--check");
for (const [name, make] of Object.entries(captures)) {
  const path = fileURLToPath(new URL(name, import.meta.url));
  const bytes = make();
  if (!check) writeFileSync(path, bytes);
  else if (!readFileSync(path).equals(bytes)) {
    console.error(`${name} is not what this script makes`);
    process.exitCode = 1;
  }
}
