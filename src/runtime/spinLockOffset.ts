import { stripped } from "../bpf/btf/index.ts";
import type { MapSpec } from "../bpf/spec.ts";

/** Offset in a value of its struct bpf_spin_lock (a member of the value's type itself, as the kernel asks), or -1. */
export function spinLockOffset({ btf, valueTypeId }: MapSpec): number {
  if (btf === undefined || valueTypeId === undefined || valueTypeId === 0) return -1;
  const value = stripped(btf, valueTypeId);
  if (value.kind !== "struct") return -1;
  for (const { type, bitOffset } of value.members) {
    const member = stripped(btf, type);
    if (member.kind === "struct" && member.name === "bpf_spin_lock") return bitOffset / 8;
  }
  return -1;
}
