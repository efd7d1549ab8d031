import { ARENA_POINTER, BPF_MAP_TYPE_ARENA } from "../../layout/index.ts";
import type { RuntimeFunction } from "../spec.ts";
import type { VerifiedProgram } from "../verifier/index.ts";
import { type FunctionContext, pushNarrow, pushRegister, setRegister } from "./context.ts";
import type { CompiledMap } from "./environment.ts";
import { factOf } from "./facts.ts";
import type { Operation } from "./operation.ts";

/** Where bytes of an arena stand, or 0 where they are not there: (map i32, low half of the user address i32, size i32). */
export const arenaAddress: RuntimeFunction = { entry: "arenaAddress", parameters: ["i32", "i32", "i32"], result: "u32" };

/** The arena that a program's casts are of; it can have but one. Undefined where the program casts nothing, so that no access need be told from others. */
export function arenaOf({ instructions }: VerifiedProgram, maps: readonly CompiledMap[]): CompiledMap | undefined {
  const casts = instructions.some((instruction) => instruction?.row.kind === "address_space_cast");
  return casts ? maps.find(({ type }) => type === BPF_MAP_TYPE_ARENA) : undefined;
}

/**
 * addr_space_cast. To the kernel: the low half, marked as an arena's pointer (layout/arena.ts). To the user: the low half, with the upper half of the arena's addresses unless it is 0, or the
 * map was made with BPF_F_NO_USER_CONV. arch/x86/net/bpf_jit_comp.c: insn_is_cast_user.
 */
export function emitCast(context: FunctionContext, { to, dst, src }: Extract<Operation, { kind: "cast" }>): void {
  const { code, program } = context;
  const { start, converts } = program.arena!.arena!;
  pushNarrow(context, src);
  code.op("i64.extend_i32_u");
  const upper = to === "kernel" ? BigInt(ARENA_POINTER) << 40n : converts ? (start >> 32n) << 32n : 0n;
  if (upper !== 0n) {
    code.i64(BigInt.asIntN(64, upper));
    code.op("i64.or");
    if (to === "user") {
      code.i64(0);
      pushNarrow(context, src);
      code.op("select");
    }
  }
  setRegister(context, dst);
}

interface Access {
  readonly base: number;
  readonly offset: number;
  readonly bytes: number;
}

/** Pushes the address of an access, of which the memarg takes the rest; `checked`: it is known to be the program's to write. */
export type PushAddress = () => { readonly rest: number; readonly checked: boolean };

/**
 * Writes an access. Where its base may be an arena's pointer there are three ways: the bytes in the arena, `missing` where they are not there, and any other address. `access` and `missing`
 * leave the same on the stack.
 */
export function whereItLies(
  context: FunctionContext,
  { base, offset, bytes }: Access,
  result: "i64" | undefined,
  plain: PushAddress,
  access: (push: PushAddress) => void,
  missing: () => void,
): void {
  const { code, program } = context;
  const { arena } = program;
  if (arena === undefined || factOf(context.state, base) !== undefined) {
    access(plain);
    return;
  }
  pushRegister(context, base);
  code.i64(40);
  code.op("i64.shr_u");
  code.i64(ARENA_POINTER);
  code.op("i64.eq");
  code.if(result);
  const at = context.scratch("i32");
  code.i32(arena.address | 0);
  pushNarrow(context, base);
  code.i32(offset);
  code.op("i32.add");
  code.i32(bytes);
  code.call(program.importOf(arenaAddress));
  code.tee(at);
  code.if(result);
  access(() => {
    code.get(at);
    return { rest: 0, checked: true };
  });
  code.else();
  missing();
  code.end();
  code.else();
  access(plain);
  code.end();
}
