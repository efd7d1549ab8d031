/**
 * The types of an object file, as the kernel's BTF describes them (Documentation/bpf/btf.rst, include/uapi/linux/btf.h). A type is known by
 * its id, its index in `Btf.types`; id 0 is void.
 */
export type BtfType =
  | { readonly kind: "void" }
  | BtfInt
  | { readonly kind: "ptr"; readonly type: number }
  | { readonly kind: "array"; readonly element: number; readonly index: number; readonly length: number }
  | BtfComposite
  | BtfEnum
  | { readonly kind: "fwd"; readonly name: string; readonly union: boolean }
  | { readonly kind: "typedef"; readonly name: string; readonly type: number }
  | { readonly kind: "volatile" | "const" | "restrict"; readonly type: number }
  | { readonly kind: "type_tag"; readonly name: string; readonly type: number }
  | { readonly kind: "func"; readonly name: string; readonly type: number; readonly linkage: number }
  | { readonly kind: "func_proto"; readonly result: number; readonly parameters: readonly BtfParameter[] }
  | { readonly kind: "var"; readonly name: string; readonly type: number; readonly linkage: number }
  | BtfDataSection
  | { readonly kind: "float"; readonly name: string; readonly size: number }
  | { readonly kind: "decl_tag"; readonly name: string; readonly type: number; readonly component: number };

export interface BtfInt {
  readonly kind: "int";
  readonly name: string;
  /** Bytes of the storage. */
  readonly size: number;
  /** Bits of the value, and its first bit in the storage (old compilers describe bitfields so). */
  readonly bits: number;
  readonly bitOffset: number;
  readonly signed: boolean;
  readonly char: boolean;
  readonly bool: boolean;
}

export interface BtfComposite {
  readonly kind: "struct" | "union";
  /** "" when anonymous. */
  readonly name: string;
  readonly size: number;
  readonly members: readonly BtfMember[];
}

export interface BtfMember {
  /** "" when anonymous. */
  readonly name: string;
  readonly type: number;
  readonly bitOffset: number;
  /** Bits of a bitfield; 0 for an ordinary member. */
  readonly bitSize: number;
}

export interface BtfEnum {
  readonly kind: "enum" | "enum64";
  readonly name: string;
  readonly size: number;
  readonly signed: boolean;
  readonly values: readonly { readonly name: string; readonly value: bigint }[];
}

interface BtfParameter {
  readonly name: string;
  /** 0 with an empty name stands for `...`. */
  readonly type: number;
}

export interface BtfDataSection {
  readonly kind: "datasec";
  /** Name of the ELF section. */
  readonly name: string;
  readonly size: number;
  readonly variables: readonly { readonly type: number; readonly offset: number; readonly size: number }[];
}

/** Linkage of a VAR or FUNC; 1 is global. */
export const BTF_LINKAGE_STATIC = 0;
export const BTF_LINKAGE_EXTERN = 2;

/** The type information of an object: every reference in it is the id of a type in it. */
export interface Btf {
  readonly types: readonly BtfType[];
  /** Byte order of values of these types: that of the object. */
  readonly littleEndian: boolean;
}

/** The name of a type; "" when it has none. */
export const btfName = (type: BtfType): string => ("name" in type ? type.name : "");
