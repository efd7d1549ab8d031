export { installInterpreted } from "./adapter.ts";
export { type InterpretedProgram, type InterpreterRuntime, interpretProgram } from "./program.ts";
export type { InterpreterEnvironment } from "./steps.ts";
export { InterpreterTrap } from "./trap.ts";
