export type { RunProgram, TestRunInput, TestRunOutput } from "./input.ts";
export { layOutLoopback } from "./loopback.ts";
export { TcTestRun } from "./tc.ts";
export { XdpTestRun } from "./xdp.ts";
