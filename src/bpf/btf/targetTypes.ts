import { essentialName } from "./coreAccess.ts";
import { sameKind } from "./coreCompatible.ts";
import { type Btf, type BtfType, btfName } from "./types.ts";

/**
 * The types of the kernel that a program is loaded for: CO-RE relocations take their answers from them, and they say which functions and variables the
 * kernel has. Indexed by name when first asked.
 */
export class TargetTypes {
  readonly btf: Btf;
  /** Whose they are, in the plural, for messages: "the types of /boot/vmlinux". */
  readonly name: string;
  /** All types of a kernel, so that what is missing here is missing there. */
  readonly complete: boolean;
  #byName: ReadonlyMap<string, readonly number[]> | null = null;

  constructor(btf: Btf, { name, complete }: { readonly name: string; readonly complete: boolean }) {
    this.btf = btf;
    this.name = name;
    this.complete = complete;
  }

  /** Ids of the types of the same kind and essential name, ascending. */
  candidates(type: BtfType): number[] {
    return this.#named(essentialName(btfName(type))).filter((id) => sameKind(type, this.btf.types[id]!));
  }

  /** Is there a type of the same kind and essential name? */
  knows(type: BtfType): boolean {
    return this.candidates(type).length > 0;
  }

  /** Has the kernel a function of that essential name that BTF knows? All kfuncs are such. */
  hasFunction(name: string): boolean {
    return this.#named(essentialName(name)).some((id) => this.btf.types[id]?.kind === "func");
  }

  /** Has the kernel a variable of that essential name that BTF knows? They are the per-CPU ones. */
  hasVariable(name: string): boolean {
    return this.#named(essentialName(name)).some((id) => this.btf.types[id]?.kind === "var");
  }

  #named(name: string): readonly number[] {
    this.#byName ??= this.#index();
    return this.#byName.get(name) ?? [];
  }

  #index(): ReadonlyMap<string, readonly number[]> {
    const byName = new Map<string, number[]>();
    for (const [id, type] of this.btf.types.entries()) {
      const name = btfName(type);
      if (name === "") continue;
      const essential = essentialName(name);
      const list = byName.get(essential);
      if (list === undefined) byName.set(essential, [id]);
      else list.push(id);
    }
    return byName;
  }
}
