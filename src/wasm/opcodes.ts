/**
 * The instructions that the writer emits and the printer reads: one row each, by their name in the text format. A code above 0xff is a prefix
 * byte and the number behind it. WebAssembly core specification 2.0, section 5.4; tail calls and threads proposals.
 */

/** Instructions without immediates. */
export const plainCodes = {
  unreachable: 0x00,
  nop: 0x01,
  else: 0x05,
  end: 0x0b,
  return: 0x0f,
  drop: 0x1a,
  select: 0x1b,
  "i32.eqz": 0x45,
  "i32.eq": 0x46,
  "i32.ne": 0x47,
  "i32.lt_s": 0x48,
  "i32.lt_u": 0x49,
  "i32.gt_s": 0x4a,
  "i32.gt_u": 0x4b,
  "i32.le_s": 0x4c,
  "i32.le_u": 0x4d,
  "i32.ge_s": 0x4e,
  "i32.ge_u": 0x4f,
  "i64.eqz": 0x50,
  "i64.eq": 0x51,
  "i64.ne": 0x52,
  "i64.lt_s": 0x53,
  "i64.lt_u": 0x54,
  "i64.gt_s": 0x55,
  "i64.gt_u": 0x56,
  "i64.le_s": 0x57,
  "i64.le_u": 0x58,
  "i64.ge_s": 0x59,
  "i64.ge_u": 0x5a,
  "i32.clz": 0x67,
  "i32.ctz": 0x68,
  "i32.popcnt": 0x69,
  "i32.add": 0x6a,
  "i32.sub": 0x6b,
  "i32.mul": 0x6c,
  "i32.div_s": 0x6d,
  "i32.div_u": 0x6e,
  "i32.rem_s": 0x6f,
  "i32.rem_u": 0x70,
  "i32.and": 0x71,
  "i32.or": 0x72,
  "i32.xor": 0x73,
  "i32.shl": 0x74,
  "i32.shr_s": 0x75,
  "i32.shr_u": 0x76,
  "i32.rotl": 0x77,
  "i32.rotr": 0x78,
  "i64.clz": 0x79,
  "i64.ctz": 0x7a,
  "i64.popcnt": 0x7b,
  "i64.add": 0x7c,
  "i64.sub": 0x7d,
  "i64.mul": 0x7e,
  "i64.div_s": 0x7f,
  "i64.div_u": 0x80,
  "i64.rem_s": 0x81,
  "i64.rem_u": 0x82,
  "i64.and": 0x83,
  "i64.or": 0x84,
  "i64.xor": 0x85,
  "i64.shl": 0x86,
  "i64.shr_s": 0x87,
  "i64.shr_u": 0x88,
  "i64.rotl": 0x89,
  "i64.rotr": 0x8a,
  "i32.wrap_i64": 0xa7,
  "i64.extend_i32_s": 0xac,
  "i64.extend_i32_u": 0xad,
  "i32.extend8_s": 0xc0,
  "i32.extend16_s": 0xc1,
  "i64.extend8_s": 0xc2,
  "i64.extend16_s": 0xc3,
  "i64.extend32_s": 0xc4,
} as const;

/** Loads and stores: code, and log2 of the bytes they touch, which is the alignment they are written with. */
export const memoryCodes = {
  "i32.load": [0x28, 2],
  "i64.load": [0x29, 3],
  "i32.load8_s": [0x2c, 0],
  "i32.load8_u": [0x2d, 0],
  "i32.load16_s": [0x2e, 1],
  "i32.load16_u": [0x2f, 1],
  "i64.load8_s": [0x30, 0],
  "i64.load8_u": [0x31, 0],
  "i64.load16_s": [0x32, 1],
  "i64.load16_u": [0x33, 1],
  "i64.load32_s": [0x34, 2],
  "i64.load32_u": [0x35, 2],
  "i32.store": [0x36, 2],
  "i64.store": [0x37, 3],
  "i32.store8": [0x3a, 0],
  "i32.store16": [0x3b, 1],
  "i64.store8": [0x3c, 0],
  "i64.store16": [0x3d, 1],
  "i64.store32": [0x3e, 2],
  "i32.atomic.load": [0xfe10, 2],
  "i64.atomic.load": [0xfe11, 3],
  "i32.atomic.load8_u": [0xfe12, 0],
  "i32.atomic.load16_u": [0xfe13, 1],
  "i64.atomic.load8_u": [0xfe14, 0],
  "i64.atomic.load16_u": [0xfe15, 1],
  "i64.atomic.load32_u": [0xfe16, 2],
  "i32.atomic.store": [0xfe17, 2],
  "i64.atomic.store": [0xfe18, 3],
  "i64.atomic.store8": [0xfe1b, 0],
  "i64.atomic.store16": [0xfe1c, 1],
  "i64.atomic.store32": [0xfe1d, 2],
  "i64.atomic.rmw.add": [0xfe1f, 3],
  "i64.atomic.rmw32.add_u": [0xfe24, 2],
  "i64.atomic.rmw.and": [0xfe2d, 3],
  "i64.atomic.rmw32.and_u": [0xfe32, 2],
  "i64.atomic.rmw.or": [0xfe34, 3],
  "i64.atomic.rmw32.or_u": [0xfe39, 2],
  "i64.atomic.rmw.xor": [0xfe3b, 3],
  "i64.atomic.rmw32.xor_u": [0xfe40, 2],
  "i64.atomic.rmw.xchg": [0xfe42, 3],
  "i64.atomic.rmw32.xchg_u": [0xfe47, 2],
  "i64.atomic.rmw.cmpxchg": [0xfe49, 3],
  "i64.atomic.rmw32.cmpxchg_u": [0xfe4e, 2],
} as const;

/** Block openers, with a block type behind. */
export const blockCodes = { block: 0x02, loop: 0x03, if: 0x04 } as const;

/** Instructions with one unsigned index behind (label depth, function, local, global). */
export const indexCodes = {
  br: 0x0c,
  br_if: 0x0d,
  call: 0x10,
  return_call: 0x12,
  "local.get": 0x20,
  "local.set": 0x21,
  "local.tee": 0x22,
  "global.get": 0x23,
  "global.set": 0x24,
} as const;

export const BR_TABLE = 0x0e;
/** Calls through table 0: type index, table index. */
export const indirectCodes = { call_indirect: 0x11, return_call_indirect: 0x13 } as const;
export const I32_CONST = 0x41;
export const I64_CONST = 0x42;
/** Bulk memory: the indices of the memories (zero) behind. */
export const bulkCodes = { "memory.copy": [0xfc0a, 2], "memory.fill": [0xfc0b, 1] } as const;

export type PlainName = keyof typeof plainCodes;
export type MemoryName = keyof typeof memoryCodes;

/** Value types, by their byte. */
export const valueTypes = { i32: 0x7f, i64: 0x7e, f32: 0x7d, f64: 0x7c, v128: 0x7b } as const;
export type ValueType = keyof typeof valueTypes;

/** The block type of a block that leaves nothing on the stack. */
export const EMPTY_BLOCK = 0x40;

/** Sections of a module, in their order. */
export const sections = { custom: 0, type: 1, import: 2, function: 3, table: 4, memory: 5, global: 6, export: 7, code: 10 } as const;
/** Kinds of imports and exports. */
export const externalKinds = { function: 0, table: 1, memory: 2, global: 3 } as const;
