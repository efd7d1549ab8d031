import type { ProgramTypeName } from "../../../../src/bpf/spec.ts";
import type { AnyKind, Kind } from "../statement.ts";
import { arithmeticKinds } from "./arithmetic.ts";
import { checksumKinds } from "./checksum.ts";
import { controlKinds } from "./control.ts";
import { dynptrKinds } from "./dynptr.ts";
import { lockKinds } from "./locks.ts";
import { mapKinds } from "./maps.ts";
import { mapWalkKinds } from "./mapWalks.ts";
import { nestedMapKinds } from "./nestedMaps.ts";
import { networkKinds } from "./network.ts";
import { objectKinds } from "./objects.ts";
import { packetKinds } from "./packet.ts";
import { ringKinds } from "./rings.ts";
import { skbKinds } from "./skb.ts";
import { socketKinds } from "./sockets.ts";
import { stringKinds } from "./strings.ts";
import { surroundingKinds } from "./surroundings.ts";
import { timerKinds } from "./timers.ts";
import { tunnelKinds } from "./tunnel.ts";
import { verdictKinds } from "./verdict.ts";

export const allKinds: readonly AnyKind[] = [
  ...arithmeticKinds,
  ...controlKinds,
  ...mapKinds,
  ...packetKinds,
  ...ringKinds,
  ...skbKinds,
  ...tunnelKinds,
  ...checksumKinds,
  ...stringKinds,
  ...verdictKinds,
  ...dynptrKinds,
  ...mapWalkKinds,
  ...nestedMapKinds,
  ...lockKinds,
  ...surroundingKinds,
  ...networkKinds,
  ...timerKinds,
  ...socketKinds,
  ...objectKinds,
];

const byName = new Map(allKinds.map((kind) => [kind.name, kind]));
if (byName.size !== allKinds.length) throw new Error("two kinds have one name");

export function kindNamed(name: string): AnyKind {
  const kind = byName.get(name);
  if (kind === undefined) throw new RangeError(`no kind of statement is named ${name}`);
  return kind;
}

/** Kinds of statements that programs of this type may hold. */
export const kindsOf = (type: ProgramTypeName): AnyKind[] =>
  allKinds.filter((kind) => {
    const { type: only } = kind as unknown as Kind<unknown>;
    return only === undefined || only === type;
  });
