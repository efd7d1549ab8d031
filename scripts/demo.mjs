// What `npm start` shows: a web shop's traffic through the load balancer, on a device with four queues. Further arguments are passed on.
import { spawnSync } from "node:child_process";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
const device = ["--dev", "eth0,mac=02:00:00:00:00:10,queues=4"];
const command = ["replay", "pcaps/shop.pcapng", ...device, "--xdp", "programs/balancer.o", "--map", "programs/balancer.maps.yaml"];
console.log(`$ xdplane ${command.join(" ")}\n`);
const { status } = spawnSync(process.execPath, ["dist/cli.js", ...command, ...process.argv.slice(2)], { cwd: root, stdio: "inherit" });
process.exit(status ?? 1);
