import { failure, type Result, success } from "../../problem/index.ts";
import { linux618Settings } from "./linux618Settings.generated.ts";
import { elfProblems } from "./problems.ts";

/** Settings by name: "y", "m", "n", a number, or a string in double quotes. */
type KernelConfiguration = ReadonlyMap<string, string>;

let kept: KernelConfiguration | null = null;

/**
 * The settings that programs ask for by `extern … __kconfig`, of the Linux 6.18 (x86-64) that the recorded cases come from, with what loaders add:
 * LINUX_KERNEL_VERSION is KERNEL_VERSION(6, 18, 0); the two others say what the kernel can do, and 6.18 can.
 */
export function kernelConfiguration(): KernelConfiguration {
  kept ??= new Map([
    ["LINUX_KERNEL_VERSION", String((6 << 16) | (18 << 8))],
    ["LINUX_HAS_BPF_COOKIE", "1"],
    ["LINUX_HAS_SYSCALL_WRAPPER", "1"],
    ...lines(linux618Settings),
  ]);
  return kept;
}

/**
 * Reads settings as the kernel's build writes them (.config, /proc/config.gz unpacked), or a single `CONFIG_NAME=VALUE`. Comments, among them "is not
 * set", and empty lines say nothing.
 */
export function readKernelConfiguration(text: string, file?: string): Result<KernelConfiguration> {
  const wrong = text.split("\n").findIndex((line) => line.trim() !== "" && !line.startsWith("#") && !SETTING.test(line.trim()));
  if (wrong !== -1) {
    const at = file === undefined ? {} : { file, line: wrong + 1 };
    return failure(elfProblems.kconfig_malformed({ text: text.split("\n")[wrong]!.trim().slice(0, 60) }, at));
  }
  return success(new Map(lines(text)));
}

const SETTING = /^((?:CONFIG_|LINUX_)\w+)=(.+)$/;

const lines = (text: string): [string, string][] =>
  text.split("\n").flatMap((line): [string, string][] => {
    const [, name, value] = SETTING.exec(line.trim()) ?? [];
    return name === undefined || value === undefined ? [] : [[name, value]];
  });
