export { xdpProgramType } from "./programType.ts";
