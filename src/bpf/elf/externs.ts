import { BTF_LINKAGE_EXTERN, type Btf, type TargetTypes } from "../btf/index.ts";
import { type ElfImage, SHN_UNDEF, STB_WEAK } from "./image.ts";

/** A symbol that the object expects from the kernel. */
export interface ExternSymbol {
  readonly name: string;
  readonly kind: "kconfig" | "kfunc" | "ksym" | "unknown";
  readonly weak: boolean;
  /** The kernel that the object is loaded for has it. */
  readonly known: boolean;
}

/** Symbols that are defined nowhere in the object, by what its types say they are. */
export function externSymbols(
  image: ElfImage,
  btf: Btf | null,
  target: TargetTypes,
  configuration: ReadonlyMap<string, string>,
): ExternSymbol[] {
  const kinds = new Map<string, ExternSymbol["kind"]>();
  for (const type of btf?.types ?? []) {
    if (type.kind === "func" && type.linkage === BTF_LINKAGE_EXTERN) kinds.set(type.name, "kfunc");
    if (type.kind !== "datasec" || (type.name !== ".kconfig" && type.name !== ".ksyms")) continue;
    for (const { type: id } of type.variables) {
      const variable = btf?.types[id];
      if (variable?.kind === "var") kinds.set(variable.name, type.name === ".kconfig" ? "kconfig" : "ksym");
    }
  }
  const isKnown = (name: string, kind: ExternSymbol["kind"]): boolean => {
    if (kind === "kconfig") return configuration.has(name);
    return target.hasFunction(name) || (kind !== "kfunc" && target.hasVariable(name));
  };
  return image.symbols
    .filter(({ section, name }) => section === SHN_UNDEF && name !== "")
    .map(({ name, binding }) => {
      const kind = kinds.get(name) ?? "unknown";
      return { name, kind, weak: binding === STB_WEAK, known: isKnown(name, kind) };
    });
}
