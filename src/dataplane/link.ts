import { BPF_F_XDP_HAS_FRAGS } from "../layout/index.ts";
import type { Device, FilterSpec, TcEntry, XdpMode } from "../nic/index.ts";
import { ProblemError } from "../problem/index.ts";
import type { LoadedProgram } from "../runtime/index.ts";
import { problems } from "./problems.ts";

/** Where programs are attached to a device. */
export type Hook = "xdp" | "ingress" | "egress" | "tcx/ingress" | "tcx/egress";

const TC_HOOKS = {
  ingress: ["ingress", "clsact"],
  egress: ["egress", "clsact"],
  "tcx/ingress": ["ingress", "tcx"],
  "tcx/egress": ["egress", "tcx"],
} as const;

/** A program at a hook of a device, as bpf_link is in Linux. */
export interface Link {
  readonly device: Device;
  readonly hook: Hook;
  /** XDP only. */
  readonly mode?: XdpMode;
  /** The program that packets meet there now; undefined once detached. */
  readonly program: LoadedProgram | undefined;
  /**
   * Puts another program in its place, also while packets flow: each packet meets either the old or the new one. Throws a Problem when the link is detached or the
   * program is of another type.
   */
  update(program: LoadedProgram): void;
  /** Takes the program away, also while packets flow. Once is enough; further calls do nothing. */
  detach(): void;
}

export interface LinkPlace {
  /** Waits until no CPU runs. */
  readonly standStill: () => void;
  /** Told of a link that is no more. */
  readonly detached: (link: Link) => void;
}

function checkType({ name, verified }: LoadedProgram, hook: Hook): void {
  const { type } = verified.spec;
  const expected = hook === "xdp" ? "xdp" : "sched_cls";
  if (type !== expected) throw new ProblemError(problems.program_type_wrong({ program: name, type, hook, expected }));
}

/** What a hook of one kind does with programs. */
interface Attached {
  replace(program: LoadedProgram): void;
  remove(): void;
}

function attachXdp(device: Device, mode: XdpMode, program: LoadedProgram): Attached {
  device.attachXdp(program.slot, mode, (program.verified.spec.flags & BPF_F_XDP_HAS_FRAGS) !== 0);
  return { replace: ({ slot }) => device.setXdp(slot, mode), remove: () => device.setXdp(0, mode) };
}

function attachTc(device: Device, hook: keyof typeof TC_HOOKS, program: LoadedProgram, place: LinkPlace, filter?: FilterSpec): Attached {
  const [direction, kind] = TC_HOOKS[hook];
  place.standStill();
  const entry: TcEntry = device.attachTc(program.slot, direction, kind, filter);
  return {
    replace: ({ slot }) => device.replaceTc(entry, slot),
    remove: () => {
      place.standStill();
      device.detachTc(entry);
    },
  };
}

/** Attaches a program. Throws a Problem where the kernel would refuse it. */
export function attachProgram(
  place: LinkPlace,
  {
    device,
    hook,
    mode,
    filter,
  }: { readonly device: Device; readonly hook: Hook; readonly mode: XdpMode; readonly filter?: FilterSpec | undefined },
  first: LoadedProgram,
): Link {
  checkType(first, hook);
  const attached = hook === "xdp" ? attachXdp(device, mode, first) : attachTc(device, hook, first, place, filter);
  let current: LoadedProgram | undefined = first;
  const link: Link = {
    device,
    hook,
    ...(hook === "xdp" ? { mode } : {}),
    get program() {
      return current;
    },
    update: (program) => {
      if (current === undefined) throw new ProblemError(problems.link_detached({ program: first.name, hook: `${device.name} ${hook}` }));
      checkType(program, hook);
      attached.replace(program);
      current = program;
    },
    detach: () => {
      if (current === undefined) return;
      attached.remove();
      current = undefined;
      place.detached(link);
    },
  };
  return link;
}
