export { tcProgramType } from "./programType.ts";
