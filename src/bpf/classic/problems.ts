import { defineProblems } from "../../problem/index.ts";

export const problems = defineProblems({
  classic_text: {
    message: "not the text of a classic BPF program: {reason}",
    hint: "give what `tcpdump -ddd EXPRESSION` or `tcpdump -dd EXPRESSION` prints",
  },
  classic_length: {
    message: "the program has {count} instructions, and Linux takes 1 to {limit}",
    hint: "split the filter, or write it with fewer alternatives",
  },
  classic_code: { message: "code {code} is no instruction of classic BPF" },
  classic_division: { message: "division by the constant 0" },
  classic_shift: { message: "shift by {k} bits of a 32-bit number" },
  classic_scratch: { message: "there is no scratch word M[{k}]", hint: "they are M[0] to M[15]" },
  classic_scratch_unset: {
    message: "M[{k}] is loaded, and not every way here has stored it",
    hint: "store it first: Linux refuses to show what the stack held before",
  },
  classic_jump: {
    message: "jump to instruction {target}: the program has 0 to {last}, and only forward jumps are taken",
    hint: "tcpdump writes loops for protochain; give the expression instead of its code",
  },
  classic_ancillary: { message: "offset {offset} names nothing that Linux knows of a packet" },
  classic_end: { message: "the last instruction is not ret", hint: "every program ends with ret #K or ret a" },
  classic_unbuilt: {
    message: "[{name}] of a packet is not built",
    hint: "load the packet's bytes instead: tcpdump's own programs do",
  },
});
