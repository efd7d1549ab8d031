/** Placeholder until the type reader stands: the parsed .BTF of an object file. */
export interface Btf {
  readonly types: readonly unknown[];
}
