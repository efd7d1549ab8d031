export { type CoreDecision, type DecidedRelocation, decideRelocation } from "./coreRelocate.ts";
export { declaration } from "./declaration.ts";
export { decodePlain, decodeValue } from "./decode.ts";
export { encodePlain, encodeValue } from "./encode.ts";
export { type BtfExt, type CoreRelocation, type LineInfo, parseBtfExt } from "./ext.ts";
export { FileRange } from "./fileRange.ts";
export { encodeUntyped, formatHex } from "./hexBytes.ts";
export { sizeOfType, stripped, strippedId } from "./layout.ts";
export { linux618 } from "./linux618.ts";
export { parseBtf } from "./parse.ts";
export { printTypes } from "./printTypes.ts";
export { StringTable } from "./stringTable.ts";
export { TargetTypes } from "./targetTypes.ts";
export { asResult, type PlainValue, shown, type TypedValue } from "./typedValue.ts";
export { propertyName, TypeScriptTypes } from "./typeScript.ts";
export {
  BTF_LINKAGE_EXTERN,
  BTF_LINKAGE_STATIC,
  type Btf,
  type BtfComposite,
  type BtfDataSection,
  type BtfMember,
  type BtfType,
} from "./types.ts";
export { writeBtf } from "./write.ts";
