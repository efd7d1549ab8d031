import { defineProblems } from "../problem/index.ts";

export const problems = defineProblems({
  kernel_koffi_missing: {
    message: "the live kernel is reached through the package koffi, which is not installed",
    hint: "npm install koffi, then run as root on Linux",
  },
  kernel_not_linux: {
    message: "bpf(2) is a system call of Linux; this is {platform} on {arch}",
    hint: "everything but the live kernel works here",
  },
  kernel_bpf_refused: {
    message: "bpf(2) refused to create a map: {errno}",
    hint: "run as root, or with CAP_BPF, CAP_NET_ADMIN and CAP_PERFMON, outside of a container that filters system calls",
  },
  kernel_call_failed: { message: "{call} failed: {errno}", hint: "{detail}" },
  kernel_rejected: { message: "the live kernel rejected {program}: {errno}", hint: "{log}", exit: 4 },
});
