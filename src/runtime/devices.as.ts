import { CpuBlock_network, NetNamespace_device_limit, NetNamespace_devices } from "../layout/layout.generated.as";
import { cpu } from "./cpu.as";

/** The NetDevice with this ifindex in the CPU's network namespace, or 0. */
export function deviceByIndex(ifindex: u32): u32 {
  return deviceIn(load<u32>(cpu, CpuBlock_network), ifindex);
}

/** The NetDevice with this ifindex in a network namespace, or 0. */
export function deviceIn(namespace: u32, ifindex: u32): u32 {
  if (namespace == 0 || ifindex >= load<u32>(namespace, NetNamespace_device_limit)) return 0;
  return load<u32>(load<u32>(namespace, NetNamespace_devices) + ifindex * 4);
}
