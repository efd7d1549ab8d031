import { ProblemError } from "../../problem/index.ts";
import { type ElfImage, type ElfSection, type ElfSymbol, STB_LOCAL, STT_FUNC } from "./image.ts";
import { elfProblems } from "./problems.ts";

/** Bytes of an instruction; a 16-byte load counts as two. */
export const INSTRUCTION_SIZE = 8;

/** A function of an executable section: its first byte, and the byte behind its last. Both are multiples of 8. */
export interface ElfFunction {
  readonly name: string;
  readonly section: ElfSection;
  readonly from: number;
  readonly to: number;
  /** STB_LOCAL: a `static` function. */
  readonly static: boolean;
}

/**
 * The functions of an object, in the order of their places: symbols of type FUNC, or, in a section without any (clang before 9, and hand-made
 * objects), global symbols without a type; a section with no symbol at all is one function that bears the section's name.
 */
export function functionsOf(image: ElfImage): ElfFunction[] {
  const bySection = new Map<number, ElfSymbol[]>();
  for (const symbol of image.symbols) {
    const list = bySection.get(symbol.section);
    if (list === undefined) bySection.set(symbol.section, [symbol]);
    else list.push(symbol);
  }
  return image.sections
    .filter((section) => section.executable && !section.zeros && section.size > 0)
    .flatMap((section) => functionsOfSection(section, bySection.get(section.index) ?? []));
}

function functionsOfSection(section: ElfSection, symbols: readonly ElfSymbol[]): ElfFunction[] {
  const { size, name } = section;
  if (size % INSTRUCTION_SIZE !== 0)
    throw new ProblemError(elfProblems.elf_bad_program_size({ section: name, size }, section.data.place(0)));
  const typed = symbols.filter((symbol) => symbol.type === STT_FUNC);
  const starts = typed.length > 0 ? typed : symbols.filter((symbol) => symbol.type === 0 && symbol.binding !== STB_LOCAL);
  if (starts.length === 0) return [{ name, section, from: 0, to: size, static: false }];
  const sorted = [...starts].sort((a, b) => a.value - b.value || b.size - a.size);
  const functions: ElfFunction[] = [];
  for (const [index, symbol] of sorted.entries()) {
    const next = sorted[index + 1]?.value ?? size;
    const to = symbol.size > 0 ? symbol.value + symbol.size : next;
    if (to > size || symbol.value >= to || symbol.value % INSTRUCTION_SIZE !== 0 || to % INSTRUCTION_SIZE !== 0)
      throw new ProblemError(
        elfProblems.elf_bad_function(
          { name: symbol.name, from: symbol.value, to, section: name, size },
          { file: section.data.file, offset: symbol.fileOffset },
        ),
      );
    const previous = functions.at(-1);
    if (previous !== undefined && previous.to > symbol.value) {
      // Two names of one function (an alias) are one function, known by its first name.
      if (previous.from === symbol.value && previous.to === to) continue;
      throw new ProblemError(
        elfProblems.elf_functions_overlap(
          { first: previous.name, second: symbol.name, section: name },
          { file: section.data.file, offset: symbol.fileOffset },
        ),
      );
    }
    functions.push({ name: symbol.name, section, from: symbol.value, to, static: symbol.binding === STB_LOCAL });
  }
  return functions;
}
