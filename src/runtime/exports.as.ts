export { cold } from "./cold.as";
export { cpu, getSmpProcessorId, setCpu } from "./cpu.as";
