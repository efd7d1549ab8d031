#!/usr/bin/env node
// Writes balancer.maps.yaml: services, backends and the Maglev rings between them. `node programs/make-maps.mjs [--check]`.
import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

const RING_SIZE = 1021;

const services = [
  { name: "web, TLS", address: "198.51.100.80", port: 443, protocol: 6, backends: [1, 2, 3, 4] },
  { name: "web", address: "198.51.100.80", port: 80, protocol: 6, backends: [1, 2] },
  { name: "web, QUIC", address: "198.51.100.80", port: 443, protocol: 17, backends: [3, 4] },
  { name: "names", address: "198.51.100.53", port: 53, protocol: 17, backends: [5, 6, 7] },
  { name: "web over IPv6", address: "2001:db8:100::80", port: 443, protocol: 6, backends: [8, 9] },
];
const backends = {
  1: "10.1.0.1",
  2: "10.1.0.2",
  3: "10.1.0.3",
  4: "10.1.0.4",
  5: "10.1.1.1",
  6: "10.1.1.2",
  7: "10.1.1.3",
  8: "2001:db8:1::1",
  9: "2001:db8:1::2",
};
const settings = { gateway: "02:00:00:00:00:01", source4: "198.51.100.10", source6: "2001:db8:100::10" };

/** FNV-1a over the letters, from another start for each use. */
function hashText(text, start) {
  let hash = start;
  for (const letter of text) hash = Math.imul(hash ^ letter.charCodeAt(0), 0x01000193) >>> 0;
  hash = Math.imul(hash ^ (hash >>> 15), 0x2c1b3c6d) >>> 0;
  return (hash ^ (hash >>> 13)) >>> 0;
}

/**
 * A Maglev ring (Eisenbud et al., NSDI 2016, section 3.4): every backend walks the slots in an order of its own, offset + n * skip, and they take
 * turns in claiming their next free one. So each gets an equal share, and a backend that goes changes few slots but its own.
 */
function maglevRing(ids) {
  const walks = ids.map((id) => ({
    id,
    next: hashText(backends[id], 0x811c9dc5) % RING_SIZE,
    skip: (hashText(backends[id], 0x9747b28c) % (RING_SIZE - 1)) + 1,
  }));
  const ring = new Array(RING_SIZE);
  for (let filled = 0; ; ) {
    for (const walk of walks) {
      while (ring[walk.next] !== undefined) walk.next = (walk.next + walk.skip) % RING_SIZE;
      ring[walk.next] = walk.id;
      if (++filled === RING_SIZE) return ring;
    }
  }
}

const isIpv6 = (address) => address.includes(":");
const family = (address) => (isIpv6(address) ? 6 : 4);

/** A ring of __u16 as hex: as a list of numbers it would take a YAML reader ten times as long. */
const slots = (ring) => Buffer.from(Uint16Array.from(ring).buffer).toString("hex");

const list = (numbers) => `[${numbers.join(", ")}]`;

/** An address for 16 bytes: IPv4 addresses fill the first four. */
const sixteen = (address) => (isIpv6(address) ? `"${address}"` : list(address.split(".")));

const lines = [
  "# Contents of the balancer's maps: the services of pcaps/shop.pcapng. Written by make-maps.mjs.",
  "settings:",
  `  - key: 0`,
  `    value: { gateway: "${settings.gateway}", source4: "${settings.source4}", source6: "${settings.source6}" }`,
  "services:",
  ...services.flatMap(({ name, address, port, protocol }, id) => [
    `  # ${name}: ${address} port ${port}`,
    `  - key: { address: ${sixteen(address)}, port: ${port}, protocol: ${protocol}, family: ${family(address)} }`,
    `    value: { pool: ${id} }`,
  ]),
  "backends:",
  ...Object.entries(backends).flatMap(([id, address]) => [
    `  # ${address}`,
    `  - key: ${id}`,
    `    value: { address: ${sixteen(address)}, family: ${family(address)} }`,
  ]),
  "# Bytes in hex, as a ring's 1,021 slots lie in memory: two for each, the low one first.",
  "rings:",
  ...services.flatMap(({ name, backends: ids }, id) => [
    `  # ${name}: backends ${ids.join(", ")}`,
    `  - key: ${id}`,
    `    value: { backend: "hex ${slots(maglevRing(ids))}" }`,
  ]),
];

const path = fileURLToPath(new URL("balancer.maps.yaml", import.meta.url));
const text = `${lines.join("\n")}\n`;
if (!process.argv.includes("--check")) writeFileSync(path, text);
else if (readFileSync(path, "utf8") !== text) {
  console.error("balancer.maps.yaml is not what this script makes");
  process.exitCode = 1;
}
