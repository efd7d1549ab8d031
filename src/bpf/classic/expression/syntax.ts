import type { Span } from "./problems.ts";

/** Words that may stand in front: which protocol, which direction, and what kind of thing the id is. */
export interface Qualifiers {
  readonly protocol: string | undefined;
  readonly direction: Direction;
  readonly type: IdType;
}
export type Direction = "either" | "src" | "dst" | "both";
export type IdType = "host" | "net" | "port" | "portrange" | "proto" | "protochain" | "gateway";

/** What qualifiers stand before. `mask`: length behind a slash, or a dotted mask. */
export type Id = Span &
  (
    | { readonly kind: "name"; readonly text: string }
    | { readonly kind: "number"; readonly value: number }
    | { readonly kind: "dotted"; readonly text: string; readonly mask?: number | string }
    | { readonly kind: "ip6"; readonly text: string; readonly mask?: number }
    | { readonly kind: "mac"; readonly text: string }
  );

export type ArithmeticOperator = "+" | "-" | "*" | "/" | "%" | "&" | "|" | "^" | "<<" | ">>";
export type Relation = ">" | ">=" | "=" | "!=" | "<" | "<=";

export type Arithmetic = Span &
  (
    | { readonly kind: "number"; readonly value: number }
    | { readonly kind: "length" }
    | { readonly kind: "load"; readonly protocol: string; readonly index: Arithmetic; readonly size: number; readonly sizeSpan: Span }
    | { readonly kind: "negate"; readonly of: Arithmetic }
    | { readonly kind: "binary"; readonly operator: ArithmeticOperator; readonly left: Arithmetic; readonly right: Arithmetic }
  );

export type Node = Span &
  (
    | { readonly kind: "and" | "or"; readonly left: Node; readonly right: Node }
    | { readonly kind: "not"; readonly of: Node }
    | { readonly kind: "relation"; readonly relation: Relation; readonly left: Arithmetic; readonly right: Arithmetic }
    | { readonly kind: "id"; readonly qualifiers: Qualifiers; readonly id: Id }
    | { readonly kind: "protocol"; readonly name: string }
    /** broadcast, multicast; `protocol` is what stood before. */
    | { readonly kind: "cast"; readonly cast: "broadcast" | "multicast"; readonly protocol: string | undefined }
    /** Primitives of a word and perhaps a number: less, greater, vlan, mpls, pppoed, pppoes, geneve, inbound, outbound, ifindex. */
    | { readonly kind: "word"; readonly word: string; readonly number?: number; readonly numberSpan?: Span }
    | { readonly kind: "llc"; readonly type?: string; readonly typeSpan?: Span }
  );
