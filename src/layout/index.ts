export * from "./context.ts";
export * from "./cpu.ts";
export * from "./limits.ts";
export * from "./map.ts";
export * from "./network.ts";
export * from "./struct.ts";
export * from "./uapi.ts";
