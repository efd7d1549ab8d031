import {
  FATE_ABORTED,
  FATE_CONSUMED,
  FATE_DROP,
  FATE_FORWARDED,
  FATE_REDIRECT,
  FATE_STACK,
  FATE_TX,
  FATE_XSK,
  HOOK_CLSACT_EGRESS,
  HOOK_CLSACT_INGRESS,
  HOOK_CPUMAP,
  HOOK_DEVMAP,
  HOOK_TCX_EGRESS,
  HOOK_TCX_INGRESS,
  HOOK_XDP,
  HOOK_XDP_GENERIC,
  REASON_BUDGET,
  REASON_CPUMAP_FULL,
  REASON_DEPTH,
  REASON_DOWN,
  REASON_FRAG_NEEDED,
  REASON_HELPER,
  REASON_LENGTH,
  REASON_MAP_ACCESS,
  REASON_MEMORY,
  REASON_NIC_FULL,
  REASON_NO_FRAME,
  REASON_NO_NEIGHBOUR,
  REASON_NO_TARGET,
  REASON_OTHERHOST,
  REASON_OUT_OF_BUFFER,
  REASON_TC_REDIRECT_ERR,
  REASON_TC_SHOT,
  REASON_TTL,
  REASON_UNHANDLED,
  REASON_XDP_DROP,
  REASON_XDP_EXCEPTION,
  REASON_XDP_REDIRECT_ERR,
  TO_CPU,
  TO_DEVICE,
  TO_MASK,
} from "../layout/index.ts";
import type { Fate } from "./outcome.ts";

const fates: Readonly<Record<number, Fate>> = {
  [FATE_STACK]: "stack",
  [FATE_TX]: "tx",
  [FATE_REDIRECT]: "redirect",
  [FATE_DROP]: "drop",
  [FATE_ABORTED]: "aborted",
  [FATE_XSK]: "xsk",
  [FATE_CONSUMED]: "consumed",
  [FATE_FORWARDED]: "forwarded",
};

/** The name of FATE_*; undefined for a packet that is still under way. */
export const fateName = (fate: number): Fate | undefined => fates[fate];

/** Fates of packets that went somewhere: their length in the end counts. */
export const hasArrived = (fate: number): boolean => fate === FATE_STACK || fate === FATE_TX || fate === FATE_REDIRECT;

/** Name of a helper by its number, for calls of what is not there. */
export type HelperName = (helper: number) => string;

const reasons: Readonly<Record<number, (detail: number, helper: HelperName) => string>> = {
  [REASON_XDP_DROP]: () => "xdp_drop",
  [REASON_XDP_EXCEPTION]: (action) => (action === 0 ? "xdp_aborted" : `xdp_exception:${action}`),
  [REASON_XDP_REDIRECT_ERR]: (errno) => `xdp_redirect_err:${errno}`,
  [REASON_CPUMAP_FULL]: () => "xdp_cpumap_enqueue",
  [REASON_NO_TARGET]: () => "xdp_redirect_no_target",
  [REASON_LENGTH]: () => "rx_length_errors",
  [REASON_TC_SHOT]: () => "tc_shot",
  [REASON_TC_REDIRECT_ERR]: (errno) => `tc_redirect_err:${errno}`,
  [REASON_BUDGET]: () => "budget",
  [REASON_HELPER]: (helper, name) => `helper ${name(helper)}`,
  [REASON_MEMORY]: () => "memory",
  [REASON_DEPTH]: () => "depth",
  [REASON_NO_FRAME]: () => "no_frame",
  [REASON_DOWN]: () => "tx_dropped",
  [REASON_MAP_ACCESS]: (map) => `map_access:${map}`,
  [REASON_OUT_OF_BUFFER]: () => "rx_out_of_buffer",
  [REASON_NIC_FULL]: () => "rx_discards_phy",
  [REASON_UNHANDLED]: () => "unhandled_proto",
  [REASON_OTHERHOST]: () => "otherhost",
  [REASON_TTL]: () => "ip_ttl",
  [REASON_FRAG_NEEDED]: () => "ip_frag_needed",
  [REASON_NO_NEIGHBOUR]: () => "neigh_failed",
};

/** A loss as Linux names it; null for REASON_NONE. `detail`: see REASON_*. */
export const reasonName = (reason: number, detail: number, helper: HelperName): string | null => reasons[reason]?.(detail, helper) ?? null;

const actions = ["XDP_ABORTED", "XDP_DROP", "XDP_PASS", "XDP_TX", "XDP_REDIRECT"];
const tcActions: Readonly<Record<number, string>> = {
  [-1]: "TC_ACT_UNSPEC",
  0: "TC_ACT_OK",
  1: "TC_ACT_RECLASSIFY",
  2: "TC_ACT_SHOT",
  3: "TC_ACT_PIPE",
  4: "TC_ACT_STOLEN",
  5: "TC_ACT_QUEUED",
  6: "TC_ACT_REPEAT",
  7: "TC_ACT_REDIRECT",
  8: "TC_ACT_TRAP",
};
const tcxActions: Readonly<Record<number, string>> = { [-1]: "TCX_NEXT", 0: "TCX_PASS", 2: "TCX_DROP", 7: "TCX_REDIRECT" };

interface HookName {
  readonly hook: string;
  readonly mode: "native" | "generic" | null;
  readonly verdict: (value: number) => string | undefined;
}

const xdpVerdict = (value: number) => actions[value];
const tcVerdict = (value: number) => tcActions[value];
const tcxVerdict = (value: number) => tcxActions[value];

const hooks: Readonly<Record<number, HookName>> = {
  [HOOK_XDP]: { hook: "xdp", mode: "native", verdict: xdpVerdict },
  [HOOK_XDP_GENERIC]: { hook: "xdp", mode: "generic", verdict: xdpVerdict },
  [HOOK_DEVMAP]: { hook: "devmap", mode: null, verdict: xdpVerdict },
  [HOOK_CPUMAP]: { hook: "cpumap", mode: null, verdict: xdpVerdict },
  [HOOK_TCX_INGRESS]: { hook: "tcx/ingress", mode: null, verdict: tcxVerdict },
  [HOOK_TCX_EGRESS]: { hook: "tcx/egress", mode: null, verdict: tcxVerdict },
  [HOOK_CLSACT_INGRESS]: { hook: "clsact/ingress", mode: null, verdict: tcVerdict },
  [HOOK_CLSACT_EGRESS]: { hook: "clsact/egress", mode: null, verdict: tcVerdict },
};

/** Hook, mode and verdict of a step. `verdict`: signed; what has no name is shown as the number that the program returned, unsigned at XDP. */
export function stepNames(
  hook: number,
  verdict: number,
): { readonly hook: string; readonly mode: HookName["mode"]; readonly verdict: string } {
  const known = hooks[hook];
  if (known === undefined) return { hook: String(hook), mode: null, verdict: String(verdict) };
  const shown = known.verdict === xdpVerdict ? verdict >>> 0 : verdict;
  return { hook: known.hook, mode: known.mode, verdict: known.verdict(verdict) ?? String(shown) };
}

/** Where a packet went: a device's name, or `cpu3`. `deviceName` by ifindex. */
export function targetName(to: number, deviceName: (ifindex: number) => string): string | null {
  if ((to & TO_CPU) !== 0) return `cpu${to & TO_MASK}`;
  return (to & TO_DEVICE) !== 0 ? deviceName(to & TO_MASK) : null;
}
