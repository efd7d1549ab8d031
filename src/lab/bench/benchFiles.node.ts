import { existsSync, readFileSync } from "node:fs";
import { parse } from "yaml";
import { type ObjectFile, openObject } from "../../bpf/elf/index.ts";
import { ProblemError } from "../../problem/index.ts";
import type { BenchCase } from "./cases.ts";
import { type MapContents, readContents } from "./contents.ts";

/** The package's programs/ folder, from a source file or from the bundle. */
function programsFolder(): URL {
  for (let folder = new URL(".", import.meta.url); folder.pathname !== "/"; folder = new URL("..", folder)) {
    const programs = new URL("programs/", folder);
    if (existsSync(new URL("bench/empty.o", programs))) return programs;
  }
  throw new Error("the package's programs/bench folder is missing");
}

/** Opens a case's object file and reads its map contents. */
export function readBenchFiles({ object: name, contents }: BenchCase): { readonly object: ObjectFile; readonly contents: MapContents[] } {
  const folder = programsFolder();
  const object = openObject(readFileSync(new URL(`${name}.o`, folder)), { file: `programs/${name}.o` });
  if (!object.ok) throw new ProblemError(object.problem);
  if (contents === undefined) return { object: object.value, contents: [] };
  const written = parse(readFileSync(new URL(`${contents}.maps.yaml`, folder), "utf8")) as Record<string, unknown>;
  return { object: object.value, contents: readContents(written, object.value.maps) };
}
