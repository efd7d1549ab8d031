import { CpuBlock_id } from "../layout/layout.generated.as";

/** Address of the CPU block whose turn it is (layout/cpu.ts). Every program and helper finds its surroundings through it. */
export let cpu: u32 = 0;

export function setCpu(address: u32): void {
  cpu = address;
}

/** bpf_get_smp_processor_id */
export function getSmpProcessorId(): u32 {
  return load<u32>(cpu, CpuBlock_id);
}

/** bpf_get_numa_node_id: one node. */
export function getNumaNodeId(): u32 {
  return 0;
}
