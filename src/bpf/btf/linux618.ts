import { decodeBase64 } from "../../layout/index.ts";
import { FileRange } from "./fileRange.ts";
import { linux618Base64 } from "./linux618.generated.ts";
import { parseBtf } from "./parse.ts";
import { TargetTypes } from "./targetTypes.ts";

let kept: TargetTypes | null = null;

/**
 * The types of Linux 6.18 (x86-64) that XDP and TC programs relocate against, built in so that what a program does never depends on the machine it is looked
 * at on: contexts, packets, devices, sockets, conntrack, headers, enums of bpf and xdp, kfuncs. They are a part of the kernel's types: a relocation
 * against a type that is not among them is answered as if the kernel had none, and said.
 */
export function linux618(): TargetTypes {
  kept ??= new TargetTypes(readBase64(linux618Base64), { name: "the built-in types of Linux 6.18", complete: false });
  return kept;
}

function readBase64(text: string) {
  return parseBtf(new FileRange(decodeBase64(text), "the built-in types", 0, true)).btf;
}
