
/**
 * The runtime's entry: what is exported here, runtime.wasm exports, and compiled programs and the host can call.
 * Each folder lists its own functions in a file `exports.as.ts`.
 */
export * from "../runtime/exports.as";
export * from "../packet/exports.as";
export * from "../tc/exports.as";
export * from "../xdp/exports.as";
export * from "../stack/exports.as";
export * from "../nic/exports.as";
export * from "./exports.as";

