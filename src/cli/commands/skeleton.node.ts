import { readFileSync, writeFileSync } from "node:fs";
import { basename } from "node:path";
import type { Command } from "commander";
import { openObject } from "../../bpf/elf/index.ts";
import { fileFault } from "../../problem/fileFault.node.ts";
import { ProblemError } from "../../problem/index.ts";
import { skeletonName, skeletonText } from "../../report/index.ts";
import { problems } from "../options/problems.ts";

interface SkeletonOptions {
  readonly output?: string;
  readonly name?: string;
  readonly import: string;
}

/** `skeleton OBJECT`: a TypeScript module with the object's maps, programs and global variables by name and type. */
export function registerSkeleton(program: Command): void {
  program
    .command("skeleton")
    .description("write a TypeScript module with an object's maps, programs and global variables by name and type, and the object in it")
    .argument("<object>", "an ELF object")
    .option("-o, --output <file>", "write there instead of to standard output")
    .option("--name <name>", "name of the types, open<name> and so on; from the file's name unless given")
    .option("--import <module>", "where the module imports the library from", "xdplane")
    .action(skeleton);
}

function skeleton(file: string, { output, name = skeletonName(file), import: library }: SkeletonOptions): void {
  if (!/^[A-Za-z]\w*$/.test(name)) throw new ProblemError(problems.skeleton_name({ name }));
  const bytes = inFile(file, () => readFileSync(file), problems.object_unreadable);
  const object = openObject(bytes, { file });
  if (!object.ok) throw new ProblemError(object.problem);
  const text = skeletonText(object.value, bytes, { file: basename(file), name, library });
  if (output === undefined) process.stdout.write(text);
  else inFile(output, () => writeFileSync(output, text), problems.output_unwritable);
}

function inFile<T>(file: string, work: () => T, problem: typeof problems.object_unreadable): T {
  try {
    return work();
  } catch (error) {
    throw new ProblemError(problem({ reason: fileFault(error) }, { file }));
  }
}
