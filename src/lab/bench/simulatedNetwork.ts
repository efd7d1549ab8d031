import { CpuBlock, IFF_UP, NetDevice, NetNamespace } from "../../layout/index.ts";
import { parseMac } from "../../packet/index.ts";
import { ProblemError, type Result } from "../../problem/index.ts";
import type { SimulatedCpus, SimulatedMemory } from "../../runtime/index.ts";
import { layOutNetwork, parseNeighbour, parsePrefix, parseRoute } from "../../stack/index.ts";
import { benchDevices, benchNeighbours, benchRoutes } from "./cases.ts";

/** The bench's devices, routes and neighbours, as `declareBenchNetwork` gives them to the kernel. `device`: where packets come in. */
export function layOutBenchNetwork(memory: SimulatedMemory, cpus: SimulatedCpus): { readonly namespace: number; readonly device: number } {
  const limit = Math.max(...benchDevices.map(({ ifindex }) => ifindex)) + 1;
  const namespace = memory.allocate("engine", NetNamespace.size, 64, "network namespace");
  const table = memory.allocate("engine", limit * 4, 4, "devices");
  const devices = benchDevices.map(({ name, ifindex, mac, addresses }) => {
    const at = memory.allocate("engine", NetDevice.size, 64, `device ${name}`);
    const { view } = memory;
    NetDevice.write(view, at, "ifindex", ifindex);
    NetDevice.write(view, at, "mtu", name === "lo" ? 65536 : 1500);
    NetDevice.write(view, at, "hard_header_len", 14);
    NetDevice.write(view, at, "flags", IFF_UP);
    NetDevice.write(view, at, "rx_queues", 1);
    NetDevice.write(view, at, "forwarding4", 1);
    NetDevice.write(view, at, "forwarding6", 1);
    memory.bytes.set(parseMac(mac)!, at + NetDevice.at.mac);
    view.setUint32(table + ifindex * 4, at, true);
    return { name, ifindex, at, addresses: addresses.map((text) => parsePrefix(text)!) };
  });
  NetNamespace.write(memory.view, namespace, "devices", table);
  NetNamespace.write(memory.view, namespace, "device_limit", limit);
  for (const block of [...cpus.blocks, cpus.host]) CpuBlock.write(memory.view, block, "network", namespace);
  layOutNetwork(memory, namespace, {
    devices,
    routes: benchRoutes.map((text) => taken(parseRoute(text))),
    neighbours: benchNeighbours.map((text) => taken(parseNeighbour(text))),
  });
  return { namespace, device: devices[0]!.at };
}

function taken<T>(result: Result<T>): T {
  if (!result.ok) throw new ProblemError(result.problem);
  return result.value;
}
