import { readFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";
import type { Command } from "commander";
import {
  type ObjectFile,
  type OpenOptions,
  openObject,
  readKernelConfiguration,
  readTargetTypes,
  settingsFor,
  unknownSetting,
  withSettings,
} from "../../bpf/elf/index.ts";
import { fileFault } from "../../problem/fileFault.node.ts";
import { ProblemError, type Result } from "../../problem/index.ts";
import { problems } from "./problems.ts";

/** The options of all commands that open objects. */
export interface ObjectOptions {
  readonly btf?: string;
  readonly kconfig?: readonly string[];
  readonly set?: readonly string[];
}

/** Adds the options to a command. */
export function objectOptions(command: Command): Command {
  const list = (text: string, before: readonly string[] = []) => [...before, text];
  return command
    .option("--set <name=value>", "give a global variable of the objects its first value, or MAP.max_entries its number; repeatable", list)
    .option(
      "--btf <file>",
      "types of the kernel that CO-RE relocations and kernel functions are resolved against, raw or a vmlinux, instead of the built-in ones of Linux 6.18; /sys/kernel/btf/vmlinux is the running kernel's",
    )
    .option("--kconfig <setting>", "a kernel setting for __kconfig variables, CONFIG_NAME=VALUE, or a file of them; repeatable", list);
}

/** Opens objects with what the command line says of them all. */
export class ObjectOpener {
  readonly #options: Omit<OpenOptions, "file">;
  readonly #settings: readonly string[];
  readonly #unused: Set<string>;
  readonly #opened: ObjectFile[] = [];

  /** Reads the files that the options name. Throws a Problem. */
  constructor({ btf, kconfig = [], set = [] }: ObjectOptions) {
    this.#settings = set;
    this.#unused = new Set(set);
    this.#options = {
      ...(btf === undefined ? {} : { target: taken(readTargetTypes(read(btf, "--btf"), btf)) }),
      ...(kconfig.length === 0 ? {} : { kconfig: new Map(kconfig.flatMap((text) => [...kernelSettings(text)])) }),
    };
  }

  /** Opens an object; settings that name nothing in it may name something in another. */
  open(bytes: Uint8Array, file: string): ObjectFile {
    const object = taken(openObject(bytes, { ...this.#options, file }));
    const own = taken(settingsFor(object, this.#settings));
    for (const setting of own) this.#unused.delete(setting);
    this.#opened.push(object);
    return taken(withSettings(object, own));
  }

  /** To be called when all objects are open. Throws a Problem for a setting that no object knows. */
  checkSettings(): void {
    for (const setting of this.#unused) throw new ProblemError(unknownSetting(this.#opened, setting));
  }
}

/** One setting, or a file of them, packed with gzip or not. */
function kernelSettings(text: string): ReadonlyMap<string, string> {
  if (/^(CONFIG|LINUX)_\w+=/.test(text)) return taken(readKernelConfiguration(text));
  const bytes = read(text, "--kconfig");
  const packed = bytes[0] === 0x1f && bytes[1] === 0x8b;
  return taken(readKernelConfiguration(new TextDecoder().decode(packed ? unpacked(bytes, text) : bytes), text));
}

function unpacked(bytes: Uint8Array, path: string): Uint8Array {
  try {
    return gunzipSync(bytes);
  } catch (error) {
    throw unreadable("--kconfig", path, error);
  }
}

function read(path: string, option: string): Uint8Array {
  try {
    return readFileSync(path);
  } catch (error) {
    throw unreadable(option, path, error);
  }
}

const unreadable = (option: string, path: string, error: unknown): ProblemError =>
  new ProblemError(problems.option_file_unreadable({ option, path, reason: fileFault(error) }, { file: path }));

function taken<T>(result: Result<T>): T {
  if (!result.ok) throw new ProblemError(result.problem);
  return result.value;
}

/** The bytes of an object that the command line names. */
export function readObject(path: string): Uint8Array {
  try {
    return readFileSync(path);
  } catch (error) {
    throw new ProblemError(problems.object_unreadable({ reason: fileFault(error) }, { file: path }));
  }
}
