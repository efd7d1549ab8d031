export { readKernelConfiguration } from "./kernelConfiguration.ts";
export { decodeKey, decodeMapValue, encodeKey, type MapEntry, readMapEntries } from "./mapEntries.ts";
export { type ObjectFile, type OpenOptions, type OtherProgram, openObject } from "./object.ts";
export { findProgram, selectProgram } from "./select.ts";
export { settingsFor, unknownSetting, withMaps, withSettings } from "./settings.ts";
export { sizeMaps } from "./sizeMaps.ts";
export { readTargetTypes } from "./target.ts";
