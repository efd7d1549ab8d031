import { ancillaryAt, type ClassicInstruction, type ClassicProgram, type ClassicRow, classicRow } from "./instruction.ts";

/** As `tcpdump -d` prints a program: one instruction a line, numbered, with mnemonics. */
export const classicListing = (program: ClassicProgram): string =>
  program.map((instruction, index) => `${listingLine(instruction, index)}\n`).join("");

/** As `tcpdump -dd` does: rows of a C array. */
export const classicInitialisers = (program: ClassicProgram): string =>
  program.map(({ code, jt, jf, k }) => `{ 0x${code.toString(16)}, ${jt}, ${jf}, 0x${hex8(k)} },\n`).join("");

/** As `tcpdump -ddd` does: a count, then the numbers in decimal. */
export const classicNumbers = (program: ClassicProgram): string =>
  `${program.length}\n${program.map(({ code, jt, jf, k }) => `${code} ${jt} ${jf} ${k}\n`).join("")}`;

/** One line of `tcpdump -d`: libpcap's bpf_image. */
function listingLine(instruction: ClassicInstruction, index: number): string {
  const row = classicRow(instruction.code);
  const number = `(${String(index).padStart(3, "0")})`;
  // libpcap does not know ldx #pktlen.
  if (row === undefined || (row.kind === "load_length" && row.register === "x")) {
    return `${number} ${"unimp".padEnd(8)} 0x${instruction.code.toString(16)}`;
  }
  const operand = operandText(instruction, row, index);
  const name = row.mnemonic.padEnd(8);
  if (row.kind !== "branch") return `${number} ${name} ${operand}`;
  return `${number} ${name} ${operand.padEnd(16)} jt ${index + 1 + instruction.jt}\tjf ${index + 1 + instruction.jf}`;
}

function operandText({ k, code }: ClassicInstruction, row: ClassicRow, index: number): string {
  switch (row.kind) {
    case "packet_load":
      if (row.mode === "ind") return `[x + ${signed(k)}]`;
      return `[${ancillaryAt(k) ?? signed(k)}]`;
    case "header_length":
      return `4*([${signed(k)}]&0xf)`;
    case "load_length":
      return "#pktlen";
    case "load_immediate":
      return `#0x${k.toString(16)}`;
    case "load_scratch":
    case "store":
      return `M[${signed(k)}]`;
    case "operation":
      if (row.operand === "x") return "x";
      return bitwise.has(code) ? `#0x${k.toString(16)}` : `#${signed(k)}`;
    case "branch":
      return row.operand === "x" ? "x" : `#0x${k.toString(16)}`;
    case "jump":
      return String((index + 1 + k) | 0);
    case "return":
      return row.value === "k" ? `#${signed(k)}` : "";
    case "negate":
    case "move":
      return "";
  }
}

/** and, or, xor: their constants are masks, written in hexadecimal. */
const bitwise: ReadonlySet<number> = new Set([0x44, 0x54, 0xa4]);

const signed = (k: number): string => String(k | 0);
const hex8 = (k: number): string => k.toString(16).padStart(8, "0");
