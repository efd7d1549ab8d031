import { describe, expect, test } from "vitest";
import { CpuBlock, EINVAL } from "../../src/layout/index.ts";
import { coldHelpers, type TraceLine } from "../../src/runtime/index.ts";
import { TestMachine } from "./machine.ts";

const text = (value: string): Uint8Array => Uint8Array.from(Buffer.from(`${value}\0`, "latin1"));

/** Calls a cold helper on CPU 0 as compiled code does. */
class ColdMachine extends TestMachine {
  readonly lines: TraceLine[] = [];
  readonly #slow = coldHelpers(this.memory.memory, { trace: (line) => this.lines.push(line) });

  cold(helper: number, ...registers: (number | bigint)[]): bigint {
    const cpu = this.host.cpus.blocks[0]!;
    const { view } = this.memory;
    for (let index = 0; index < 5; index++) view.setBigUint64(cpu + CpuBlock.at.arguments + index * 8, BigInt(registers[index] ?? 0), true);
    this.#slow(helper, cpu);
    return BigInt.asIntN(64, CpuBlock.readBig(view, cpu, "result"));
  }

  /** bpf_snprintf into `size` bytes: what it returned, and the text. */
  snprintf(format: string, values: readonly (number | bigint)[] = [], size = 256): readonly [bigint, string] {
    const buffer = this.put(0, new Uint8Array(300).fill(0x23));
    const data = new Uint8Array(BigUint64Array.from(values, (value) => BigInt.asUintN(64, BigInt(value))).buffer);
    const returned = this.cold(165, buffer, size, this.put(1, text(format)), this.put(2, data), data.length);
    const bytes = this.bytesAt(buffer, 300);
    return [returned, Buffer.from(bytes.subarray(0, bytes.indexOf(0))).toString("latin1")];
  }
}

const SNPRINTF = new ColdMachine();
const formatted = (format: string, ...values: (number | bigint)[]): string | bigint => {
  const [returned, made] = SNPRINTF.snprintf(format, values);
  return returned < 0n ? returned : made;
};

describe("bpf_snprintf", () => {
  test.each<[string, (number | bigint)[], string]>([
    ["%d|%i|%u", [-1, 5, -1], "-1|5|4294967295"],
    ["%ld %lld %lu", [-1, -2n, -1], "-1 -2 18446744073709551615"],
    ["%x %X %lx", [0xabcdef, 0xabcdef, 0x123456789abn], "abcdef ABCDEF 123456789ab"],
    ["[%5d][%-5d][%05d][%+d][% d]", [42, 42, -42, 42, 42], "[   42][42   ][-0042][+42][ 42]"],
    ["100%% %c%c", [65, 0x142], "100% AB"],
    ["%px", [0x1234], "0000000000001234"],
    ["%p", [0], "0000000000000000"],
    ["no argument", [1, 2], "no argument"],
  ])("%s", (format, values, expected) => {
    expect(formatted(format, ...values)).toBe(expected);
  });

  test.each(["%", "%q", "%5", "%f", "%n", "%lls", "%pI5", "%pz", "%sx", "\x01", "\x7f", "%\xe9", "%hd"])("refuses %j", (format) => {
    expect(formatted(format, 1)).toBe(BigInt(-EINVAL));
  });

  test("refuses more directives than arguments, and sizes that are not whole arguments", () => {
    expect(formatted("%d %d", 1)).toBe(BigInt(-EINVAL));
    const format = SNPRINTF.put(1, text("x"));
    expect(SNPRINTF.cold(165, SNPRINTF.put(0, new Uint8Array(8)), 8, format, SNPRINTF.put(2, new Uint8Array(16)), 12)).toBe(
      BigInt(-EINVAL),
    );
    expect(SNPRINTF.cold(165, SNPRINTF.put(0, new Uint8Array(8)), 8, format, SNPRINTF.put(2, new Uint8Array(104)), 104)).toBe(
      BigInt(-EINVAL),
    );
  });

  test("strings and addresses are read from memory; an address that is not there is an empty string", () => {
    const name = SNPRINTF.put(4, text("eth0"));
    const address = SNPRINTF.put(5, Uint8Array.of(10, 0, 1, 200, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1));
    expect(formatted("%s|%6s|%-6s|%s|", name, name, name, 0xffff_ffff_ffffn)).toBe("eth0|  eth0|eth0  ||");
    expect(formatted("%pI4 %pi4", address, address)).toBe("10.0.1.200 010.000.001.200");
    expect(formatted("%pI6 %pi6", address, address)).toBe("0a00:01c8:0000:0000:0000:0000:0000:0001 0a0001c8000000000000000000000001");
  });

  test("text that does not fit is cut, and the whole length comes back", () => {
    expect(SNPRINTF.snprintf("%d%d", [12345, 67890], 5)).toEqual([11n, "1234"]);
    expect(SNPRINTF.snprintf("%8388000d", [1], 4)).toEqual([8388001n, "   "]);
  });
});

describe("bpf_trace_printk", () => {
  test("gives a line with CPU and time", () => {
    const machine = new ColdMachine();
    CpuBlock.writeBig(machine.memory.view, machine.host.cpus.blocks[0]!, "ktime_ns", 5_000n);
    expect(machine.cold(6, machine.put(0, text("len %d from %x\n")), 16, 60, 0xabc)).toBe(16n);
    expect(machine.lines).toEqual([{ cpu: 0, nanoseconds: 5_000n, text: "len 60 from abc\n" }]);
  });

  test("a format without an end within its size is refused, and prints nothing", () => {
    const machine = new ColdMachine();
    expect(machine.cold(6, machine.put(0, text("four")), 4)).toBe(BigInt(-EINVAL));
    expect(machine.cold(6, 0xfff_ffff_ffffn, 4)).toBe(BigInt(-EINVAL));
    expect(machine.cold(6, machine.put(0, text("%d %d %d %d")), 12, 1, 2, 3)).toBe(BigInt(-EINVAL));
    expect(machine.lines).toEqual([]);
  });

  test("bpf_trace_vprintk takes its arguments from memory", () => {
    const machine = new ColdMachine();
    const data = machine.put(1, new Uint8Array(BigUint64Array.of(1n, 2n, 3n, 4n).buffer));
    expect(machine.cold(177, machine.put(0, text("%d%d%d%d")), 9, data, 32)).toBe(4n);
    expect(machine.lines.map((line) => line.text)).toEqual(["1234"]);
  });
});
