export { decodeKey, decodeMapValue, encodeKey, type MapEntry, readMapEntries } from "./mapEntries.ts";
export { type ObjectFile, type OpenOptions, type OtherProgram, openObject } from "./object.ts";
export { findProgram, selectProgram } from "./select.ts";
export { withSettings } from "./settings.ts";
export { sizeMaps } from "./sizeMaps.ts";
