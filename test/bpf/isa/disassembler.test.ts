import { execFileSync } from "node:child_process";
import { readdirSync } from "node:fs";
import { expect, test } from "vitest";
import { encode, fieldsOf, type InstructionRow, instructionRows, listInstructions, type SlotFields } from "../../../src/bpf/isa/index.ts";

/** An instruction of the row with a value in each field that it uses. */
function example(row: InstructionRow): SlotFields {
  const uses = fieldsOf(row);
  return {
    code: row.code,
    dst: uses.dst ? 2 : 0,
    src: row.src ?? (uses.src ? 3 : 0),
    offset: row.offset ?? (uses.offset ? -8 : 0),
    imm: row.imm ?? (uses.imm ? 5 : 0),
    high: uses.high ? 1 : 0,
  };
}

test("every instruction is written in both dialects as the golden list shows", async () => {
  const lines = instructionRows.map((row) => {
    const bytes = encode([example(row)]);
    const [verifier, objdump] = (["verifier", "objdump"] as const).map((dialect) => listInstructions(bytes, dialect)[0]!.text);
    return `${Buffer.from(bytes).toString("hex").padEnd(34)}${verifier!.padEnd(46)}${objdump}`;
  });
  await expect(`${lines.join("\n")}\n`).toMatchFileSnapshot("instructions.golden.txt");
});

test("no two rows share their fields, and none is hidden by another", () => {
  const texts = instructionRows.map((row) => listInstructions(encode([example(row)]))[0]!.text);
  expect(new Set(texts).size).toBe(instructionRows.length);
});

/** llvm-objdump from version 17 on writes numbers in hexadecimal. */
const objdump = ["llvm-objdump-19", "llvm-objdump-18", "llvm-objdump-17"].find((name) => {
  try {
    return execFileSync(name, ["--version"]).length > 0;
  } catch {
    return false;
  }
});
const directory = new URL("../../../programs/", import.meta.url).pathname;

test.runIf(objdump)(`our programs are listed as llvm-objdump lists them${objdump ? "" : " (skipped: no llvm-objdump 17 to 19)"}`, () => {
  const objects = readdirSync(directory).filter((name) => name.endsWith(".o"));
  let compared = 0;
  for (const object of objects) {
    const listing = execFileSync(objdump!, ["-d", directory + object], { encoding: "utf8" });
    for (const [, bytes = "", text = ""] of listing.matchAll(/^\s*[0-9a-f]+:\t((?:[0-9a-f]{2} ?){8,16})\t(.*)$/gm)) {
      const raw = Uint8Array.from(bytes.trim().split(" "), (digits) => Number.parseInt(digits, 16));
      expect(listInstructions(raw, "objdump")[0]!.text, object).toBe(text.replace(/ <[^ ]*>$/, ""));
      compared++;
    }
  }
  expect(compared).toBeGreaterThan(objects.length);
});
