export type { CompiledMap, CompileEnvironment } from "./environment.ts";
export { type CompiledProgram, compileProgram, installProgram } from "./program.ts";
export { locateTrap, type TrapTable } from "./traps.ts";
