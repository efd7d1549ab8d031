import { defineProblems } from "../../problem/index.ts";

export const problems = defineProblems({
  assembly_unknown_instruction: {
    message: "no instruction is written `{text}`",
    hint: "write it as the kernel's verifier log does, such as `r1 += 5` or `r0 = *(u32 *)(r1 +4)`",
  },
  assembly_out_of_range: {
    message: "{value} does not fit the {bits}-bit {field} of `{text}`",
    hint: "a 64-bit number is written `r1 = 5 ll`",
  },
  assembly_unknown_label: { message: "no label or name `{label}`", hint: "labels stand before an instruction as `label:`" },
  assembly_label_twice: { message: "label `{label}` stands in two places", hint: "rename one" },
});
