export { type CheckedClassic, checkClassic } from "./check.ts";
export { compileFilter, type FilterTarget } from "./expression/index.ts";
export type { ClassicInstruction, ClassicProgram } from "./instruction.ts";
export { type FilteredPacket, interpretClassic, refusedLoad } from "./interpret.ts";
export { classicInitialisers, classicListing, classicNumbers } from "./print.ts";
export { looksLikeClassic, readClassic } from "./read.ts";
export { translateClassic } from "./translate.ts";
