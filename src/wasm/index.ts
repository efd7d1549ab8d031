export { CodeWriter, type Label } from "./code.ts";
export { type FunctionType, type Limits, ModuleWriter, type WrittenModule } from "./module.ts";
export type { MemoryName, PlainName, ValueType } from "./opcodes.ts";
export { printModule } from "./print.ts";
