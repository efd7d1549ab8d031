import type { ObjectFile } from "../../bpf/elf/index.ts";
import { assemble } from "../../bpf/isa/index.ts";
import type { MapSpec, ProgramSpec } from "../../bpf/spec.ts";
import type { Dataplane } from "../../dataplane/index.ts";
import { BPF_MAP_TYPE_DEVMAP } from "../../layout/index.ts";
import type { LoadedProgram } from "../../runtime/index.ts";

/** A program whose rate can be found. */
export interface RateProgram {
  readonly name: string;
  /** Loads it into a machine; frames that it redirects leave by the machine's second device. */
  readonly load: (dataplane: Dataplane) => LoadedProgram;
}

/** What the built-in programs do with every packet, as in the XDP paper's benchmarks. */
export const rateActions = ["drop", "tx", "redirect", "pass"] as const;
export type RateAction = (typeof rateActions)[number];

/** `redirect` sends by entry 0 of this map, as the kernel's sample xdp_redirect_map does. */
const outputDevices: MapSpec = { name: "tx_port", type: BPF_MAP_TYPE_DEVMAP, keySize: 4, valueSize: 8, maxEntries: 1, flags: 0 };

const swapAddresses = `r2 = *(u32 *)(r1 + 0)
r3 = *(u32 *)(r1 + 4)
r4 = r2
r4 += 14
if r4 > r3 goto +12
r4 = *(u16 *)(r2 + 0)
r5 = *(u16 *)(r2 + 2)
r6 = *(u16 *)(r2 + 4)
r7 = *(u16 *)(r2 + 6)
r8 = *(u16 *)(r2 + 8)
r9 = *(u16 *)(r2 + 10)
*(u16 *)(r2 + 0) = r7
*(u16 *)(r2 + 2) = r8
*(u16 *)(r2 + 4) = r9
*(u16 *)(r2 + 6) = r4
*(u16 *)(r2 + 8) = r5
*(u16 *)(r2 + 10) = r6
`;

const texts: Readonly<Record<RateAction, string>> = {
  drop: "r0 = 1\nexit",
  pass: "r0 = 2\nexit",
  tx: `${swapAddresses}r0 = 3\nexit`,
  redirect: `${swapAddresses}r1 = map[0]\nr2 = 0\nr3 = 0\ncall 51\nexit`,
};

export function builtInProgram(action: RateAction): RateProgram {
  const spec: ProgramSpec = {
    name: action,
    section: "xdp",
    type: "xdp",
    expectedAttachType: 0,
    flags: 0,
    license: "GPL",
    instructions: assemble(texts[action]),
    maps: action === "redirect" ? [outputDevices] : [],
    functions: [],
    lines: [],
  };
  const load = (dataplane: Dataplane): LoadedProgram => {
    if (action !== "redirect") return dataplane.load(spec);
    const map = dataplane.createMap(outputDevices);
    const value = new Uint8Array(outputDevices.valueSize);
    new DataView(value.buffer).setUint32(0, dataplane.devices[1]!.ifindex, true);
    map.update(new Uint8Array(outputDevices.keySize), value);
    return dataplane.load(spec, [map]);
  };
  return { name: action, load };
}

/** A program of an object, its maps as the object makes them. */
export function objectProgram(object: ObjectFile, spec: ProgramSpec): RateProgram {
  return { name: spec.name, load: (dataplane) => dataplane.open(object).load(spec) };
}
