export { kernelConfiguration } from "./kconfig.ts";
export { decodeKey, decodeMapValue, encodeKey, encodeMapValue, type MapEntry, type MapEntryJson, readMapEntries } from "./mapEntries.ts";
export { type ExternSymbol, type ObjectFile, type OpenOptions, type OtherProgram, openObject, type SectionSummary } from "./object.ts";
export { findProgram, type ProgramWanted, selectProgram } from "./select.ts";
export { sizeMaps } from "./sizeMaps.ts";
