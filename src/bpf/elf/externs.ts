import { BTF_LINKAGE_EXTERN, type Btf } from "../btf/index.ts";
import { type ElfImage, SHN_UNDEF, STB_WEAK } from "./image.ts";

/** A symbol that the object expects from the kernel. */
export interface ExternSymbol {
  readonly name: string;
  readonly kind: "kconfig" | "kfunc" | "ksym" | "unknown";
  readonly weak: boolean;
}

/** Symbols that are defined nowhere in the object, by what its types say they are. */
export function externSymbols(image: ElfImage, btf: Btf | null): ExternSymbol[] {
  const kinds = new Map<string, ExternSymbol["kind"]>();
  for (const type of btf?.types ?? []) {
    if (type.kind === "func" && type.linkage === BTF_LINKAGE_EXTERN) kinds.set(type.name, "kfunc");
    if (type.kind !== "datasec" || (type.name !== ".kconfig" && type.name !== ".ksyms")) continue;
    for (const { type: id } of type.variables) {
      const variable = btf?.types[id];
      if (variable?.kind === "var") kinds.set(variable.name, type.name === ".kconfig" ? "kconfig" : "ksym");
    }
  }
  return image.symbols
    .filter(({ section, name }) => section === SHN_UNDEF && name !== "")
    .map(({ name, binding }) => ({ name, kind: kinds.get(name) ?? "unknown", weak: binding === STB_WEAK }));
}
