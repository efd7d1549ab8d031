import { once } from "node:events";
import { createServer, type Server } from "node:net";
import type { MapSpec } from "../../src/bpf/spec.ts";
import { layOutLoopback } from "../../src/lab/testRun/index.ts";
import { CpuBlock } from "../../src/layout/index.ts";
import { type BpfMap, createMap } from "../../src/runtime/index.ts";
import { layOutSockets, parseSocket } from "../../src/stack/index.ts";
import { TestMachine } from "../runtime/machine.ts";

/** A map of a machine with two declared listeners, or with the sockets of `texts`. */
export function mapOfSockets(spec: MapSpec, texts = ["tcp listen 127.0.0.1:81", "tcp listen 127.0.0.1:82"]): BpfMap {
  const machine = new TestMachine(1);
  const { memory, host } = machine;
  const network = layOutLoopback(memory);
  for (const block of [...host.cpus.blocks, host.cpus.host]) CpuBlock.write(memory.view, block, "network", network.namespace);
  const sockets = texts.map((text) => {
    const socket = parseSocket(text);
    if (!socket.ok) throw new Error(socket.problem.message);
    return socket.value;
  });
  layOutSockets(memory, network.namespace, { sockets, devices: [{ name: "lo", ifindex: 1 }] });
  return createMap(host, spec);
}

/** A listening socket of this process, by its descriptor. */
export async function listening(): Promise<{ readonly server: Server; readonly fd: number }> {
  const server = createServer();
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return { server, fd: (server as unknown as { _handle: { fd: number } })._handle.fd };
}
