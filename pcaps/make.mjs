#!/usr/bin/env node
// Writes the captures of this folder, the same bytes every time. `node pcaps/make.mjs [--check]`: with --check it compares and writes nothing.
import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { pcapng } from "./make/files.mjs";
import { shop } from "./make/shop.mjs";

const captures = {
  "shop.pcapng": () => pcapng(shop(), { interfaceName: "eth0", comment: "A web shop behind a load balancer, 20 ms" }),
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
