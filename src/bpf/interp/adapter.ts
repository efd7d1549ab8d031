import { CodeWriter, type FunctionType, ModuleWriter } from "../../wasm/index.ts";
import type { InterpretedProgram } from "./program.ts";

const PROGRAM: FunctionType = { parameters: ["i64"], results: ["i64"] };
const CALLBACK: FunctionType = { parameters: ["i64", "i64", "i64", "i64", "i64"], results: ["i64"] };

/** Callback counts for which an adapter was made already. */
const modules = new Map<number, WebAssembly.Module>();

/** A module that exports a program and its callbacks, each of which calls the import of the same name. */
function adapterModule(callbacks: number): WebAssembly.Module {
  const known = modules.get(callbacks);
  if (known !== undefined) return known;
  const writer = new ModuleWriter("interpreter");
  const types = [PROGRAM, ...new Array<FunctionType>(callbacks).fill(CALLBACK)];
  const imports = types.map((type, index) => writer.importFunction("interp", String(index), type));
  for (const [index, type] of types.entries()) {
    const code = new CodeWriter(type.parameters.map((_, parameter) => `r${parameter + 1}`));
    for (const parameter of type.parameters.keys()) code.get(parameter);
    code.call(imports[index]!);
    const own = writer.declare(`adapter${index}`, type);
    writer.define(own, code);
    writer.exportFunction(String(index), own);
  }
  const made = new WebAssembly.Module(writer.finish().bytes as Uint8Array<ArrayBuffer>);
  modules.set(callbacks, made);
  return made;
}

/**
 * Puts an interpreted program into the table, its callbacks behind it. A table takes functions of WebAssembly only, so each is wrapped in one; from then on packet
 * loop, tail calls and bpf_loop do not know the difference.
 */
export function installInterpreted({ slot, run, callbacks }: InterpretedProgram, table: WebAssembly.Table): void {
  const functions = Object.fromEntries([run, ...callbacks].map((made, index) => [String(index), made]));
  const { exports } = new WebAssembly.Instance(adapterModule(callbacks.length), { interp: functions });
  for (let index = 0; index <= callbacks.length; index++) table.set(slot + index, exports[String(index)]);
}
