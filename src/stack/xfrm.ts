import {
  NetNamespace,
  XFRM_BUCKETS,
  XFRM_REPLAY_MODE_BMP,
  XFRM_REPLAY_MODE_ESN,
  XFRM_STATE_ESN,
  XFRM_STATE_VALID,
  XfrmEntry,
  XfrmReplayEsn,
  XfrmState,
} from "../layout/index.ts";
import type { SimulatedMemory } from "../runtime/index.ts";
import { familyOf } from "./prefix.ts";
import type { XfrmStateSpec } from "./xfrmStates.ts";

/** Windows up to here stand in the state itself. */
const SHORT_WINDOW = 32;
const NO_LIMIT = 0xffff_ffff_ffff_ffffn;

/** Lays the states out and enters them in the namespace. Of two that a program's options fit, it gets the later one. */
export function layOutXfrmStates(memory: SimulatedMemory, namespace: number, states: readonly XfrmStateSpec[]): void {
  if (states.length === 0) return;
  const table = memory.allocate("engine", XFRM_BUCKETS * 4, 64, "xfrm states");
  const array = memory.allocate("engine", states.length * XfrmEntry.size, 64, "xfrm states");
  for (const [index, spec] of states.entries()) {
    const entry = array + index * XfrmEntry.size;
    layOutState(memory, entry + XfrmEntry.at.state, spec);
    const bucket = table + (spec.spi & (XFRM_BUCKETS - 1)) * 4;
    XfrmEntry.write(memory.view, entry, "next", memory.view.getUint32(bucket, true));
    memory.view.setUint32(bucket, entry, true);
  }
  for (const [field, value] of Object.entries({ xfrm: table, xfrm_array: array, xfrm_count: states.length })) {
    NetNamespace.write(memory.view, namespace, field as "xfrm", value);
  }
}

function layOutState(memory: SimulatedMemory, at: number, spec: XfrmStateSpec): void {
  const { flags = 0, replayWindow = 0, mark, limits = {} } = spec;
  const fields = {
    refcnt: 1,
    pcpu_num: 0xffffffff,
    id_proto: spec.protocol,
    mark_value: mark?.value ?? 0,
    mark_mask: mark?.mask ?? 0,
    if_id: spec.ifId ?? 0,
    km_state: XFRM_STATE_VALID,
    props_reqid: spec.reqid ?? 0,
    props_mode: spec.mode ?? 0,
    props_flags: flags,
    props_family: familyOf(spec.dst),
  };
  const { view, bytes } = memory;
  for (const [field, value] of Object.entries(fields)) XfrmState.write(view, at, field as keyof typeof fields, value);
  bytes.set(spec.dst, at + XfrmState.at.id_daddr);
  bytes.set(spec.src, at + XfrmState.at.props_saddr);
  view.setUint32(at + XfrmState.at.id_spi, spec.spi);
  XfrmState.writeBig(view, at, "lft_soft_byte", limits["byte-soft"] ?? NO_LIMIT);
  XfrmState.writeBig(view, at, "lft_hard_byte", limits["byte-hard"] ?? NO_LIMIT);
  XfrmState.writeBig(view, at, "lft_soft_packet", limits["packet-soft"] ?? NO_LIMIT);
  XfrmState.writeBig(view, at, "lft_hard_packet", limits["packet-hard"] ?? NO_LIMIT);
  layOutSelector(memory, at, spec);
  const isEsn = (flags & XFRM_STATE_ESN) !== 0;
  if (isEsn || replayWindow > SHORT_WINDOW) {
    XfrmState.write(view, at, "repl_mode", isEsn ? XFRM_REPLAY_MODE_ESN : XFRM_REPLAY_MODE_BMP);
    layOutReplay(memory, at, spec);
  } else {
    XfrmState.write(view, at, "props_replay_window", replayWindow);
    XfrmState.write(view, at, "replay_seq", spec.seq ?? 0);
    XfrmState.write(view, at, "replay_oseq", spec.oseq ?? 0);
  }
}

function layOutSelector({ view, bytes }: SimulatedMemory, at: number, { selector = {}, dst }: XfrmStateSpec): void {
  const own = selector.src ?? selector.dst;
  const ports = { sel_sport: selector.sport, sel_dport: selector.dport };
  for (const [field, port] of Object.entries(ports)) {
    if (port === undefined) continue;
    const offset = at + XfrmState.at[field as keyof typeof ports];
    view.setUint16(offset, port);
    view.setUint16(offset + 2, 0xffff);
  }
  if (selector.src) bytes.set(selector.src.address, at + XfrmState.at.sel_saddr);
  if (selector.dst) bytes.set(selector.dst.address, at + XfrmState.at.sel_daddr);
  XfrmState.write(view, at, "sel_prefixlen_s", selector.src?.length ?? 0);
  XfrmState.write(view, at, "sel_prefixlen_d", selector.dst?.length ?? 0);
  XfrmState.write(view, at, "sel_proto", selector.protocol ?? 0);
  XfrmState.write(view, at, "sel_family", familyOf(own?.address ?? dst));
}

/** Numbers and bitmap of a long window, or of 64-bit sequence numbers, which the state points to. */
function layOutReplay(memory: SimulatedMemory, at: number, { replayWindow = 0, seq = 0, oseq = 0 }: XfrmStateSpec): void {
  const words = Math.ceil(replayWindow / 32);
  const replay = memory.allocate("engine", XfrmReplayEsn.size + words * 4, 8, "xfrm states");
  const fields = { bmp_len: words, seq, oseq, replay_window: replayWindow };
  for (const [field, value] of Object.entries(fields)) XfrmReplayEsn.write(memory.view, replay, field as keyof typeof fields, value);
  XfrmState.writeBig(memory.view, at, "replay_esn", BigInt(replay));
}
