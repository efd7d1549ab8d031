import { TRAP_HELPER } from "../../layout/index.ts";
import {
  type AluRow,
  type AtomicRow,
  type BranchRow,
  type Instruction,
  type LegacyLoadRow,
  LOAD_IMMEDIATE_64,
  type LoadImmediateRow,
  on32,
  on64,
  targetOf,
  wideImmediate,
} from "../isa/index.ts";
import { calledKfunc, type ProgramType, type ShortField } from "../spec.ts";
import type { InstructionPrices, VerifiedProgram } from "../verifier/index.ts";
import { ArenaAccess } from "./arena.ts";
import { functionCallStep, helperStep, kfuncStep, low32 } from "./calls.ts";
import { type Machine, RETURN, type Step } from "./machine.ts";

/** What a program's instructions refer to. */
export interface InterpreterEnvironment {
  /** Table index of the program; its callbacks take the indices behind it, and pointers to them hold these. */
  readonly slot: number;
  /** By index in the program's `maps`: address of the header, and of the first value of an array. */
  readonly maps: readonly InterpretedMap[];
  /** The program adds what it executes to the runtime's `spent`. */
  readonly prices?: InstructionPrices;
}

interface InterpretedMap {
  readonly address: number;
  readonly elements: number;
  /** Of an ARENA: see CompiledMap. */
  readonly arena?: { readonly start: bigint; readonly converts: boolean };
}

/** The steps of a program by slot; undefined in the second slot of ld_imm64. */
export function stepsOf(verified: VerifiedProgram, environment: InterpreterEnvironment, machine: Machine): (Step | undefined)[] {
  const maker = new StepMaker(verified, environment, machine);
  return verified.instructions.map((instruction) => instruction && maker.make(instruction));
}

class StepMaker {
  readonly #program: VerifiedProgram;
  readonly #environment: InterpreterEnvironment;
  readonly #machine: Machine;
  readonly #arena: ArenaAccess | undefined;

  constructor(program: VerifiedProgram, environment: InterpreterEnvironment, machine: Machine) {
    this.#program = program;
    this.#environment = environment;
    this.#machine = machine;
    const casts = program.instructions.some((instruction) => instruction?.row.kind === "address_space_cast");
    const map = casts ? environment.maps.find(({ arena }) => arena !== undefined) : undefined;
    this.#arena = map && new ArenaAccess(machine, map.address, map.arena!);
  }

  make(instruction: Instruction): Step {
    const { index, row, dst, src, offset, imm } = instruction;
    const { memory } = this.#machine;
    const next = index + (instruction.code === LOAD_IMMEDIATE_64 ? 2 : 1);
    const unbuilt = this.#program.unbuilt.get(index);
    if (unbuilt !== undefined) return this.#trap(unbuilt, row.kind === "call" ? imm : 0);
    const target = targetOf(instruction);
    switch (row.kind) {
      case "alu64":
      case "alu32":
        return aluStep(row, instruction, next);
      case "load": {
        const { size, signed } = row;
        return ({ registers }) => {
          const at = this.#addressOf(registers[src]!, offset, size);
          if (at === undefined) registers[dst] = 0n;
          else registers[dst] = signed ? memory.loadSigned(at, size) : memory.load(at, size);
          return next;
        };
      }
      case "store": {
        const { size, operand } = row;
        const constant = BigInt(imm);
        const short = size === 4 ? this.#program.type.shortFields?.get(offset) : undefined;
        if (short !== undefined) return this.#fieldStore(instruction, operand === "imm", short, next);
        return ({ registers }) => {
          const at = this.#addressOf(registers[dst]!, offset, size);
          if (at !== undefined) memory.store(at, size, operand === "imm" ? constant : registers[src]!);
          return next;
        };
      }
      case "atomic":
        return this.#atomic(row, instruction, next);
      case "load_acquire":
        return ({ registers }) => {
          const at = this.#addressOf(registers[src]!, offset, row.size);
          if (at !== undefined) registers[dst] = memory.loadAcquire(at, row.size);
          return next;
        };
      case "store_release":
        return ({ registers }) => {
          const at = this.#addressOf(registers[dst]!, offset, row.size);
          if (at !== undefined) memory.storeRelease(at, row.size, registers[src]!);
          return next;
        };
      case "load_imm64": {
        const value = this.#immediate(row, instruction);
        return ({ registers }) => {
          registers[dst] = value;
          return next;
        };
      }
      case "legacy_load":
        return this.#legacyLoad(row, instruction, next);
      case "branch64":
      case "branch32":
        return this.#branch(row, instruction, next, target!);
      case "jump":
        return () => target!;
      case "may_goto":
        return (frame) => {
          frame.mayGoto--;
          return frame.mayGoto < 0 ? target! : next;
        };
      case "call":
        if (row.callee === "function") return functionCallStep(this.#machine, target!, next);
        if (row.callee === "helper") return helperStep(this.#machine, this.#program.type.helpers.get(imm)!, next);
        return kfuncStep(this.#machine, calledKfunc(this.#program.spec, this.#program.type, imm)!, next);
      case "exit":
        return () => RETURN;
      case "address_space_cast":
        return ({ registers }) => {
          registers[dst] = this.#arena!.cast(row.to, registers[src]!);
          return next;
        };
    }
  }

  /** Where an access goes; undefined where a page of an arena is not there, and the access does nothing but give 0 to a plain load. */
  #addressOf(register: bigint, offset: number, size: number): number | undefined {
    if (this.#arena?.holds(register) === true) return this.#arena.addressOf(register, offset, size);
    return addressOf(register, offset);
  }

  /** A store that is one to a short field of the context if it is made by the context's address. */
  #fieldStore({ dst, src, offset, imm }: Instruction, immediate: boolean, { limit }: ShortField, next: number): Step {
    const { memory, context } = this.#machine;
    const constant = BigInt(imm);
    return ({ registers }) => {
      const value = immediate ? constant : registers[src]!;
      const base = addressOf(registers[dst]!, 0);
      if (this.#arena?.holds(registers[dst]!) === true || base !== context()) {
        const at = this.#addressOf(registers[dst]!, offset, 4);
        if (at !== undefined) memory.store(at, 4, value);
      } else if (limit === undefined || value < BigInt(limit)) memory.store(base + offset, 4, value & 0xffffn);
      return next;
    };
  }

  #trap(message: string, detail: number): Step {
    return () => this.#machine.trap(TRAP_HELPER, detail, message);
  }

  #immediate({ source }: LoadImmediateRow, instruction: Instruction): bigint {
    const { slot, maps } = this.#environment;
    const { imm, high } = instruction;
    switch (source) {
      case "map":
      case "map_index":
        return BigInt(maps[imm]!.address);
      case "map_value":
      case "map_index_value":
        return maps[imm]!.arena === undefined ? BigInt(maps[imm]!.elements + high) : maps[imm]!.arena!.start + BigInt(high);
      case "function":
        return BigInt(slot + 1 + this.#program.callbacks.indexOf(targetOf(instruction)!));
      case "variable":
      case "value":
        return wideImmediate(instruction);
    }
  }

  #atomic({ size, operation, fetch }: AtomicRow, { dst, src, offset }: Instruction, next: number): Step {
    const { memory } = this.#machine;
    return ({ registers }) => {
      const at = this.#addressOf(registers[dst]!, offset, size);
      if (at === undefined) {
        if (operation === "cmpxchg" && size === 4) registers[0] = low(registers[0]!);
        return next;
      }
      const old = memory.update(at, size, operation, registers[src]!, registers[0]!);
      if (operation === "cmpxchg") registers[0] = old;
      else if (fetch) registers[src] = old;
      return next;
    };
  }

  /** Where the packet ends before the bytes do, the function returns 0. */
  #legacyLoad({ mode, size }: LegacyLoadRow, { src, imm }: Instruction, next: number): Step {
    const called = (this.#program.type as Required<ProgramType>).legacyLoads[size];
    const load = this.#machine.runtimeFunction(called);
    return ({ registers }) => {
      const index = mode === "ind" ? registers[src]! : 0n;
      const value = load([registers[6]!, BigInt(imm) + index]);
      registers[0] = value < 0n ? 0n : value;
      return value < 0n ? RETURN : next;
    };
  }

  #branch(row: BranchRow, { dst, src, imm }: Instruction, next: number, target: number): Step {
    const { condition } = row;
    const constant = BigInt.asUintN(row.kind === "branch64" ? 64 : 32, BigInt(imm));
    const fromRegister = row.operand === "src";
    if (row.kind === "branch64") {
      return ({ registers }) => (condition(on64, registers[dst]!, fromRegister ? registers[src]! : constant) ? target : next);
    }
    return ({ registers }) => (condition(on32, low(registers[dst]!), fromRegister ? low(registers[src]!) : constant) ? target : next);
  }
}

function aluStep(row: AluRow, { dst, src, imm }: Instruction, next: number): Step {
  const { meaning } = row;
  const fromRegister = row.operand === "src";
  if (row.kind === "alu64") {
    const constant = BigInt.asUintN(64, BigInt(imm));
    return ({ registers }) => {
      registers[dst] = meaning(on64, registers[dst]!, fromRegister ? registers[src]! : constant);
      return next;
    };
  }
  const constant = BigInt.asUintN(32, BigInt(imm));
  return ({ registers }) => {
    registers[dst] = meaning(on32, low(registers[dst]!), fromRegister ? low(registers[src]!) : constant);
    return next;
  };
}

const low = (value: bigint): bigint => BigInt.asUintN(32, value);

/**
 * The address of an access: the register's low 32 bits plus the offset. Like WebAssembly's, a sum above 4 GiB does not wrap (the access then leaves the memory),
 * and a negative offset is added modulo 2^32.
 */
function addressOf(register: bigint, offset: number): number {
  const base = low32(register);
  return offset >= 0 ? base + offset : (base + offset) >>> 0;
}
