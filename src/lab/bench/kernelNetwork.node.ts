import { execFileSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { ProblemError } from "../../problem/index.ts";
import { benchDevices, benchNeighbours, benchRoutes } from "./cases.ts";
import { benchProblems } from "./problems.ts";

/** Runs a program of the system in the network namespace that this thread is in. */
function command(line: string): void {
  const [program, ...words] = line.split(" ");
  try {
    execFileSync(program!, words, { stdio: ["ignore", "ignore", "pipe"] });
  } catch (error) {
    const detail = (error as { stderr?: Buffer }).stderr?.toString().trim() || String(error);
    throw new ProblemError(benchProblems.bench_network({ command: line, detail }));
  }
}

const family = (text: string): string => (text.includes("::") ? "-6" : "-4");

/** Gives the namespace that this thread is in the bench's devices, addresses, routes and neighbours, and lets it forward. */
export function declareBenchNetwork(): void {
  command("ip link set lo up");
  for (const { name, ifindex, mac, addresses } of benchDevices) {
    if (name === "lo") continue;
    // A veth, for every kernel has it; its other end only makes the link come up.
    command(`ip link add ${name} index ${ifindex} address ${mac} type veth peer name far-${name} index ${ifindex + 100}`);
    command(`ip link set far-${name} up`);
    command(`ip link set ${name} up`);
    for (const address of addresses) command(`ip address add ${address} dev ${name}${address.includes(":") ? " nodad" : ""}`);
  }
  // Read and written by this very thread, so it is this namespace's.
  for (const switched of ["ipv4/ip_forward", "ipv6/conf/all/forwarding"]) writeFileSync(`/proc/sys/net/${switched}`, "1");
  for (const route of benchRoutes) command(`ip ${family(route)} route add ${route}`);
  for (const neighbour of benchNeighbours) command(`ip ${family(neighbour)} neigh replace ${neighbour} nud permanent`);
}
