import { IFF_UP, NetDevice, NetNamespace } from "../../layout/index.ts";
import type { SimulatedMemory } from "../../runtime/index.ts";

const LOOPBACK_IFINDEX = 1;
const LOOPBACK_MTU = 65536;

/** Lays out a network namespace that holds the loopback device alone, as a test run finds it. Gives the addresses of both. */
export function layOutLoopback(memory: SimulatedMemory): { namespace: number; device: number } {
  const namespace = memory.allocate("engine", NetNamespace.size, 64, "network namespace");
  const devices = memory.allocate("engine", (LOOPBACK_IFINDEX + 1) * 4, 4, "devices");
  const device = memory.allocate("engine", NetDevice.size, 64, "device lo");
  const { view } = memory;
  NetNamespace.write(view, namespace, "devices", devices);
  NetNamespace.write(view, namespace, "device_limit", LOOPBACK_IFINDEX + 1);
  view.setUint32(devices + LOOPBACK_IFINDEX * 4, device, true);
  NetDevice.write(view, device, "ifindex", LOOPBACK_IFINDEX);
  NetDevice.write(view, device, "mtu", LOOPBACK_MTU);
  NetDevice.write(view, device, "hard_header_len", 14);
  NetDevice.write(view, device, "flags", IFF_UP);
  NetDevice.write(view, device, "rx_queues", 1);
  return { namespace, device };
}

/** The device with this ifindex, or 0. */
export function findDevice(memory: SimulatedMemory, namespace: number, ifindex: number): number {
  const { view } = memory;
  if (ifindex >= NetNamespace.read(view, namespace, "device_limit")) return 0;
  return view.getUint32(NetNamespace.read(view, namespace, "devices") + ifindex * 4, true);
}
