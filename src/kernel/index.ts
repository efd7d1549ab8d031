export { Kernel, openKernel } from "./kernel.node.ts";
export type { KernelMap } from "./map.node.ts";
export type { KernelProgram, TestRun, TestRunResult } from "./program.node.ts";
export type { KernelRing, KernelUserRing } from "./ring.node.ts";
